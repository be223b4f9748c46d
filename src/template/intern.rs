//! What the templates of one library share: the names of variables, expressions, and objects.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::expression::Expr;
use crate::mib::Object;

/// Names, expressions and objects that were met while a library is compiled. One text is one allocation, so that names are
/// compared by their addresses, and an expression that ten thousand templates have is compiled once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    names: RefCell<HashSet<Arc<str>>>,
    expressions: RefCell<HashMap<Box<str>, Arc<Expr>>>,
    objects: RefCell<HashMap<String, Arc<Object>>>,
}

impl Interner {
    /// The one copy of a variable's name.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        let mut names = self.names.borrow_mut();
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = name.into();
        names.insert(Arc::clone(&fresh));
        fresh
    }

    /// The one copy of an object.
    pub(super) fn object(&self, object: &Object) -> Arc<Object> {
        let mut objects = self.objects.borrow_mut();
        let copy = objects
            .entry(object.qualified())
            .or_insert_with(|| Arc::new(object.clone()));
        Arc::clone(copy)
    }

    /// The one copy of an expression. The error says what is wrong with it.
    pub(super) fn expression(&self, text: &str) -> Result<Arc<Expr>, String> {
        let text = text.trim();
        if let Some(known) = self.expressions.borrow().get(text) {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(Expr::compile(text, self)?);
        self.expressions.borrow_mut().insert(text.into(), Arc::clone(&fresh));
        Ok(fresh)
    }
}
