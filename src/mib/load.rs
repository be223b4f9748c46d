//! From the text of MIB modules to [`Object`]s: mib-rs reads and resolves, here is kept what provisioning asks.

use std::collections::{BTreeMap, BTreeSet};

use mib_rs::{BaseType, DiagnosticConfig, IndexEncoding, Language, Loader, Mib, ResolverStrictness, Severity};

use super::names::LoadError;
use super::object::{Access, Base, IndexForm, IndexPart, Kind, Object, Syntax};
use super::source::Modules;
use crate::value::Oid;

/// What was read: the objects, and what is wrong with the modules that are read all the same.
pub(super) struct Loaded {
    /// Of those with one identifier the one that counts first.
    pub objects: Vec<Object>,
    /// One line for each module that has mistakes.
    pub warnings: Vec<String>,
    /// The modules that have mistakes of their own.
    pub mistaken: BTreeSet<String>,
}

/// How much is expected of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// What is read is right, or nothing is.
    Strict,
    /// What can be read is read, whatever else stands there: as vendors' modules are.
    Lenient,
}

/// Reads modules. Foundation modules (SNMPv2-SMI and such) need not be among them.
pub(super) fn load(modules: Modules, care: Care) -> Result<Loaded, LoadError> {
    let (strictness, fail_at) = match care {
        Care::Strict => (ResolverStrictness::Normal, Severity::Severe),
        Care::Lenient => (ResolverStrictness::Permissive, Severity::Fatal),
    };
    let mib = Loader::new()
        .source(Box::new(modules))
        .resolver_strictness(strictness)
        .diagnostic_config(DiagnosticConfig {
            fail_at,
            ..DiagnosticConfig::default()
        })
        .parallelism(1)
        .load()
        .map_err(|error| LoadError::Read(error.to_string()))?;
    // Of two modules that define one object the newer language's counts, then the first by name.
    let mut modules: Vec<_> = mib.user_modules().collect();
    modules.sort_by_key(|module| (module.language() == Language::SMIv1, module.name().to_owned()));
    let nodes = modules.into_iter().flat_map(|module| {
        let identities = module
            .identities()
            .iter()
            .filter_map(move |identity| second_name(module, identity));
        module
            .nodes()
            .filter_map(move |node| object(module.name(), node))
            .chain(identities)
    });
    let objects = nodes.collect();
    let report = mib.diagnostic_report();
    let grave = report
        .iter()
        .map(|entry| entry.diagnostic())
        .filter(|diagnostic| diagnostic.severity.at_least(Severity::Error));
    Ok(Loaded {
        objects,
        warnings: mistakes(&mib),
        mistaken: grave.filter_map(|diagnostic| diagnostic.module.clone()).collect(),
    })
}

/// Of each module the first that mib-rs calls an error, or the first reference that leads nowhere, and how many there are.
fn mistakes(mib: &Mib) -> Vec<String> {
    let mut by_module: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut note = |module: &str, text: &dyn Fn() -> String| {
        let (_, count) = by_module.entry(module.to_owned()).or_insert_with(|| (text(), 0));
        *count += 1;
    };
    let report = mib.diagnostic_report();
    for entry in report.iter() {
        let diagnostic = entry.diagnostic();
        if diagnostic.severity.at_least(Severity::Error) {
            let module = diagnostic.module.as_deref().unwrap_or_default();
            note(module, &|| entry.render().unwrap_or_else(|_| diagnostic.to_string()));
        }
    }
    for reference in mib.unresolved() {
        note(&reference.module, &|| {
            format!("{}: nothing defines '{}'", reference.module, reference.symbol)
        });
    }
    let line = |(first, count): (String, usize)| match count {
        1 => first,
        _ => format!("{first} (and {} more in this module)", count - 1),
    };
    by_module.into_values().map(line).collect()
}

/// A module's identity where another module has already named its node: mib-rs gives a node one name.
fn second_name(module: mib_rs::Module<'_>, identity: &mib_rs::ModuleIdentityData) -> Option<Object> {
    if module
        .node(identity.name())
        .is_some_and(|node| node.name() == identity.name())
    {
        return None;
    }
    Some(Object {
        module: module.name().into(),
        name: identity.name().into(),
        oid: Oid::new(identity.oid()).ok()?,
        kind: Kind::Node,
        description: one_line(identity.description()),
    })
}

fn object(module: &str, node: mib_rs::Node<'_>) -> Option<Object> {
    // Roots of one arc exist in no datagram.
    let oid = Oid::new(node.oid()).ok()?;
    let kind = match node.object() {
        Some(object) => object_kind(object)?,
        None if node.notification().is_some() => Kind::Notification,
        None => Kind::Node,
    };
    let description = match (node.object(), node.notification()) {
        (Some(object), _) => object.description(),
        (None, Some(notification)) => notification.description(),
        (None, None) => "",
    };
    Some(Object {
        module: module.into(),
        name: node.name().into(),
        oid,
        kind,
        description: one_line(description),
    })
}

/// A description without the line breaks and indentation that it has in its module.
fn one_line(text: &str) -> Box<str> {
    text.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

fn object_kind(object: mib_rs::Object<'_>) -> Option<Kind> {
    Some(match object.kind() {
        mib_rs::Kind::Table => Kind::Table,
        mib_rs::Kind::Row => Kind::Row,
        mib_rs::Kind::Scalar => Kind::Scalar {
            syntax: syntax(object)?,
            access: access(object.access()),
        },
        mib_rs::Kind::Column => Kind::Column {
            syntax: syntax(object)?,
            access: access(object.access()),
            index: object.row()?.effective_indexes().filter_map(index_part).collect(),
        },
        _ => Kind::Node,
    })
}

fn access(access: mib_rs::Access) -> Access {
    match access {
        mib_rs::Access::ReadOnly => Access::ReadOnly,
        mib_rs::Access::ReadWrite | mib_rs::Access::WriteOnly => Access::ReadWrite,
        mib_rs::Access::ReadCreate => Access::ReadCreate,
        mib_rs::Access::AccessibleForNotify => Access::Notify,
        _ => Access::NotAccessible,
    }
}

fn syntax(object: mib_rs::Object<'_>) -> Option<Syntax> {
    let ty = object.ty()?;
    let base = match ty.effective_base() {
        BaseType::Integer32 => Base::Integer,
        BaseType::Unsigned32 | BaseType::Gauge32 => Base::Unsigned,
        BaseType::Counter32 => Base::Counter32,
        BaseType::Counter64 => Base::Counter64,
        BaseType::TimeTicks => Base::TimeTicks,
        BaseType::IpAddress => Base::IpAddress,
        BaseType::OctetString => Base::OctetString,
        BaseType::ObjectIdentifier => Base::ObjectIdentifier,
        BaseType::Bits => Base::Bits,
        BaseType::Opaque => Base::Opaque,
        _ => return None,
    };
    let named = match base {
        Base::Bits => object.effective_bits(),
        _ => object.effective_enums(),
    };
    let limits = match base {
        Base::OctetString => object.effective_sizes(),
        _ => object.effective_ranges(),
    };
    Some(Syntax {
        base,
        convention: ty.name().into(),
        labels: named
            .iter()
            .map(|named| (named.label.as_str().into(), named.value))
            .collect(),
        ranges: limits
            .iter()
            .filter_map(|range| Some((range.min.as_i64()?, range.max.as_i64()?)))
            .collect(),
    })
}

fn index_part(index: mib_rs::Index<'_>) -> Option<IndexPart> {
    let form = match index.encoding() {
        IndexEncoding::Integer => IndexForm::Integer,
        IndexEncoding::FixedString => IndexForm::Fixed(index.fixed_size().0),
        IndexEncoding::LengthPrefixed => IndexForm::Counted,
        IndexEncoding::Implied => IndexForm::Implied,
        IndexEncoding::IpAddress => IndexForm::IpAddress,
        _ => return None,
    };
    Some(IndexPart {
        name: index.name().into(),
        form,
    })
}
