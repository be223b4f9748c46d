//! From a requested file name to the template that makes the file.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::context::Scalar;
use super::error::{Place, TemplateError, TemplateReason};
use super::library::Template;
use super::serve::Pattern;
use crate::value::MacAddress;

/// Names that are kept after they were found by a pattern; as many again are kept of those before.
const LEARNED: usize = 32_768;
/// The longest name that is learned, in octets.
const LONGEST: usize = 255;

/// What a requested name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The template.
    pub template: Arc<str>,
    /// What its pattern captured.
    pub captures: Arc<BTreeMap<String, Scalar>>,
    /// The device that the name is about: `name@0a0102030405`.
    pub device: Option<MacAddress>,
}

/// The names that a library's templates are served under.
#[derive(Debug)]
pub(super) struct Naming {
    exact: HashMap<Box<str>, Arc<str>>,
    /// Patterns by the text that they begin with, the more telling ones first.
    patterns: HashMap<Box<str>, Vec<(Pattern, Arc<str>)>>,
    /// The lengths of those texts, the longest first.
    lengths: Vec<usize>,
    learned: Mutex<Learned>,
}

/// Names found by patterns: the present ones, and those of the time before.
#[derive(Debug, Default)]
struct Learned {
    young: HashMap<Box<str>, Resolved>,
    old: HashMap<Box<str>, Resolved>,
}

impl Learned {
    fn get(&mut self, name: &str) -> Option<Resolved> {
        if let Some(found) = self.young.get(name) {
            return Some(found.clone());
        }
        let (name, found) = self.old.remove_entry(name)?;
        self.put(name, found.clone());
        Some(found)
    }

    fn put(&mut self, name: Box<str>, found: Resolved) {
        if self.young.len() >= LEARNED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, found);
    }
}

impl Naming {
    /// The names of `templates`: each its own, and those that it says. `served` has them with their places.
    pub fn new(templates: &[Template], served: Vec<(usize, Place, Pattern)>) -> Result<Self, TemplateError> {
        let mut exact: HashMap<Box<str>, Arc<str>> = HashMap::with_capacity(templates.len());
        for template in templates {
            exact.insert(template.name.as_ref().into(), Arc::clone(&template.name));
        }
        let mut patterns: HashMap<Box<str>, Vec<(Pattern, Arc<str>)>> = HashMap::new();
        for (at, place, pattern) in served {
            let Some(template) = templates.get(at) else { continue };
            let name = Arc::clone(&template.name);
            let taken = |other: &Arc<str>| TemplateError {
                place: place.clone(),
                reason: TemplateReason::Served {
                    name: pattern.as_str().to_owned(),
                    other: other.to_string(),
                },
            };
            if pattern.is_exact() {
                match exact.insert(pattern.as_str().into(), Arc::clone(&name)) {
                    Some(other) if other != name => return Err(taken(&other)),
                    _ => continue,
                }
            }
            let alike = patterns.entry(pattern.prefix().into()).or_default();
            if let Some((_, other)) = alike.iter().find(|(other, _)| other.as_str() == pattern.as_str()) {
                return Err(taken(other));
            }
            alike.push((pattern, name));
        }
        for alike in patterns.values_mut() {
            alike.sort_by_key(|(pattern, name)| (std::cmp::Reverse(pattern.literal_octets()), Arc::clone(name)));
        }
        let mut lengths: Vec<usize> = patterns.keys().map(|prefix| prefix.len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        Ok(Self {
            exact,
            patterns,
            lengths,
            learned: Mutex::default(),
        })
    }

    /// What `requested` stands for. A leading `/` means nothing (profile P34).
    pub fn resolve(&self, requested: &str) -> Option<Resolved> {
        let name = requested.strip_prefix('/').unwrap_or(requested);
        if let Some(template) = self.exact.get(name) {
            return Some(Resolved {
                template: Arc::clone(template),
                captures: Arc::default(),
                device: None,
            });
        }
        if name.len() > LONGEST {
            return None;
        }
        // A panic elsewhere leaves whole entries.
        let learned = || self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = learned().get(name) {
            return Some(found);
        }
        let found = self.search(name).or_else(|| self.of_device(name))?;
        learned().put(name.into(), found.clone());
        Some(found)
    }

    /// `name@0a0102030405`: the MAC address in lower case, since another spelling would be another name of the file.
    fn of_device(&self, name: &str) -> Option<Resolved> {
        let (name, mac) = name.rsplit_once('@')?;
        let device: MacAddress = mac.parse().ok().filter(|address: &MacAddress| address.bare() == mac)?;
        let exact = self.exact.get(name).map(|template| Resolved {
            template: Arc::clone(template),
            captures: Arc::default(),
            device: None,
        });
        let found = exact.or_else(|| self.search(name))?;
        Some(Resolved {
            device: Some(device),
            ..found
        })
    }

    fn search(&self, name: &str) -> Option<Resolved> {
        self.lengths.iter().find_map(|&length| {
            let alike = self.patterns.get(name.get(..length)?)?;
            alike.iter().find_map(|(pattern, template)| {
                Some(Resolved {
                    captures: Arc::new(pattern.captures(name)?),
                    template: Arc::clone(template),
                    device: None,
                })
            })
        })
    }
}
