//! How the model lies in rows: public parts as text and JSON that an operator can query, secrets sealed under the
//! master key with a context that names table and row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::mib::MibDialect;
use crate::model::{
    Attempt, AttemptId, AttemptResult, Delivery, Device, Enrollment, Family, Flow, KeyAsked, ServedFile, SnmpSession,
    Step,
};
use crate::profile::Learned;
use crate::store::{MasterKey, Refusal, ServiceKey, StoreError, StoredFile};
use crate::value::{EngineId, MacAddress, Secret, Timestamp, hex, unhex};
use crate::wire::kerberos::PrincipalName;
use crate::wire::snmp::{AuthProtocol, PrivProtocol};
use crate::wire::tlv::EncryptAlgorithm;

/// Why a row does not read back. The text names the row.
#[derive(Debug, Clone)]
pub(super) enum RowError {
    /// The row holds something that this program never wrote.
    Content(String),
    /// A sealed value does not open.
    Unsealable(String),
}

impl RowError {
    /// The store's error, with the database named.
    pub(super) fn into_store(self, what: &str) -> StoreError {
        match self {
            Self::Content(reason) => StoreError::Database {
                what: what.into(),
                reason,
            },
            Self::Unsealable(row) => StoreError::Unsealable(row),
        }
    }
}

impl From<sqlx::Error> for RowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Content(error.to_string())
    }
}

/// The word of a value that serde writes as one string.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("the model's words are strings, not {other:?}"),
    }
}

fn from_word<T: DeserializeOwned>(row: &str, text: &str) -> Result<T, RowError> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|error| RowError::Content(format!("{row}: {error}")))
}

/// JSON of a value whose serialisation cannot fail: the model has string keys only.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the model serialises")
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(row: &str, text: &'a str) -> Result<T, RowError> {
    serde_json::from_str(text).map_err(|error| RowError::Content(format!("{row}: {error}")))
}

pub(super) fn parse<T: std::str::FromStr>(row: &str, text: &str) -> Result<T, RowError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| RowError::Content(format!("{row}: {error}")))
}

fn open(key: &MasterKey, context: &str, sealed: &[u8]) -> Result<Secret, RowError> {
    key.open(context, sealed)
        .map_err(|_| RowError::Unsealable(context.into()))
}

/// The part of a device that is no column of its own, and no secret.
#[derive(Serialize, Deserialize)]
struct DeviceRecord<'a> {
    mib: MibDialect,
    #[serde(default)]
    addresses: Vec<std::net::IpAddr>,
    #[serde(default)]
    template: Option<Cow<'a, str>>,
    #[serde(default)]
    delivery: Delivery,
}

/// The part of a device that is sealed: among the variables stand the credentials of the subscriber's lines, and an
/// override may hold one too. Without overrides it is the variables alone, as it was before there were any.
struct Kept<'a> {
    vars: Cow<'a, BTreeMap<String, String>>,
    overrides: Cow<'a, BTreeMap<String, Option<String>>>,
}

impl Kept<'_> {
    fn to_json(&self) -> String {
        if self.overrides.is_empty() {
            json(&self.vars)
        } else {
            json(&(&self.vars, &self.overrides))
        }
    }

    fn from_json(octets: &[u8]) -> Result<Self, serde_json::Error> {
        let (vars, overrides) = if octets.starts_with(b"[") {
            serde_json::from_slice(octets)?
        } else {
            (serde_json::from_slice(octets)?, BTreeMap::new())
        };
        Ok(Self {
            vars: Cow::Owned(vars),
            overrides: Cow::Owned(overrides),
        })
    }
}

/// A device as its row has it.
pub(super) struct DeviceRow {
    pub(super) mac: MacAddress,
    pub(super) fqdn: String,
    pub(super) flow: String,
    pub(super) record: String,
    pub(super) vars: Vec<u8>,
    pub(super) public_key_sha1: Option<String>,
    pub(super) created: i64,
}

impl DeviceRow {
    /// The variables are sealed: among them stand the credentials of the subscriber's lines.
    pub(super) fn new(device: Device, key: &MasterKey) -> Self {
        let record = DeviceRecord {
            mib: device.mib,
            addresses: device.addresses,
            template: device.template.map(Cow::Owned),
            delivery: device.delivery,
        };
        let kept = Kept {
            vars: Cow::Owned(device.vars),
            overrides: Cow::Owned(device.overrides),
        };
        let vars = zeroize::Zeroizing::new(kept.to_json());
        Self {
            mac: device.mac,
            fqdn: device.fqdn.to_string(),
            flow: device.flow.to_string(),
            record: json(&record),
            vars: key.seal(&format!("devices/{}", device.mac), vars.as_bytes()),
            public_key_sha1: device.public_key_sha1,
            created: device.created.0,
        }
    }
}

/// A name with its labels in reverse order: `net.example.mta1` of `mta1.example.net`.
pub(super) fn labels(name: &str) -> String {
    let labels: Vec<_> = name.rsplit('.').collect();
    labels.join(".")
}

/// The columns that [`device`] reads.
pub(super) const DEVICE: &str = "mac, fqdn, flow, record, vars, public_key_sha1, created";

pub(super) fn device(row: &SqliteRow, key: &MasterKey) -> Result<Device, RowError> {
    let mac: &str = row.try_get(0)?;
    let name = format!("devices/{mac}");
    let record: DeviceRecord = from_json(&name, row.try_get(3)?)?;
    let vars = open(key, &name, row.try_get(4)?)?;
    let kept = Kept::from_json(vars.expose()).map_err(|error| RowError::Content(format!("{name}: {error}")))?;
    Ok(Device {
        mac: parse(&name, mac)?,
        fqdn: parse(&name, row.try_get(1)?)?,
        flow: parse(&name, row.try_get(2)?)?,
        mib: record.mib,
        addresses: record.addresses,
        template: record.template.map(Cow::into_owned),
        vars: kept.vars.into_owned(),
        overrides: kept.overrides.into_owned(),
        delivery: record.delivery,
        public_key_sha1: row.try_get(5)?,
        created: Timestamp(row.try_get(6)?),
    })
}

#[derive(Serialize, Deserialize)]
struct AttemptRecord<'a> {
    flow: Flow,
    family: Family,
    peer: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionRecord<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrollment: Option<Cow<'a, Enrollment>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    type_identifier: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<FileRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SessionRecord<'a> {
    user: Cow<'a, str>,
    engine_id: Cow<'a, EngineId>,
    engine_boots: u32,
    engine_time: u32,
    engine_seen: Timestamp,
    auth: AuthProtocol,
    privacy: Option<PrivProtocol>,
    // The following stand in no record of the first version.
    #[serde(default)]
    keyed_from: Option<SocketAddr>,
    #[serde(default)]
    keyed_at: Option<Timestamp>,
    #[serde(default)]
    asked: KeyAsked,
    #[serde(default)]
    learned: Cow<'a, Learned>,
}

#[derive(Serialize, Deserialize)]
struct FileRecord<'a> {
    name: Cow<'a, str>,
    url: Cow<'a, str>,
    hash: String,
    algorithm: EncryptAlgorithm,
    size: usize,
    #[serde(default)]
    made: Timestamp,
}

/// An attempt in its new state as its row has it.
pub(super) struct AttemptRow {
    /// The state, with the version that is written.
    pub(super) attempt: Attempt,
    pub(super) id: String,
    pub(super) mac: String,
    pub(super) phase: String,
    pub(super) result: Option<String>,
    pub(super) record: String,
    pub(super) secrets: Option<Vec<u8>>,
}

impl AttemptRow {
    /// The row that follows the stored version `attempt.version`.
    pub(super) fn next(mut attempt: Attempt, key: &MasterKey) -> Self {
        attempt.version = attempt.version.saturating_add(1);
        let record = AttemptRecord {
            flow: attempt.flow,
            family: attempt.family,
            peer: attempt.peer,
            session: attempt.session.as_ref().map(|session| SessionRecord {
                user: Cow::Borrowed(&session.user),
                engine_id: Cow::Borrowed(&session.engine_id),
                engine_boots: session.engine_boots,
                engine_time: session.engine_time,
                engine_seen: session.engine_seen,
                auth: session.auth,
                privacy: session.privacy,
                keyed_from: Some(session.keyed_from),
                keyed_at: Some(session.keyed_at),
                asked: session.asked,
                learned: Cow::Borrowed(&session.learned),
            }),
            enrollment: attempt.enrollment.as_ref().map(Cow::Borrowed),
            type_identifier: attempt.type_identifier.as_deref().map(Cow::Borrowed),
            file: attempt.file.as_ref().map(|file| FileRecord {
                name: Cow::Borrowed(&file.name),
                url: Cow::Borrowed(&file.url),
                hash: hex(&file.hash),
                algorithm: file.algorithm,
                size: file.size,
                made: file.made,
            }),
        };
        let record = json(&record);
        let id = attempt.id.to_string();
        Self {
            secrets: secrets(&attempt).map(|plain| key.seal(&format!("attempts/{id}"), plain.expose())),
            mac: attempt.mac.to_string(),
            phase: word(&attempt.phase),
            result: attempt.result.as_ref().map(json),
            record,
            id,
            attempt,
        }
    }

    /// The version that must be stored for this row to follow it; 0 where there must be none.
    pub(super) fn follows(&self) -> u64 {
        self.attempt.version - 1
    }
}

/// The subkey and the file key, each after its length in two octets, most significant first.
fn secrets(attempt: &Attempt) -> Option<Secret> {
    let subkey = attempt
        .session
        .as_ref()
        .map_or(&[][..], |session| session.subkey.expose());
    let key = attempt.file.as_ref().map_or(&[][..], |file| file.key.expose());
    if subkey.is_empty() && key.is_empty() {
        return None;
    }
    let mut plain = Vec::with_capacity(4 + subkey.len() + key.len());
    for part in [subkey, key] {
        let length = u16::try_from(part.len()).expect("a key is shorter than 64 KiB");
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(part);
    }
    Some(Secret::new(plain))
}

fn split_secrets(plain: &[u8]) -> Option<(Secret, Secret)> {
    let part = |octets: &[u8]| -> Option<(Secret, usize)> {
        let length = usize::from(u16::from_be_bytes(octets.get(..2)?.try_into().ok()?));
        Some((Secret::from(octets.get(2..2 + length)?), 2 + length))
    };
    let (subkey, used) = part(plain)?;
    let (key, _) = part(plain.get(used..)?)?;
    Some((subkey, key))
}

/// The columns that [`attempt`] reads.
pub(super) const ATTEMPT: &str = "id, mac, version, phase, result, started, deadline, record, secrets";

pub(super) fn attempt(row: &SqliteRow, key: &MasterKey) -> Result<Attempt, RowError> {
    let id: &str = row.try_get(0)?;
    let name = format!("attempts/{id}");
    let record: AttemptRecord = from_json(&name, row.try_get(7)?)?;
    let (subkey, file_key) = match row.try_get::<Option<&[u8]>, _>(8)? {
        Some(sealed) => split_secrets(open(key, &name, sealed)?.expose())
            .ok_or_else(|| RowError::Content(format!("{name}: the secrets are cut short")))?,
        None => Default::default(),
    };
    let session = record.session.map(|session| SnmpSession {
        user: session.user.into_owned(),
        engine_id: session.engine_id.into_owned(),
        engine_boots: session.engine_boots,
        engine_time: session.engine_time,
        engine_seen: session.engine_seen,
        auth: session.auth,
        privacy: session.privacy,
        subkey,
        keyed_from: session.keyed_from.unwrap_or(record.peer),
        keyed_at: session.keyed_at.unwrap_or(session.engine_seen),
        asked: session.asked,
        learned: session.learned.into_owned(),
    });
    let file = record.file.map(|file| {
        let hash = unhex(&file.hash).ok_or_else(|| RowError::Content(format!("{name}: the hash is no hexadecimal")))?;
        let (name, url) = (file.name.into_owned(), file.url.into_owned());
        Ok::<_, RowError>(ServedFile {
            name,
            url,
            hash,
            algorithm: file.algorithm,
            key: file_key,
            size: file.size,
            made: file.made,
        })
    });
    let result: Option<AttemptResult> = row
        .try_get::<Option<&str>, _>(4)?
        .map(|text| from_json(&name, text))
        .transpose()?;
    Ok(Attempt {
        id: parse(&name, id)?,
        mac: parse(&name, row.try_get(1)?)?,
        flow: record.flow,
        family: record.family,
        started: Timestamp(row.try_get(5)?),
        deadline: Timestamp(row.try_get(6)?),
        phase: from_word(&name, row.try_get(3)?)?,
        result,
        peer: record.peer,
        session,
        enrollment: record.enrollment.map(Cow::into_owned),
        type_identifier: record.type_identifier.map(Cow::into_owned),
        file: file.transpose()?,
        version: u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0),
    })
}

/// A step from the columns step, at, outcome, detail.
pub(super) fn step(row: &SqliteRow) -> Result<Step, RowError> {
    Ok(Step {
        step: parse("steps", row.try_get(0)?)?,
        at: Timestamp(row.try_get(1)?),
        outcome: from_word("steps", row.try_get(2)?)?,
        detail: row.try_get(3)?,
    })
}

/// A file from the columns attempt, mac, octets.
pub(super) fn file(row: &SqliteRow, name: &str, key: &MasterKey) -> Result<StoredFile, RowError> {
    let context = file_context(name);
    let attempt = parse(&context, row.try_get(0)?)?;
    open_file(attempt, parse(&context, row.try_get(1)?)?, name, row.try_get(2)?, key)
}

/// A file from its sealed octets.
pub(super) fn open_file(
    attempt: AttemptId,
    mac: MacAddress,
    name: &str,
    sealed: &[u8],
    key: &MasterKey,
) -> Result<StoredFile, RowError> {
    let octets = open(key, &file_context(name), sealed)?.expose().to_vec();
    Ok(StoredFile { attempt, mac, octets })
}

/// The context under which the octets of a file are sealed.
pub(super) fn file_context(name: &str) -> String {
    format!("files/{name}")
}

/// A refusal from the columns mac, peer, step, at, reason.
pub(super) fn refusal(row: &SqliteRow) -> Result<Refusal, RowError> {
    let mac = row
        .try_get::<Option<&str>, _>(0)?
        .map(|mac| parse("refusals", mac))
        .transpose()?;
    Ok(Refusal {
        mac,
        peer: parse("refusals", row.try_get(1)?)?,
        step: parse("refusals", row.try_get(2)?)?,
        at: Timestamp(row.try_get(3)?),
        reason: row.try_get(4)?,
    })
}

/// A service key as its row has it.
pub(super) struct KeyRow {
    pub(super) principal: String,
    pub(super) kvno: u32,
    pub(super) etype: i32,
    pub(super) name_type: i32,
    /// JSON, since the text of a principal has escapes.
    pub(super) components: String,
    pub(super) key: Vec<u8>,
    pub(super) created: i64,
}

impl KeyRow {
    pub(super) fn new(service: &ServiceKey, key: &MasterKey) -> Self {
        let principal = service.principal.canonical();
        let context = key_context(&principal, service.kvno, service.etype);
        Self {
            key: key.seal(&context, service.key.expose()),
            principal,
            kvno: service.kvno,
            etype: service.etype,
            name_type: service.principal.name_type(),
            components: json(&service.principal.components()),
            created: service.created.0,
        }
    }
}

fn key_context(principal: &str, kvno: u32, etype: i32) -> String {
    format!("keys/{principal}/{kvno}/{etype}")
}

/// The columns that [`service_key`] reads.
pub(super) const KEY: &str = "principal, kvno, etype, name_type, key, created, components, forget";

pub(super) fn service_key(row: &SqliteRow, key: &MasterKey) -> Result<ServiceKey, RowError> {
    let principal: &str = row.try_get(0)?;
    let (kvno, etype) = (row.try_get(1)?, row.try_get(2)?);
    let name = key_context(principal, kvno, etype);
    let secret = open(key, &name, row.try_get(4)?)?;
    let components = from_json(&name, row.try_get(6)?)?;
    let principal = PrincipalName::new(row.try_get(3)?, components);
    Ok(ServiceKey {
        principal: principal.map_err(|error| RowError::Content(format!("{name}: {error}")))?,
        kvno,
        etype,
        key: secret,
        created: Timestamp(row.try_get(5)?),
        forget: row.try_get::<Option<i64>, _>(7)?.map(Timestamp),
    })
}
