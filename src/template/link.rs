//! Templates that include others: where those are, that none includes itself, and what it takes over from them.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Place, TemplateError, TemplateReason};
use super::library::Template;
use super::statement::{Action, Auto, Statement};

/// Templates that include one another, at most.
const DEEPEST: usize = 32;

/// Gives each `include` the place of its template, refuses cycles, and notes of each template what it takes over.
pub(super) fn link(templates: &mut [Template], by_name: &HashMap<Arc<str>, usize>) -> Result<(), TemplateError> {
    for template in &mut *templates {
        link_statements(&mut template.statements, by_name)?;
    }
    let includes: Vec<Vec<(usize, Place)>> = templates
        .iter()
        .map(|template| {
            let mut found = Vec::new();
            included(&template.statements, &mut found);
            found
        })
        .collect();
    let order = inner_first(templates, &includes)?;
    for at in order {
        take_over(templates, at, includes.get(at).map_or(&[], Vec::as_slice))?;
    }
    Ok(())
}

fn link_statements(statements: &mut [Statement], by_name: &HashMap<Arc<str>, usize>) -> Result<(), TemplateError> {
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
                    .try_for_each(|(_, statements)| link_statements(statements, by_name))?;
            }
            Action::For(_, _, statements) | Action::Group(_, statements) => link_statements(statements, by_name)?,
            _ => {}
        }
    }
    Ok(())
}

fn included(statements: &[Statement], found: &mut Vec<(usize, Place)>) {
    for Statement { place, action } in statements {
        match action {
            Action::Include(_, at) => found.push((*at, place.clone())),
            Action::If(branches) => branches.iter().for_each(|(_, statements)| included(statements, found)),
            Action::For(_, _, statements) | Action::Group(_, statements) => included(statements, found),
            _ => {}
        }
    }
}

/// How far the search for cycles is with a template.
#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}

/// The templates, each after those that it includes. Templates that include themselves would never end. Each template
/// is looked at once.
fn inner_first(templates: &[Template], includes: &[Vec<(usize, Place)>]) -> Result<Vec<usize>, TemplateError> {
    let mut visits = vec![Visit::New; templates.len()];
    let mut order = Vec::with_capacity(templates.len());
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
                    order.push(at);
                    path.pop();
                }
                Some((target, place)) => {
                    *next += 1;
                    let target = *target;
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
    Ok(order)
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

/// Lookups, and whether any variable is asked for, come from the included templates too; these are done already.
fn take_over(templates: &mut [Template], at: usize, includes: &[(usize, Place)]) -> Result<(), TemplateError> {
    let Some(template) = templates.get(at) else {
        return Ok(());
    };
    let mut lookups = template.lookups.clone();
    let mut is_static = is_static(&template.statements) && lookups.is_empty();
    for (target, place) in includes {
        let Some(inner) = templates.get(*target) else { continue };
        // A block says nothing of its kind: it goes into files of either.
        if inner.says_kind && inner.kind != template.kind {
            return Err(TemplateError {
                place: place.clone(),
                reason: TemplateReason::OtherKind(inner.name.to_string()),
            });
        }
        is_static &= inner.is_static;
        for lookup in &inner.lookups {
            if !lookups.contains(lookup) {
                lookups.push(lookup.clone());
            }
        }
    }
    if let Some(template) = templates.get_mut(at) {
        template.lookups = lookups;
        template.is_static = is_static;
    }
    Ok(())
}

fn is_static(statements: &[Statement]) -> bool {
    statements.iter().all(|statement| match &statement.action {
        // What these two add is another for each request.
        Action::Auto(Auto::Timestamp | Auto::ModemAddress, on) => !on,
        Action::Run(_) | Action::Auto(..) | Action::Include(..) => true,
        Action::Group(_, body) => is_static(body),
        Action::Default(_, value) | Action::Set(_, value) => value.is_constant(),
        _ => false,
    })
}
