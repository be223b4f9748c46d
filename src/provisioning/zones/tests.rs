//! What zones hold, and how networks are cut into them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hickory_server::proto::rr::{LowerName, Name, RData, RecordType};
use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

fn infrastructure() -> Infrastructure {
    let name = |text: &str| -> Fqdn { text.parse().unwrap() };
    let addresses = |texts: &[&str]| -> BTreeSet<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    Infrastructure {
        realm: "REALM.NET".parse().unwrap(),
        domains: vec![name("cable.realm.net"), name("cable.realm.net"), name("other.org")],
        networks: vec!["192.0.2.0/24".parse().unwrap(), "10.0.0.0/15".parse().unwrap()],
        hosts: BTreeMap::from([
            (name("kdc.cable.realm.net"), addresses(&["192.0.2.1", "2001:db8::1"])),
            (name("ns.cable.realm.net"), addresses(&["192.0.2.1"])),
        ]),
        nameservers: vec![name("ns.cable.realm.net")],
        contact: name("hostmaster.cable.realm.net"),
        kdc: name("kdc.cable.realm.net"),
        kdc_ports: KdcPorts {
            udp: BTreeSet::from([88, 1088]),
            tcp: BTreeSet::from([88]),
        },
        records: Vec::new(),
        ttl: Duration::from_secs(300),
        negative_ttl: Duration::from_secs(30),
        serial: 7,
    }
}

fn lower(text: &str) -> LowerName {
    LowerName::new(&Name::from_ascii(text).unwrap())
}

fn zone<'a>(zones: &'a [Zone], origin: &str) -> &'a Zone {
    zones.iter().find(|zone| *zone.origin() == lower(origin)).unwrap()
}

fn kinds(owner: &Owner<'_>) -> Vec<RecordType> {
    match owner {
        Owner::Infrastructure(records) => records.iter().map(|record| record.record_type()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_zone_stands_there_once() {
    let zones = infrastructure().zones();
    let mut origins: Vec<String> = zones.iter().map(|zone| zone.origin().to_string()).collect();
    origins.sort();
    assert_eq!(
        origins,
        [
            "0.10.in-addr.arpa.",
            "1.10.in-addr.arpa.",
            "2.0.192.in-addr.arpa.",
            "cable.realm.net.",
            "other.org.",
            "realm.net."
        ]
    );
}

#[test]
fn rfc4120_7_2_3_2_the_kdc_is_found_in_the_realms_zone() {
    let zones = infrastructure().zones();
    let realm = zone(&zones, "realm.net.");
    let udp = realm.owner(&lower("_kerberos._udp.realm.net."));
    let Owner::Infrastructure(records) = udp else {
        panic!("{udp:?}")
    };
    let ports: Vec<u16> = records
        .iter()
        .map(|record| match &record.data {
            RData::SRV(srv) => srv.port,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ports, [88, 1088]);
    // RFC 2782: the target's addresses come along, though they lie in another zone of this server.
    let additional: Vec<RecordType> = realm
        .additional(records)
        .iter()
        .map(|record| record.record_type())
        .collect();
    assert_eq!(additional, [RecordType::A, RecordType::AAAA]);
    assert_eq!(
        kinds(&realm.owner(&lower("_kerberos._tcp.realm.net."))),
        [RecordType::SRV]
    );
    assert_eq!(kinds(&realm.owner(&lower("_udp.realm.net."))), []);
    assert_eq!(
        kinds(&realm.owner(&lower("realm.net."))),
        [RecordType::SOA, RecordType::NS]
    );
}

#[test]
fn without_a_kdc_of_its_own_there_is_no_srv_record() {
    let mut without = infrastructure();
    without.kdc_ports = KdcPorts::default();
    let zones = without.zones();
    let owner = zone(&zones, "realm.net.").owner(&lower("_kerberos._udp.realm.net."));
    assert!(matches!(owner, Owner::Device(_)), "{owner:?}");
}

#[test]
fn the_operators_records_replace_those_of_their_type() {
    let mut with = infrastructure();
    let data = RData::try_from_str(RecordType::A, "192.0.2.99").unwrap();
    with.records = vec![("kdc.cable.realm.net".parse().unwrap(), data.clone())];
    let zones = with.zones();
    let Owner::Infrastructure(records) = zone(&zones, "cable.realm.net.").owner(&lower("kdc.cable.realm.net.")) else {
        panic!()
    };
    let addresses: Vec<&RData> = records.iter().map(|record| &record.data).collect();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[1], &data);
    assert_eq!(records[0].record_type(), RecordType::AAAA);
}

#[test]
fn names_say_which_device_to_look_for() {
    let zones = infrastructure().zones();
    let cable = zone(&zones, "cable.realm.net.");
    let device = cable.owner(&lower("MTA1.cable.realm.net."));
    assert_eq!(device, Owner::Device("mta1.cable.realm.net".parse().unwrap()));
    // No device can have such a name.
    assert_eq!(cable.owner(&lower("*.cable.realm.net.")), Owner::Nobody);

    let reverse = zone(&zones, "2.0.192.in-addr.arpa.");
    let at = |text: &str| reverse.owner(&lower(text));
    assert_eq!(
        at("7.2.0.192.in-addr.arpa."),
        Owner::Address("192.0.2.7".parse().unwrap(), &[])
    );
    for text in [
        "256.2.0.192.in-addr.arpa.",
        "07.2.0.192.in-addr.arpa.",
        "x.2.0.192.in-addr.arpa.",
    ] {
        assert_eq!(at(text), Owner::Nobody, "{text}");
    }
    assert_eq!(at("1.7.2.0.192.in-addr.arpa."), Owner::Nobody);
    assert_eq!(kinds(&at("2.0.192.in-addr.arpa.")), [RecordType::SOA, RecordType::NS]);
    let Owner::Address(_, servers) = at("1.2.0.192.in-addr.arpa.") else {
        panic!()
    };
    assert_eq!(servers.len(), 2);
    let part = zone(&zones, "0.10.in-addr.arpa.").owner(&lower("3.0.10.in-addr.arpa."));
    assert_eq!(part, Owner::Between);
}

#[test]
fn networks_are_cut_at_labels() {
    let cut = |network: &str| -> Vec<String> {
        let zones = reverse::zones(network.parse::<IpNet>().unwrap());
        zones.iter().map(ToString::to_string).collect()
    };
    assert_eq!(cut("10.0.0.0/8"), ["10.in-addr.arpa."]);
    assert_eq!(cut("172.16.0.0/12").len(), 16);
    assert_eq!(cut("192.0.2.64/26").len(), 64);
    assert_eq!(cut("192.0.2.7/32"), ["7.2.0.192.in-addr.arpa."]);
    assert_eq!(cut("0.0.0.0/0"), ["in-addr.arpa."]);
    assert_eq!(cut("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
    assert_eq!(
        cut("fe80::/10"),
        [
            "8.e.f.ip6.arpa.",
            "9.e.f.ip6.arpa.",
            "a.e.f.ip6.arpa.",
            "b.e.f.ip6.arpa."
        ]
    );
    assert!(cut("::1/128")[0].starts_with("1.0.0.0."));
}

#[test]
fn a_zone_of_one_address_has_that_addresss_names() {
    let mut one = infrastructure();
    one.networks = vec!["192.0.2.7/32".parse().unwrap()];
    let zones = one.zones();
    let owner = zone(&zones, "7.2.0.192.in-addr.arpa.").owner(&lower("7.2.0.192.in-addr.arpa."));
    let Owner::Address(address, fixed) = owner else {
        panic!("{owner:?}")
    };
    assert_eq!(address, "192.0.2.7".parse::<IpAddr>().unwrap());
    assert_eq!(fixed.len(), 2, "SOA and NS: {fixed:?}");
}

proptest! {
    #[test]
    fn every_address_is_read_from_its_own_reverse_name(address: IpAddr) {
        let name = LowerName::new(&Name::from(address));
        prop_assert_eq!(reverse::address(&name), Reverse::Address(address));
    }
}
