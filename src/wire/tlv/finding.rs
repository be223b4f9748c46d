//! What can be wrong with a device's file, and how grave it is.

use std::fmt;

use super::conform::Mismatch;
use super::hash::BasicHashError;
use crate::mib::MibDialect;

/// The provisioning flow that a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFlow {
    /// Kerberos and SNMPv3: the file names the realm and its organisation.
    Secure,
    /// SNMPv2c: the hash comes by SNMP.
    Hybrid,
    /// No SNMP before the file: the hash stands in it.
    Basic,
}

impl FileFlow {
    /// Every flow.
    pub const ALL: [Self; 3] = [Self::Secure, Self::Hybrid, Self::Basic];

    /// The flow's name in settings, records and templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Hybrid => "hybrid",
            Self::Basic => "basic",
        }
    }
}

impl fmt::Display for FileFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The device takes the file and reports passWithWarnings, or an operator should look at it.
    Warning,
    /// The device refuses the file: failConfigFileError.
    Error,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The first TLV is not FE 01 01.
    #[error("the file does not start with FE 01 01")]
    NoStart,
    /// The last TLV is not FE 01 FF.
    #[error("the file does not end with FE 01 FF")]
    NoEnd,
    /// FE 01 01 stands again within the file.
    #[error("FE 01 01 stands again at element {0}")]
    SecondStart(usize),
    /// Octets other than zero, or more zero octets than a cipher block, follow the end.
    #[error("{0} octets follow FE 01 FF")]
    Trailing(usize),
    /// The object that every file must set is not set.
    #[error("{0} is missing")]
    Missing(String),
    /// A secure-flow file has no realm.
    #[error("the realm table has no row: a secure-flow file names its realm and organisation")]
    NoRealm,
    /// A row of the realm table lacks the realm or the organisation.
    #[error("row {row} of the realm table has no {what}")]
    RealmIncomplete {
        /// The row's index.
        row: String,
        /// What it lacks.
        what: &'static str,
    },
    /// The realm is not in upper case.
    #[error("the realm '{0}' is not in upper case")]
    RealmCase(String),
    /// No row has the device's realm.
    #[error("no row of the realm table is for the realm {0}")]
    OtherRealm(String),
    /// The organisation is not that of the certificate.
    #[error("the organisation is '{found}', and the service provider's certificate says '{expected}'")]
    OtherOrganisation {
        /// The certificate's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// Basic flow: the hash in the file is wrong.
    #[error(transparent)]
    Hash(#[from] BasicHashError),
    /// Basic flow: the hash is not the last TLV before the end.
    #[error("the hash is not the last TLV before FE 01 FF")]
    HashNotLast,
    /// Secure and hybrid flow: the hash comes by SNMP, not in the file.
    #[error("{0} stands in the file, and in this flow it comes by SNMP")]
    HashInFile(String),
    /// An object is set twice.
    #[error("{0} is set more than once")]
    Duplicate(String),
    /// Cells of a row are set without its RowStatus.
    #[error("{0} is set, and its row has no {1}")]
    RowWithoutStatus(String, String),
    /// A row is created in a way that devices need not support.
    #[error("{object} is {}; rows are created by createAndGo(4)", row_status(*found))]
    RowStatus {
        /// The RowStatus instance.
        object: String,
        /// What it is set to.
        found: i32,
    },
    /// No known module has the object.
    #[error("no MIB module defines {0}")]
    UnknownObject(String),
    /// The object cannot be set.
    #[error("{0} cannot be set")]
    NotWritable(String),
    /// The value does not fit the object.
    #[error("{object}: {mismatch}")]
    Value {
        /// The instance.
        object: String,
        /// What is wrong.
        mismatch: Mismatch,
    },
    /// An unknown TLV.
    #[error("TLV {0} is no TLV of a device file")]
    UnknownTlv(u8),
    /// TLV 43 does not start with the vendor's OUI.
    #[error("TLV 43 does not start with 43.8, the vendor's OUI")]
    NoOui,
    /// TLV 38 has no address.
    #[error("TLV 38 has neither 38.1 nor 38.8, the receiver's address")]
    ReceiverWithoutAddress,
    /// TLV 64 for a variable binding that TLV 11 has room for.
    #[error("{0} stands in TLV 64 and has room in TLV 11")]
    LongWithoutNeed(String),
    /// An object of the MTA MIB of other devices.
    #[error("{object} is of the {found} MIB; the device has the {expected} MIB")]
    OtherDialect {
        /// The instance.
        object: String,
        /// The MIB that it is of.
        found: MibDialect,
        /// The device's.
        expected: MibDialect,
    },
    /// Users (IMPUs) have no row of a table that they need to register.
    #[error("there are users (pktcEUEUsrIMPUTable) and no row of {0}")]
    UserWithout(&'static str),
    /// A row refers to one that is not there.
    #[error("{object} is for row {row} of {table}, and the file has none")]
    NoSuchRow {
        /// The instance that refers to it.
        object: String,
        /// The table of the other row.
        table: &'static str,
        /// Its index.
        row: u32,
    },
    /// A secret in a file that nobody encrypts.
    #[error("{0} stands in clear in a file of the {1} flow")]
    SecretInClear(String, FileFlow),
}

impl Finding {
    /// How grave it is (fact sheet provisioning §1.5 and §1.6).
    pub fn severity(&self) -> Severity {
        match self {
            Self::HashInFile(_)
            | Self::RealmCase(_)
            | Self::HashNotLast
            | Self::UnknownObject(_)
            | Self::NotWritable(_)
            | Self::Value { .. }
            | Self::UnknownTlv(_)
            | Self::NoOui
            | Self::ReceiverWithoutAddress
            | Self::LongWithoutNeed(_)
            | Self::OtherDialect { .. }
            | Self::UserWithout(_)
            | Self::NoSuchRow { .. }
            | Self::SecretInClear(..) => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// A RowStatus with its label (RFC 2579).
fn row_status(number: i32) -> String {
    let label = match number {
        1 => "active",
        2 => "notInService",
        3 => "notReady",
        4 => "createAndGo",
        5 => "createAndWait",
        6 => "destroy",
        _ => return number.to_string(),
    };
    format!("{label}({number})")
}
