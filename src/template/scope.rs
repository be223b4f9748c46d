//! The variables of one build: values, and where they come from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use minijinja::Value;

use super::bounds::{MOST_OF_A_FILE, MOST_OF_A_VALUE};
use super::context::{Context, Fields};
use crate::model::Family;

/// A value while a file is built.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    /// No value.
    Undefined,
    Bool(bool),
    Int(i64),
    /// The numbers from the first up to before the second.
    Range(i64, i64),
    /// A text that stands in the context or the template.
    Text(&'a str),
    /// A text that was made.
    Owned(Arc<str>),
    /// A lease, or a row of a lookup.
    Fields(&'a Fields),
    /// Anything else that minijinja knows: lists, numbers with a fraction, nothing.
    Other(Value),
}

impl Val<'_> {
    /// A text's content.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Owned(text) => Some(text),
            _ => None,
        }
    }

    /// What a condition makes of it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined => false,
            Self::Bool(value) => *value,
            Self::Int(number) => *number != 0,
            Self::Range(low, high) => low < high,
            Self::Text(text) => !text.is_empty(),
            Self::Owned(text) => !text.is_empty(),
            Self::Fields(fields) => !fields.is_empty(),
            Self::Other(value) => value.is_true(),
        }
    }

    /// Appends it as text.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Undefined => {}
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(number) => write_number(*number, out),
            Self::Text(text) => out.push_str(text),
            Self::Owned(text) => out.push_str(text),
            Self::Fields(_) | Self::Range(..) => out.push_str(&Value::from(self).to_string()),
            Self::Other(value) => out.push_str(&value.to_string()),
        }
    }
}

/// Decimal digits without a formatter's machinery: numbers stand in most lines of a file.
pub(super) fn write_number(number: i64, out: &mut String) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(slot) = digits.get_mut(at) {
            *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.extend(digits.iter().skip(at).map(|&digit| char::from(digit)));
}

/// Places in a table of a scope, a power of two.
const PLACES: usize = 64;

/// The variables by name. Names are compared by their addresses: those of one library are interned. What was looked up is
/// kept, so that each is computed once at the most.
pub(super) struct Scope<'a> {
    source: Source<'a>,
    known: Vec<(&'a Arc<str>, Val<'a>)>,
    /// Where in `known` a name probably stands, by its address.
    places: [u8; PLACES],
    /// The same for minijinja, where it was asked since the last change.
    object: Option<Value>,
    /// The octets that expressions may still make.
    pub(super) left: usize,
}

enum Source<'a> {
    Context(&'a Context<'a>),
    /// No variable has a value.
    Nothing,
    #[cfg(test)]
    Variables(&'a BTreeMap<String, String>),
}

/// The variables that every build has.
const BUILT_IN: [&str; 17] = [
    "mac",
    "fqdn",
    "hostname",
    "domain",
    "flow",
    "mib",
    "family",
    "addresses",
    "address",
    "realm",
    "organisation",
    "prov_fqdn",
    "notification_port",
    "server_ipv4",
    "server_ipv6",
    "server",
    "lease",
];

impl<'a> Scope<'a> {
    /// The variables of `context`.
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self {
            source: Source::Context(context),
            known: Vec::with_capacity(32),
            places: [0; PLACES],
            object: None,
            left: MOST_OF_A_FILE,
        }
    }

    /// No variables: for what asks for none.
    pub(super) fn empty() -> Self {
        Self {
            source: Source::Nothing,
            known: Vec::new(),
            places: [0; PLACES],
            object: None,
            left: MOST_OF_A_FILE,
        }
    }

    #[cfg(test)]
    pub(super) fn of_variables(variables: &'a BTreeMap<String, String>) -> Self {
        Self {
            source: Source::Variables(variables),
            known: Vec::new(),
            places: [0; PLACES],
            object: None,
            left: MOST_OF_A_FILE,
        }
    }

    /// The value of a variable; [`Val::Undefined`] where it has none.
    pub(super) fn get(&mut self, name: &'a Arc<str>) -> Val<'a> {
        self.value(name).clone()
    }

    /// The same, where it is not to be kept.
    pub(super) fn value(&mut self, name: &'a Arc<str>) -> &Val<'a> {
        let at = self.place(name).unwrap_or_else(|| {
            let value = self.find(name);
            self.keep(name, value)
        });
        self.known.get(at).map_or(&Val::Undefined, |(_, value)| value)
    }

    /// Where in `known` a name stands.
    fn place(&mut self, name: &Arc<str>) -> Option<usize> {
        let is_name = |(known, _): &(&'a Arc<str>, _)| Arc::ptr_eq(known, name);
        let probable = self.places.get(slot(name)).map_or(0, |&place| usize::from(place));
        if self.known.get(probable).is_some_and(is_name) {
            return Some(probable);
        }
        let at = self.known.iter().position(is_name)?;
        self.remember(name, at);
        Some(at)
    }

    /// Takes in a value of a name that is not there yet; gives its place.
    fn keep(&mut self, name: &'a Arc<str>, value: Val<'a>) -> usize {
        let at = self.known.len();
        self.known.push((name, value));
        self.remember(name, at);
        at
    }

    fn remember(&mut self, name: &Arc<str>, at: usize) {
        if let (Some(place), Ok(at)) = (self.places.get_mut(slot(name)), u8::try_from(at)) {
            *place = at;
        }
    }

    /// Whether a variable has a value.
    pub(super) fn has(&mut self, name: &'a Arc<str>) -> bool {
        !matches!(self.value(name), Val::Undefined)
    }

    /// Sets a variable and gives the value that it had.
    pub(super) fn set(&mut self, name: &'a Arc<str>, value: Val<'a>) -> Val<'a> {
        self.object = None;
        let at = self.place(name);
        match at.and_then(|at| self.known.get_mut(at)) {
            Some((_, before)) => std::mem::replace(before, value),
            None => {
                let before = self.find(name);
                self.keep(name, value);
                before
            }
        }
    }

    /// Takes the octets of a text that was made from what is left; `None` where it is longer than that, or than a value
    /// may be.
    pub(super) fn made(&mut self, octets: usize) -> Option<()> {
        self.left = self.left.checked_sub(octets)?;
        (octets <= MOST_OF_A_VALUE).then_some(())
    }

    fn find(&self, name: &str) -> Val<'a> {
        match self.source {
            Source::Context(context) => context_value(context, name),
            Source::Nothing => Val::Undefined,
            #[cfg(test)]
            Source::Variables(variables) => variables.get(name).map_or(Val::Undefined, |text| Val::Text(text)),
        }
    }

    /// The variables as an object of minijinja.
    pub(super) fn as_object(&mut self) -> Value {
        if let Some(object) = &self.object {
            return object.clone();
        }
        let mut all: BTreeMap<&str, Value> = BTreeMap::new();
        for name in self.names() {
            let value = self.find(name);
            all.insert(name, Value::from(&value));
        }
        for (name, value) in &self.known {
            all.insert(name, Value::from(value));
        }
        all.retain(|_, value| !value.is_undefined());
        let texts = all.values().filter_map(Value::as_str);
        self.left = self.left.saturating_sub(texts.map(str::len).sum());
        let object = Value::from_pairs(all);
        self.object = Some(object.clone());
        object
    }

    fn names(&self) -> Vec<&'a str> {
        match self.source {
            Source::Context(context) => {
                let inputs = context.inputs;
                let own = context.device.into_iter().flat_map(|device| device.vars.keys());
                let given = context.site.vars.keys().chain(inputs.captures.keys()).chain(own);
                let given = given.chain(inputs.lookups.keys()).map(String::as_str);
                BUILT_IN.into_iter().chain(given).collect()
            }
            Source::Nothing => Vec::new(),
            #[cfg(test)]
            Source::Variables(variables) => variables.keys().map(String::as_str).collect(),
        }
    }
}

/// The place of a name in a scope's table: allocations are 16 octets apart at least.
fn slot(name: &Arc<str>) -> usize {
    name.as_ptr().addr() / 16 % PLACES
}

/// The built-in variables first, then the device's own, those of the requested name, the lookups', the site's.
fn context_value<'a>(context: &'a Context<'a>, name: &str) -> Val<'a> {
    let built_in = built_in(context, name);
    if !matches!(built_in, Val::Undefined) || BUILT_IN.contains(&name) {
        return built_in;
    }
    let inputs = context.inputs;
    let own = context.device.and_then(|device| device.vars.get(name));
    if let Some(text) = own {
        return Val::Text(text);
    }
    if let Some(value) = inputs.captures.get(name) {
        return value.as_val();
    }
    if let Some(fields) = inputs.lookups.get(name) {
        return Val::Fields(fields);
    }
    context
        .site
        .vars
        .get(name)
        .map_or(Val::Undefined, |text| Val::Text(text))
}

fn owned<'a>(text: impl ToString) -> Val<'a> {
    Val::Owned(text.to_string().into())
}

fn built_in<'a>(context: &'a Context<'a>, name: &str) -> Val<'a> {
    let Context {
        device,
        family,
        site,
        inputs,
    } = *context;
    let of_device = |value: fn(&'a crate::model::Device) -> Val<'a>| device.map_or(Val::Undefined, value);
    let address = |address: Option<IpAddr>| address.map_or(Val::Undefined, owned);
    match name {
        "mac" => match device.map(|device| device.mac).or(inputs.mac) {
            Some(mac) => owned(mac),
            None => Val::Undefined,
        },
        "fqdn" => of_device(|device| Val::Text(device.fqdn.as_str())),
        "hostname" => of_device(|device| {
            let fqdn = device.fqdn.as_str();
            Val::Text(fqdn.split_once('.').map_or(fqdn, |(host, _)| host))
        }),
        "domain" => {
            of_device(|device| Val::Text(device.fqdn.as_str().split_once('.').map_or("", |(_, domain)| domain)))
        }
        "flow" => of_device(|device| Val::Text(device.flow.as_str())),
        "mib" => of_device(|device| Val::Text(device.mib.as_str())),
        "family" => Val::Text(match family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        }),
        "addresses" => match device {
            Some(device) => {
                let all = device.addresses.iter().map(|address| Value::from(address.to_string()));
                Val::Other(all.collect())
            }
            None => Val::Undefined,
        },
        "address" => {
            let own = device.and_then(|device| {
                let mut all = device.addresses.iter().copied();
                all.find(|address| Family::of(*address) == family)
            });
            address(own.or(inputs.address))
        }
        "realm" => Val::Text(site.realm.as_str()),
        "organisation" => Val::Text(&site.organisation),
        "prov_fqdn" => Val::Text(site.prov_fqdn.as_str()),
        "notification_port" => Val::Int(site.notification_port.into()),
        "server_ipv4" => address(site.ipv4.map(IpAddr::from)),
        "server_ipv6" => address(site.ipv6.map(IpAddr::from)),
        "server" => address(site.server(family)),
        // Where there is no lease, nothing is known of it: `lease.class` is undefined, and no mistake.
        "lease" => Val::Fields(inputs.lease.as_ref().unwrap_or(const { &Fields::EMPTY })),
        _ => Val::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, -7, 10, 1_234_567_890, i64::MAX, i64::MIN] {
            let mut out = String::new();
            write_number(number, &mut out);
            assert_eq!(out, number.to_string());
        }
    }
}
