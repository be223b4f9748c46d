//! A library of ten thousand templates: how long it takes to load, what it holds, how soon a name is found in it.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use hardline::mib::Names;
use hardline::template::{Source, TemplateLibrary};

/// Templates in the library.
const COUNT: usize = 10_000;

/// The one of that number: half of them static, half with a pattern, a lookup of variables and a shared block.
fn text(at: usize) -> String {
    if at.is_multiple_of(2) {
        return format!(
            "file cable-modem\nserve static-{at}.bin\ntlv NetworkAccess 1\ntlv MaxCPE {}\ngroup UsServiceFlow\n  \
             tlv UsServiceFlowRef 1\n  tlv QosParamSetType 7\n  tlv MaxRateSustained {}\nend\ngroup DsServiceFlow\n  \
             tlv DsServiceFlowRef 2\n  tlv QosParamSetType 7\n  tlv MaxRateSustained {}\nend\n",
            at % 16 + 1,
            at * 1_000,
            at * 10_000
        );
    }
    format!(
        "serve \"isp{at}ip{{cpe:integer(1..16)}}bw{{code:integer}}.bin\"\n# Of subscriber group {at}.\n\
         var lines: integer(1..8) = 2\nvar proxy: name = \"pcscf{at}.example.net\"\ninclude blocks-management\n\
         mib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 = true\nmib pktcEUEDevSipPort.0 = 5060\n\
         mib pktcEUEDevPCSCFAddrType.1.1 inetaddresstype {{{{ proxy }}}}\n\
         mib pktcEUEDevPCSCFAddr.1.1 = {{{{ proxy }}}}\nmib pktcEUEDevPCSCFRowStatus.1.1 = createAndGo\n\
         for line in range(1, lines + 1)\n  mib pktcEUEUsrIMPUId.{{{{ line }}}} = sip:{{{{ hostname }}}}-{{{{ line }}}}@isp{at}.example.net\n  \
         mib pktcEUEUsrIMPURowStatus.{{{{ line }}}} = createAndGo\nend\n"
    )
}

/// What the process holds, in octets.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kib: usize = line
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok())
        .expect("KiB");
    kib * 1024
}

fn library(c: &mut Criterion) {
    let texts: Vec<(String, String)> = (0..COUNT).map(|at| (format!("template-{at}"), text(at))).collect();
    let names = Names::embedded();
    let mut sources = TemplateLibrary::shipped_sources();
    sources.extend(texts.iter().map(|(name, text)| Source::new(name, name, text)));
    let (before, begun) = (resident(), Instant::now());
    let library = TemplateLibrary::compile(&sources, names).expect("the templates");
    let (took, held) = (begun.elapsed(), resident() - before);
    println!(
        "{COUNT} templates: loaded in {:.2} s, {:.1} MB held",
        took.as_secs_f64(),
        held as f64 / 1e6
    );
    let mut group = c.benchmark_group("a name among 10,000 templates");
    for (what, name) in [
        ("exact", "static-5000.bin".to_owned()),
        ("by a pattern, learned", "isp5001ip8bw17.bin".to_owned()),
        ("of a device, learned", "template-5001@0a0102030405".to_owned()),
    ] {
        assert!(library.resolve(&name).is_some());
        group.bench_function(what, |b| b.iter(|| library.resolve(black_box(&name))));
    }
    // Each name is another one, as after a start.
    let mut next = 0usize;
    group.bench_function("by a pattern, for the first time", |b| {
        b.iter(|| {
            next += 1;
            library.resolve(&format!("isp{}ip{}bw{next}.bin", next * 2 % COUNT + 1, next % 16 + 1))
        });
    });
    group.finish();
}

criterion_group!(benches, library);
criterion_main!(benches);
