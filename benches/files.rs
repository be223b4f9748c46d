//! Build, encode, hash and encrypt a device's file, on one core: what the server does for each device and attempt.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hardline::mib::{MibDialect, Names};
use hardline::model::{Device, Family, Flow};
use hardline::template::{Context, Site, TemplateLibrary};
use hardline::value::{SeededRandom, Timestamp};
use hardline::wire::tlv::{DeviceFile, EncryptAlgorithm, FileForm, FileHash, FileKey, HashAlgorithm, IvSource, cipher};

// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn device(vars: &[(&str, &str)]) -> Device {
    let vars = vars
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Device {
        mac: "00:11:22:aa:bb:cc".parse().expect("a MAC address"),
        fqdn: "mta1.pktc.example.net".parse().expect("a name"),
        flow: Flow::Secure,
        mib: MibDialect::Ietf,
        addresses: Vec::new(),
        template: None,
        vars: vars.collect(),
        overrides: Default::default(),
        delivery: Default::default(),
        public_key_sha1: None,
        created: Timestamp::default(),
    }
}

fn site() -> Site {
    Site {
        realm: "PKTC.EXAMPLE.NET".parse().expect("a realm"),
        organisation: "Example Operator".to_owned(),
        prov_fqdn: "prov.pktc.example.net".parse().expect("a name"),
        ipv4: Some([192, 0, 2, 1].into()),
        ipv6: None,
        notification_port: 162,
        vars: BTreeMap::new(),
    }
}

/// `secure-ietf` with a second digit map, as large as the largest known file, about 9.5 kB.
fn large() -> String {
    let map = "(\"[2-9]xx[2-9]xxxxxx\" : =LOCAL)\n".repeat(250);
    let value = format!("mib pktcEUERSTDMValue.2 string \"\"\"\n{map}\"\"\"\n");
    format!("include secure-ietf\n{value}mib pktcEUERSTDMStatus.2 rowstatus createAndGo\n")
}

fn files(c: &mut Criterion) {
    let large = large();
    let library = TemplateLibrary::shipped_and([("large", large.as_str())], Names::embedded()).expect("the templates");
    let site = site();
    let mut random = SeededRandom::new(1);
    let device = device(&[("lines", "1"), ("ims_password", "secret")]);
    let context = Context::new(&device, Family::V4, &site);
    for template in ["secure-ietf", "large"] {
        let octets = library
            .build(template, &context)
            .expect("a file")
            .encode()
            .expect("octets");
        let mut group = c.benchmark_group(format!("file of {} octets", octets.len()));
        group.throughput(Throughput::Elements(1));
        group.bench_function("build", |b| {
            b.iter(|| library.build_octets(template, black_box(&context)))
        });
        group.bench_function("decode", |b| b.iter(|| DeviceFile::decode(black_box(&octets))));
        for algorithm in [EncryptAlgorithm::Aes128Cbc, EncryptAlgorithm::Des64Cbc] {
            group.bench_function(format!("build, encrypt by {algorithm:?} and hash"), |b| {
                b.iter(|| {
                    let plain = library.build_octets(template, black_box(&context)).expect("a file");
                    let key = FileKey::generate(algorithm, IvSource::Prepended, &mut random);
                    let delivered =
                        cipher::encrypt(&plain, &key, FileForm::default(), &mut random).expect("a ciphertext");
                    (FileHash::of(&delivered, HashAlgorithm::Sha1), delivered)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, files);
criterion_main!(benches);
