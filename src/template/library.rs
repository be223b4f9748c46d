//! The templates of an installation, compiled together.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::build;
use super::context::Context;
use super::docsis;
use super::error::{TemplateError, TemplateReason};
use super::failure::{BuildError, FinishReason};
use super::finish;
use super::intern::Interner;
use super::link;
use super::naming::{Naming, Resolved};
use super::parse::{Parsed, parse};
use super::serve::Pattern;
use super::shipped::SHIPPED;
use super::statement::Statement;
use crate::mib::{MibDialect, Names};
use crate::model::Flow;
use crate::wire::tlv::{CmtsMicList, DeviceFile, FileKind, SharedSecret};

/// The language that a template is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// That of templates.
    Template,
    /// That of the open-source `docsis` encoder.
    Docsis {
        /// Each character of the text stands for one octet: the text is none in UTF-8.
        bare: bool,
    },
}

/// A template before it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// How errors name its file.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// What that is written in.
    pub language: Language,
}

impl<'a> Source<'a> {
    /// A template in the language of templates.
    pub fn new(name: &'a str, file: &'a str, text: &'a str) -> Self {
        let language = Language::Template;
        Self {
            name,
            file,
            text,
            language,
        }
    }
}

/// One compiled template.
#[derive(Debug)]
pub(super) struct Template {
    /// Its name.
    pub name: Arc<str>,
    /// How errors name its file.
    pub file: Arc<str>,
    /// Which kind of file it makes.
    pub kind: FileKind,
    /// Whether it says so itself.
    pub says_kind: bool,
    /// What it does.
    pub statements: Vec<Statement>,
    /// The names it is served under.
    pub serves: Vec<Pattern>,
    /// The lookups that it and those it includes ask for.
    pub lookups: Vec<Box<str>>,
    /// Whether it asks for no variable, and neither do those that it includes.
    pub is_static: bool,
    /// How large the last file was.
    size: AtomicUsize,
}

impl Template {
    /// How many octets a file of it will have, as far as is known.
    pub fn expected_octets(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
}

/// What a library knows of one of its templates.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TemplateInfo {
    /// Its name.
    pub name: String,
    /// The file it was read from; of a shipped one its name.
    pub file: String,
    /// Which kind of file it makes.
    pub kind: FileKind,
    /// Whether its file is the same for every device, but for what the engine adds.
    pub is_static: bool,
    /// The names it is served under besides its own.
    pub serves: Vec<String>,
    /// The lookups it asks for.
    pub lookups: Vec<String>,
}

/// What a static template's finished file depends on besides the template.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StaticKey {
    template: usize,
    device: Option<(Flow, MibDialect)>,
}

/// A finished file, and the parts of the site that are in it.
#[derive(Debug)]
struct StaticFile {
    realm: String,
    organisation: String,
    secret: Option<SharedSecret>,
    list: CmtsMicList,
    octets: Bytes,
}

/// Templates that were compiled together. A library is whole: one mistake in one template, and there is none.
#[derive(Debug)]
pub struct TemplateLibrary {
    templates: Vec<Template>,
    by_name: HashMap<Arc<str>, usize>,
    naming: Naming,
    statics: Mutex<HashMap<StaticKey, StaticFile>>,
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
        let sources: Vec<Source<'a>> = sources
            .into_iter()
            .map(|(name, text)| Source::new(name, name, text))
            .collect();
        // There is at least one mistake where there are any.
        Self::compile(&sources, names).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Compiles templates. Where two have one name the later one counts.
    ///
    /// # Errors
    /// The first mistake of each template, at least one.
    pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Self, Vec<TemplateError>> {
        Self::compile_with(sources, names, &|_, _| Err(io::ErrorKind::NotFound.into()))
    }

    /// Compiles templates. Where two have one name the later one counts. `open` gives the content of a file that a text
    /// in the language of the `docsis` encoder names, a certificate for instance.
    ///
    /// # Errors
    /// The first mistake of each template, at least one.
    pub fn compile_with(
        sources: &[Source<'_>],
        names: &Names,
        open: &dyn Fn(&Source<'_>, &str) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Vec<TemplateError>> {
        let mut last: Vec<Source<'_>> = Vec::with_capacity(sources.len());
        let mut by_name: HashMap<Arc<str>, usize> = HashMap::with_capacity(sources.len());
        for source in sources {
            match by_name.get(source.name).and_then(|&at| last.get_mut(at)) {
                Some(earlier) => *earlier = *source,
                None => {
                    by_name.insert(source.name.into(), last.len());
                    last.push(*source);
                }
            }
        }
        let interner = Interner::default();
        let mut templates = Vec::with_capacity(last.len());
        let mut served = Vec::new();
        let mut errors = Vec::new();
        for (at, source) in last.iter().enumerate() {
            let file: Arc<str> = source.file.into();
            let parsed = match source.language {
                Language::Template => parse(&file, source.text, names, &interner),
                Language::Docsis { bare } => {
                    let open = |name: &str| open(source, name);
                    docsis::parse(source, bare, &file, names, &interner, &open)
                }
            };
            match parsed {
                Ok(parsed) => {
                    served.extend(
                        parsed
                            .serves
                            .iter()
                            .map(|(place, pattern)| (at, place.clone(), pattern.clone())),
                    );
                    templates.push(template(source.name, file, parsed));
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        link::link(&mut templates, &by_name).map_err(|error| vec![error])?;
        let naming = Naming::new(&templates, served).map_err(|error| vec![error])?;
        Ok(Self {
            templates,
            by_name,
            naming,
            statics: Mutex::default(),
        })
    }

    /// The templates that come with Hardline, as sources: `secure-ietf` and so on, one for each flow and dialect, and
    /// those of cable modems.
    pub fn shipped_sources() -> Vec<Source<'static>> {
        let source = |&(name, text): &(&'static str, &'static str)| Source::new(name, name, text);
        SHIPPED.iter().map(source).collect()
    }

    /// The templates that come with Hardline.
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

    /// Every template, by name.
    pub fn infos(&self) -> Vec<TemplateInfo> {
        let info = |template: &Template| TemplateInfo {
            name: template.name.to_string(),
            file: template.file.to_string(),
            kind: template.kind,
            is_static: template.is_static,
            serves: template
                .serves
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
            lookups: template.lookups.iter().map(ToString::to_string).collect(),
        };
        let mut infos: Vec<TemplateInfo> = self.templates.iter().map(info).collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    /// How many templates there are, and how many of them are static.
    pub fn counts(&self) -> (usize, usize) {
        let statics = self.templates.iter().filter(|template| template.is_static).count();
        (self.templates.len(), statics)
    }

    /// Whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The template that a requested file name stands for: that of the name itself, of a pattern that it matches, or of
    /// the part before `@` and a device's MAC address in twelve lower-case digits. A pattern is searched for once: the
    /// name is learned.
    pub fn resolve(&self, requested: &str) -> Option<Resolved> {
        self.naming.resolve(requested)
    }

    /// The lookups of the template `name`, and of those that it includes.
    pub fn lookups(&self, name: &str) -> &[Box<str>] {
        self.template(name).map_or(&[], |template| &template.lookups)
    }

    /// Which kind of file the template `name` makes.
    pub fn kind(&self, name: &str) -> Option<FileKind> {
        self.template(name).map(|template| template.kind)
    }

    /// The first lookup of any template that `known` does not know, as an error.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn check_lookups(&self, known: impl Fn(&str) -> bool) -> Result<(), TemplateError> {
        for template in &self.templates {
            if let Some(lookup) = template.lookups.iter().find(|lookup| !known(lookup)) {
                return Err(TemplateError {
                    place: super::error::Place {
                        file: Arc::clone(&template.file),
                        line: 1,
                        column: 1,
                    },
                    reason: TemplateReason::Lookup(lookup.to_string()),
                });
            }
        }
        Ok(())
    }

    fn template(&self, name: &str) -> Option<&Template> {
        self.by_name.get(name).and_then(|&at| self.templates.get(at))
    }

    /// Builds the octets of a file from the template `name`. Those of a static template are built once.
    ///
    /// # Errors
    /// [`BuildError`] with the place in the template and the attribute that failed.
    pub fn build_octets(&self, name: &str, context: &Context<'_>) -> Result<Bytes, BuildError> {
        let at = self.by_name.get(name).copied();
        let found = at.and_then(|at| Some((at, self.templates.get(at)?)));
        let (at, template) = found.ok_or_else(|| BuildError::NoTemplate(name.chars().take(80).collect()))?;
        let inputs = context.inputs;
        let keeps = template.is_static && inputs.overrides.is_empty() && inputs.bootstrap_uri.is_none();
        if !keeps {
            return self.fresh(template, context);
        }
        let key = StaticKey {
            template: at,
            device: context.device.map(|device| (device.flow, device.mib)),
        };
        let (realm, organisation) = (context.site.realm.as_str(), context.site.organisation.as_str());
        // A panic elsewhere leaves whole entries.
        let statics = || self.statics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = statics().get(&key)
            && kept.realm == realm
            && kept.organisation == organisation
            && kept.list == inputs.mic_list
            && same_secret(kept.secret.as_ref(), inputs.shared_secret.as_ref())
        {
            return Ok(kept.octets.clone());
        }
        let octets = self.fresh(template, context)?;
        let file = StaticFile {
            realm: realm.to_owned(),
            organisation: organisation.to_owned(),
            secret: inputs.shared_secret.clone(),
            list: inputs.mic_list,
            octets: octets.clone(),
        };
        statics().insert(key, file);
        Ok(octets)
    }

    fn fresh(&self, template: &Template, context: &Context<'_>) -> Result<Bytes, BuildError> {
        let body = build::run(&self.templates, template, context)?;
        let octets = finish::finish(body, &template.name, context)?;
        template.size.store(octets.len() + 128, Ordering::Relaxed);
        Ok(octets.into())
    }

    /// Builds a device's file from the template `name`, as a tree.
    ///
    /// # Errors
    /// [`BuildError`] with the place in the template and the attribute that failed.
    pub fn build(&self, name: &str, context: &Context<'_>) -> Result<DeviceFile, BuildError> {
        let octets = self.build_octets(name, context)?;
        DeviceFile::decode(&octets).map_err(|error| BuildError::Finish {
            template: name.to_owned(),
            reason: FinishReason::Decode(error.to_string()),
        })
    }

    /// Builds a device's file from the template that its record names, or from the default of its flow and dialect.
    ///
    /// # Errors
    /// [`BuildError`] with the place in the template and the attribute that failed.
    pub fn build_for(&self, context: &Context<'_>) -> Result<Bytes, BuildError> {
        self.build_octets(&context.template_name(), context)
    }
}

fn same_secret(a: Option<&SharedSecret>, b: Option<&SharedSecret>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.ct_eq(b),
        (None, None) => true,
        _ => false,
    }
}

fn template(name: &str, file: Arc<str>, parsed: Parsed) -> Template {
    Template {
        name: name.into(),
        file,
        kind: parsed.kind.unwrap_or(FileKind::Device),
        says_kind: parsed.kind.is_some(),
        statements: parsed.statements,
        serves: parsed.serves.into_iter().map(|(_, pattern)| pattern).collect(),
        lookups: parsed.lookups,
        is_static: false,
        size: AtomicUsize::new(2_048),
    }
}
