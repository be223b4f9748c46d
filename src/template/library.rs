//! The templates of an installation, compiled together.

use std::collections::HashMap;
use std::sync::Arc;

use super::build::{self, BuildError};
use super::context::Context;
use super::error::{Place, TemplateError, TemplateReason};
use super::parse::parse;
use super::shipped::SHIPPED;
use super::statement::{Action, Statement};
use crate::mib::Names;
use crate::wire::tlv::DeviceFile;

/// Templates that include one another, at most.
const DEEPEST: usize = 32;

/// One compiled template.
#[derive(Debug)]
pub(super) struct Template {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub statements: Vec<Statement>,
}

/// Templates that were compiled together. A library is whole: one mistake in one template, and there is none.
#[derive(Debug)]
pub struct TemplateLibrary {
    templates: Vec<Template>,
    by_name: HashMap<Arc<str>, usize>,
}

impl TemplateLibrary {
    /// Compiles templates, each a name and its text. Where two have one name the later one counts, so an operator's own
    /// may follow the shipped ones.
    ///
    /// # Errors
    /// [`TemplateError`] with the first mistake and its place.
    pub fn load<'a>(
        sources: impl IntoIterator<Item = (&'a str, &'a str)>,
        names: &Names,
    ) -> Result<Self, TemplateError> {
        let mut texts: Vec<(Arc<str>, &str)> = Vec::new();
        let mut by_name: HashMap<Arc<str>, usize> = HashMap::new();
        for (name, text) in sources {
            match by_name.get(name).and_then(|&at| texts.get_mut(at)) {
                Some(source) => source.1 = text,
                None => {
                    let name: Arc<str> = name.into();
                    by_name.insert(Arc::clone(&name), texts.len());
                    texts.push((name, text));
                }
            }
        }
        let templates = texts
            .into_iter()
            .map(|(name, text)| {
                let mut statements = parse(&name, text, names)?;
                link(&mut statements, &by_name)?;
                Ok(Template { name, statements })
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        refuse_cycles(&templates)?;
        Ok(Self { templates, by_name })
    }

    /// The templates that come with Hardline: `secure-ietf` and so on, one for each flow and dialect.
    ///
    /// # Errors
    /// None in a released program: a test compiles them.
    pub fn shipped(names: &Names) -> Result<Self, TemplateError> {
        Self::load(SHIPPED.iter().copied(), names)
    }

    /// The shipped templates with an operator's own, which replace those of the same name.
    ///
    /// # Errors
    /// [`TemplateError`] with the first mistake and its place.
    pub fn shipped_and<'a>(
        own: impl IntoIterator<Item = (&'a str, &'a str)>,
        names: &Names,
    ) -> Result<Self, TemplateError> {
        Self::load(SHIPPED.iter().copied().chain(own), names)
    }

    /// The names of the templates, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Builds a device's file from the template `name`.
    ///
    /// # Errors
    /// [`BuildError`] with the place in the template and the attribute that failed.
    pub fn build(&self, name: &str, context: &Context<'_>) -> Result<DeviceFile, BuildError> {
        let template = self.by_name.get(name).and_then(|&at| self.templates.get(at));
        let template = template.ok_or_else(|| BuildError::NoTemplate(name.chars().take(80).collect()))?;
        build::build(&self.templates, template, context)
    }

    /// Builds a device's file from the template that its record names, or from the default of its flow and dialect.
    ///
    /// # Errors
    /// [`BuildError`] with the place in the template and the attribute that failed.
    pub fn build_for(&self, context: &Context<'_>) -> Result<DeviceFile, BuildError> {
        self.build(&context.device.template_name(), context)
    }
}

/// Gives each `include` the place of its template.
fn link(statements: &mut [Statement], by_name: &HashMap<Arc<str>, usize>) -> Result<(), TemplateError> {
    for Statement { place, action } in statements {
        match action {
            Action::Include(name, at) => {
                *at = *by_name.get(&**name).ok_or_else(|| TemplateError {
                    place: place.clone(),
                    reason: TemplateReason::Include(name.to_string()),
                })?;
            }
            Action::If(branches) => {
                branches
                    .iter_mut()
                    .try_for_each(|(_, statements)| link(statements, by_name))?;
            }
            Action::For(_, _, statements) => link(statements, by_name)?,
            _ => {}
        }
    }
    Ok(())
}

/// How far the search for cycles is with a template.
#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Templates that include themselves would never end. Each template is looked at once.
fn refuse_cycles(templates: &[Template]) -> Result<(), TemplateError> {
    let includes: Vec<Vec<(usize, &Place)>> = templates
        .iter()
        .map(|template| {
            let mut found = Vec::new();
            included(&template.statements, &mut found);
            found
        })
        .collect();
    let mut visits = vec![Visit::New; templates.len()];
    for start in 0..templates.len() {
        // The templates from the first to the present one, and which of its includes comes next.
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            if *next == 0 && visits.get(at) == Some(&Visit::Done) {
                path.pop();
                continue;
            }
            set(&mut visits, at, Visit::Open);
            match includes.get(at).and_then(|includes| includes.get(*next)) {
                None => {
                    set(&mut visits, at, Visit::Done);
                    path.pop();
                }
                Some(&(target, place)) => {
                    *next += 1;
                    if visits.get(target) == Some(&Visit::Open) {
                        return Err(cycle(templates, &path, target, place));
                    }
                    if path.len() == DEEPEST {
                        return Err(TemplateError {
                            place: place.clone(),
                            reason: TemplateReason::Depth(DEEPEST),
                        });
                    }
                    path.push((target, 0));
                }
            }
        }
    }
    Ok(())
}

fn set(visits: &mut [Visit], at: usize, visit: Visit) {
    if let Some(slot) = visits.get_mut(at) {
        *slot = visit;
    }
}

fn cycle(templates: &[Template], path: &[(usize, usize)], target: usize, place: &Place) -> TemplateError {
    let round = path
        .iter()
        .map(|(at, _)| *at)
        .skip_while(|&at| at != target)
        .chain([target]);
    let names: Vec<&str> = round
        .filter_map(|at| templates.get(at))
        .map(|template| &*template.name)
        .collect();
    TemplateError {
        place: place.clone(),
        reason: TemplateReason::Cycle(names.join(" → ")),
    }
}

fn included<'a>(statements: &'a [Statement], found: &mut Vec<(usize, &'a Place)>) {
    for Statement { place, action } in statements {
        match action {
            Action::Include(_, at) => found.push((*at, place)),
            Action::If(branches) => branches.iter().for_each(|(_, statements)| included(statements, found)),
            Action::For(_, _, statements) => included(statements, found),
            _ => {}
        }
    }
}
