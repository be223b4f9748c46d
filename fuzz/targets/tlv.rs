//! Configuration files: what is read is written octet for octet as it was, or as it says.

use hardline::mib::MibDialect;
use hardline::wire::tlv::{ConfigFile, DeviceFile, realm_rows};

pub fn run(data: &[u8]) {
    if let Ok(file) = DeviceFile::decode(data) {
        let written = file.encode().expect("what was read can be written");
        let again = DeviceFile::decode(&written).expect("what was written can be read");
        assert_eq!(again.encode().as_deref(), Ok(written.as_slice()));
        for dialect in MibDialect::ALL {
            let _ = file.verify_basic_flow_hash(dialect);
        }
        let _ = realm_rows;
    }
    if let Ok(file) = ConfigFile::decode(data) {
        let written = file.encode().expect("what was read can be written");
        assert!(ConfigFile::decode(&written).is_ok(), "what was written can be read");
    }
}
