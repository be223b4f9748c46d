//! eUE-19: the SET.

use super::*;
use crate::mib::dialect::oid;
use crate::model::{AttemptResult, Outcome, ServedFile};
use crate::wire::snmp::{ErrorStatus, ReceivedConfig, Value};
use crate::wire::tlv::{EncryptAlgorithm, FileKey, IvSource, KeyPlacement};

fn outcomes() -> [SetOutcome; 4] {
    [
        SetOutcome::Accepted,
        SetOutcome::Error {
            status: ErrorStatus::InconsistentValue,
            index: 3,
        },
        SetOutcome::Unusable("report of wrong digests".to_owned()),
        SetOutcome::Silent,
    ]
}

#[test]
fn eue_19_accepted_the_device_is_told() {
    let enrolled = attempt_in(Flow::Secure, Phase::Enrolled);
    let url = enrolled.file.as_ref().unwrap().url.clone();
    let change = set_answered(enrolled, &SetOutcome::Accepted, &policy(), seconds(9)).unwrap();
    assert_eq!(
        (change.steps[0].step, change.steps[0].outcome),
        (StepId::SET, Outcome::Ok)
    );
    assert!(change.steps[0].detail.contains(&url));
    assert_eq!(after(change).phase, Phase::Told);
}

#[test]
fn eue_19_every_other_end_of_the_set_ends_the_attempt_with_its_reason() {
    for outcome in &outcomes()[1..] {
        let change = set_answered(
            attempt_in(Flow::Hybrid, Phase::Enrolled),
            outcome,
            &policy(),
            seconds(9),
        )
        .unwrap();
        assert_eq!(
            (change.steps[0].step, change.steps[0].outcome),
            (StepId::SET, Outcome::Failed)
        );
        let reason = change.steps[0].detail.clone();
        let ended = after(change);
        assert_eq!(
            (ended.phase, ended.result),
            (Phase::Ended, Some(AttemptResult::Failed(reason)))
        );
    }
}

#[test]
fn the_sets_end_changes_nothing_where_the_attempt_has_moved_on() {
    for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
        for &phase in phases(flow).iter().filter(|&&phase| phase != Phase::Enrolled) {
            for outcome in outcomes() {
                let change = set_answered(attempt_in(flow, phase), &outcome, &policy(), seconds(9));
                // A device may fetch its file before its answer is stored: the row is still owed to the ladder.
                let row = change.map(|change| (change.attempt.is_none(), change.steps.len(), change.ladder.is_some()));
                let owed = (outcome == SetOutcome::Accepted).then_some((true, 1, true));
                assert_eq!(row, owed, "{flow} {phase:?} {outcome:?}");
            }
        }
    }
}

fn file(algorithm: EncryptAlgorithm, iv: IvSource) -> (ServedFile, FileKey) {
    let key = FileKey::generate(algorithm, iv, &mut SeededRandom::new(5));
    let file = ServedFile {
        name: "a".to_owned(),
        url: "tftp://192.0.2.1/a".to_owned(),
        hash: vec![9; 20],
        algorithm,
        key: key.material(),
        size: 64,
        made: Timestamp::default(),
    };
    (file, key)
}

#[test]
fn p23_bindings_of_each_dialect_url_hash_key_and_algorithm() {
    for (dialect, algorithm, length) in [
        (MibDialect::Ietf, EncryptAlgorithm::Aes128Cbc, 32),
        (MibDialect::Ietf, EncryptAlgorithm::Des64Cbc, 32),
        (MibDialect::Ietf, EncryptAlgorithm::TripleDes192Cbc, 32),
        (MibDialect::Ietf, EncryptAlgorithm::Aes256Cbc, 32),
        (MibDialect::CableLabs, EncryptAlgorithm::Des64Cbc, 8),
        (MibDialect::Euro, EncryptAlgorithm::Des64Cbc, 8),
    ] {
        let (file, key) = file(algorithm, IvSource::Prepended);
        let bindings = file_varbinds(dialect, &file, KeyPlacement::First).unwrap();
        let oids = dialect.oids();
        let mut names = vec![oids.config_file, oids.prov_config_hash, oids.prov_config_key];
        names.extend(oids.prov_config_encrypt_alg);
        let expected: Vec<_> = names.into_iter().map(oid).collect();
        assert_eq!(
            bindings.iter().map(|binding| binding.name.clone()).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(bindings[0].value, Value::text("tftp://192.0.2.1/a"));
        assert_eq!(bindings[1].value, Value::OctetString(vec![9; 20]));
        let object = bindings[2].value.as_octets().unwrap();
        assert_eq!(object.len(), length, "{dialect}");
        let (head, tail) = object.split_at(key.octets().len());
        assert!(
            key.octets().ct_eq(head) && tail.iter().all(|&octet| octet == 0),
            "{dialect} {algorithm}"
        );
        if dialect == MibDialect::Ietf {
            assert_eq!(bindings[3].value, Value::Integer(algorithm.number()));
        }
    }
}

#[test]
fn p23_a_clear_file_has_neither_key_nor_algorithm() {
    for dialect in MibDialect::ALL {
        let (file, _) = file(EncryptAlgorithm::None, IvSource::Prepended);
        assert_eq!(
            file_varbinds(dialect, &file, KeyPlacement::First).unwrap().len(),
            2,
            "{dialect}"
        );
    }
}

#[test]
fn p23_right_aligned_the_zeros_stand_first() {
    let (file, key) = file(EncryptAlgorithm::Aes128Cbc, IvSource::Prepended);
    let bindings = file_varbinds(MibDialect::Ietf, &file, KeyPlacement::Last).unwrap();
    let object = bindings[2].value.as_octets().unwrap();
    assert_eq!(object[..16], [0; 16]);
    assert!(key.octets().ct_eq(&object[16..]));
}

#[test]
fn p22_the_iv_of_the_key_object_reaches_the_device() {
    let (file, key) = file(EncryptAlgorithm::Aes128Cbc, IvSource::KeyObject);
    let bindings = file_varbinds(MibDialect::Ietf, &file, KeyPlacement::First).unwrap();
    let received = ReceivedConfig::from_bindings(&bindings, MibDialect::Ietf)
        .unwrap()
        .encryption
        .unwrap();
    let read = FileKey::from_object(
        received.key_object.expose(),
        EncryptAlgorithm::Aes128Cbc,
        MibDialect::Ietf,
        KeyPlacement::First,
        IvSource::KeyObject,
    )
    .unwrap();
    assert!(read.octets().ct_eq(key.octets().expose()));
    assert!(key.iv().is_some() && read.iv() == key.iv());
}

#[test]
fn a_cipher_that_the_dialect_cannot_name_is_an_error() {
    for dialect in [MibDialect::CableLabs, MibDialect::Euro] {
        let (file, _) = file(EncryptAlgorithm::Aes128Cbc, IvSource::Prepended);
        assert!(matches!(
            file_varbinds(dialect, &file, KeyPlacement::First),
            Err(SetError::Key(_))
        ));
    }
}
