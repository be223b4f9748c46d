//! The library in use, which a reload replaces as a whole.

use std::sync::{Arc, PoisonError, RwLock};

use super::library::TemplateLibrary;

/// A library that is shared and can be replaced. Whoever builds a file takes the library once and keeps it to the end.
#[derive(Debug, Clone)]
pub struct SharedLibrary(Arc<RwLock<Arc<TemplateLibrary>>>);

impl SharedLibrary {
    /// A library in use.
    pub fn new(library: Arc<TemplateLibrary>) -> Self {
        Self(Arc::new(RwLock::new(library)))
    }

    /// The library of now.
    pub fn current(&self) -> Arc<TemplateLibrary> {
        // A panic while it is held leaves a whole library.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another library into use. Files that are being built come from the one before.
    pub fn replace(&self, library: Arc<TemplateLibrary>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = library;
    }
}
