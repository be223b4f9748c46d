//! What the engine adds by itself, and the device's own changes.

use std::collections::HashSet;

use super::build::Body;
use super::context::Context;
use super::emit::{Out, fingerprint, name_element};
use super::failure::{BuildError, FinishReason};
use super::overrides::objects;
use super::statement::Auto;
use crate::mib::MibDialect;
use crate::mib::dialect;
use crate::model::Flow;
use crate::value::{Oid, Timestamp};
use crate::wire::snmp::varbind::{Value, VarBind};
use crate::wire::tlv::{DeviceFile, FileHash, FileKind, HashAlgorithm, mic, realm_row, trigger_varbinds};

/// `FE 01 01`.
pub(super) const START: [u8; 3] = [0xfe, 0x01, 0x01];
/// `FE 01 FF`.
const END: [u8; 3] = [0xfe, 0x01, 0xff];
/// TLVs 6 and 7, in octets.
const MICS: usize = 36;
/// Seconds from 1900 to 1970 (RFC 868).
const FROM_1900: i64 = 2_208_988_800;

/// The octets of a file: the body with what the engine adds.
pub(super) fn finish(body: Body, template: &str, context: &Context<'_>) -> Result<Vec<u8>, BuildError> {
    let finished = match body.out.kind {
        FileKind::Device => device(body, context),
        FileKind::CableModem => cable_modem(body, context),
    };
    finished.map_err(|stop| match stop {
        Stop::Reason(reason) => BuildError::Finish {
            template: template.to_owned(),
            reason,
        },
        Stop::Twice(object) => BuildError::Twice {
            template: template.to_owned(),
            object,
        },
    })
}

/// Why a file is not finished.
enum Stop {
    Reason(FinishReason),
    Twice(Oid),
}

impl<T: Into<FinishReason>> From<T> for Stop {
    fn from(reason: T) -> Self {
        Self::Reason(reason.into())
    }
}

fn override_body(out: &mut Out, context: &Context<'_>) -> Result<(), Stop> {
    let overrides = &context.inputs.overrides;
    if overrides.is_empty() {
        return Ok(());
    }
    let changed = overrides.apply(&out.run.octets, out.kind).ok_or_else(|| {
        FinishReason::Decode("the octets of a bare TLV are no row of TLVs, or an override is too long".to_owned())
    })?;
    // What a text of the docsis encoder sets again is no mistake, nor is it one in the changed file.
    let repeats = objects(&out.run.octets, out.kind).len() > out.run.objects.len();
    let mut seen = HashSet::new();
    let mut all = objects(&changed, out.kind);
    all.retain(|object| seen.insert(*object) || !repeats);
    out.run.objects = all;
    out.run.octets = changed;
    Ok(())
}

fn device(body: Body, context: &Context<'_>) -> Result<Vec<u8>, Stop> {
    let Body { mut out, switches } = body;
    override_body(&mut out, context)?;
    let flow = context.device.map(|device| device.flow);
    if let (Some(device), true) = (context.device, switches.has(Auto::Realm) && flow == Some(Flow::Secure)) {
        for varbind in realm_row(device.mib, &context.site.realm, &context.site.organisation) {
            push(&mut out, &varbind)?;
        }
    }
    if let (Some(uri), true) = (&context.inputs.bootstrap_uri, switches.has(Auto::Bootstrap)) {
        bootstrap(&mut out, uri)?;
    }
    refuse_twice(&out)?;
    let start = START.len();
    if let (Some(device), true) = (context.device, switches.has(Auto::Hash) && flow == Some(Flow::Basic)) {
        let without = if switches.has(Auto::Delimiters) { 0 } else { start };
        hash(&mut out, device.mib, without)?;
    }
    let mut octets = out.run.octets;
    if switches.has(Auto::Delimiters) {
        octets.extend(END);
    } else {
        octets.drain(..start.min(octets.len()));
    }
    Ok(octets)
}

fn push(out: &mut Out, varbind: &VarBind) -> Result<(), Stop> {
    let content = varbind.name.to_ber();
    let mut name = Vec::with_capacity(content.len() + 3);
    name_element(&content, &mut name);
    let written = out.varbind(&name, fingerprint(&content), &varbind.value.encode());
    written.map_err(|reason| Stop::Reason(FinishReason::Decode(reason.to_string())))
}

/// The trigger of the bootstrapping. A template that sets either object itself has decided.
fn bootstrap(out: &mut Out, uri: &str) -> Result<(), Stop> {
    let own = trigger_varbinds(uri);
    let is_set = |varbind: &VarBind| out.run.objects.contains(&fingerprint(&varbind.name.to_ber()));
    if own.iter().any(is_set) {
        return Ok(());
    }
    own.iter().try_for_each(|varbind| push(out, varbind))
}

/// The hash of the basic flow goes before the end delimiter; its input is the file without it, from the octet `from`.
fn hash(out: &mut Out, mib: MibDialect, from: usize) -> Result<(), Stop> {
    let oid = dialect::oid(mib.oids().prov_config_hash);
    if out.run.objects.contains(&fingerprint(&oid.to_ber())) {
        // The template has a hash of its own, which the engine's replaces.
        let mut file = DeviceFile::decode(&out.run.octets).map_err(|error| FinishReason::Decode(error.to_string()))?;
        file.elements
            .retain(|element| element.as_varbind().is_none_or(|varbind| varbind.name != oid));
        out.run.octets = file.encode()?;
    }
    let length = out.run.octets.len();
    if from == 0 {
        out.run.octets.extend(END);
    }
    let hash = FileHash::of(out.run.octets.get(from..).unwrap_or_default(), HashAlgorithm::Sha1);
    out.run.octets.truncate(length);
    push(out, &VarBind::new(oid, Value::OctetString(hash.octets().to_vec())))
}

/// Two equal fingerprints are two equal objects, or a rare chance: then the file is read to be sure.
fn refuse_twice(out: &Out) -> Result<(), Stop> {
    let objects = &out.run.objects;
    let mask = (objects.len() * 2).next_power_of_two().max(8) - 1;
    let mut table = vec![0u64; mask + 1];
    for &object in objects {
        // Zero marks a free place; an object with that fingerprint has one like any other.
        let object = object.max(1);
        let mut at = usize::try_from(object & 0xffff_ffff).unwrap_or(0) & mask;
        while let Some(slot) = table.get_mut(at) {
            if *slot == object {
                return twice(out);
            }
            if *slot == 0 {
                *slot = object;
                break;
            }
            at = (at + 1) & mask;
        }
    }
    Ok(())
}

fn twice(out: &Out) -> Result<(), Stop> {
    let mut seen = HashSet::new();
    let mut rest = out.run.octets.as_slice();
    while let Some((number, value, after)) = super::overrides::next_tlv(rest, out.kind) {
        if let Some(varbind) = super::overrides::varbind_of(number, value, out.kind)
            && !seen.insert(varbind.name.to_ber())
        {
            return Err(Stop::Twice(varbind.name));
        }
        rest = after;
    }
    Ok(())
}

fn cable_modem(body: Body, context: &Context<'_>) -> Result<Vec<u8>, Stop> {
    let Body { mut out, switches } = body;
    override_body(&mut out, context)?;
    let inputs = context.inputs;
    let too_long = |reason: super::failure::BuildReason| FinishReason::Decode(reason.to_string());
    if switches.has(Auto::Timestamp) {
        let Timestamp(micros) = inputs.now.ok_or(FinishReason::NoTime)?;
        // The era of RFC 868 ends in 2036; after that the count begins anew.
        let seconds = (micros.div_euclid(1_000_000) + FROM_1900).rem_euclid(1 << 32);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        out.tlv(19, &seconds.to_be_bytes()).map_err(too_long)?;
    }
    if switches.has(Auto::ModemAddress) {
        match inputs
            .address
            .map(|address| address.to_canonical())
            .ok_or(FinishReason::NoAddress)?
        {
            std::net::IpAddr::V4(address) => out.tlv(20, &address.octets()),
            std::net::IpAddr::V6(address) => out.tlv(59, &address.octets()),
        }
        .map_err(too_long)?;
    }
    refuse_twice(&out)?;
    let mut octets = out.run.octets;
    let settings = octets.len();
    if switches.has(Auto::CmMic) && switches.has(Auto::CmtsMic) {
        let secret = inputs.shared_secret.as_ref().ok_or(FinishReason::NoSecret)?;
        mic::seal(&mut octets, secret, inputs.mic_list)?;
        if !switches.has(Auto::Delimiters) {
            octets.truncate(settings + MICS);
        }
        return Ok(octets);
    }
    if switches.has(Auto::CmMic) {
        let digest = mic::cm_mic(&octets);
        octets.extend([6, 16]);
        octets.extend(digest);
    }
    if switches.has(Auto::Delimiters) {
        octets.push(0xff);
        octets.resize(octets.len().next_multiple_of(4), 0);
    }
    Ok(octets)
}
