#!/usr/bin/env python3
"""Runs TFTP servers on the same work, in turn and several times, and prints medians and ratios.

    benches/tftp_servers.py [--rounds 3] [--only hardline,dnsmasq] [--work 8411-512-100] [--quick] [--json FILE]

Servers: tftpd-hpa, atftpd and dnsmasq with static files; Hardline with a static file ("hardline"), and with a file that is
verified, built from a template for each device and encrypted ("hardline-dynamic"). All serve over loopback; the client is
`hardline load tftp`, which compares every octet. Needs root (port 69 for dnsmasq, large socket buffers for the client) and a
release build: `cargo build --release`, or HARDLINE=/path/to/hardline. atftpd is taken from target/peers (test.sh puts it
there), as its package and that of tftpd-hpa exclude each other.

Two measures: transfers by second of wall time, and by second of the server's CPU time, its children included (by a control
group). With the client on the same cores the first says less than the second.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HARDLINE = os.environ.get("HARDLINE", str(ROOT / "target/release/hardline"))
# Longest time of one run; a server that loses packets waits for seconds again and again.
LIMIT = 120

SMALL, LARGE = 8_411, 512 * 1024


def work(name, size, sessions, total, *options):
    return {"name": name, "size": size, "sessions": sessions, "downloads": max(1, total // sessions), "options": options}


WORKS = [
    *(work(f"8411-512-{n}", SMALL, n, total) for n, total in
      [(1, 3_000), (10, 10_000), (100, 30_000), (500, 30_000), (1_000, 30_000), (10_000, 40_000)]),
    *(work(f"8411-1448x4-{n}", SMALL, n, total, "--block-size", "1448", "--window", "4") for n, total in
      [(1, 5_000), (10, 20_000), (100, 50_000), (500, 50_000), (1_000, 50_000), (10_000, 60_000)]),
    work("512k-512-500", LARGE, 500, 1_000),
    work("512k-1448-500", LARGE, 500, 2_000, "--block-size", "1448"),
]


def content(size):
    return bytes((at * 2_654_435_761 >> 13) & 0xFF for at in range(size))


class Account:
    """What a server and its children use of the CPU, by a control group: of children that nobody waits for, as those of
    tftpd-hpa, /proc keeps no account."""

    def __init__(self):
        first, second = pathlib.Path("/sys/fs/cgroup/cpuacct"), pathlib.Path("/sys/fs/cgroup")
        self.first = (first / "cpuacct.usage").exists()
        if not self.first and not (second / "cgroup.controllers").exists():
            sys.exit("no control groups: mount cgroup2, or cgroup with cpuacct")
        self.folder = (first if self.first else second) / f"hardline-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.folder.mkdir()

    def join(self):
        (self.folder / "cgroup.procs").write_text("0")

    def seconds(self):
        if self.first:
            return int((self.folder / "cpuacct.usage").read_text()) / 1e9
        fields = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6

    def close(self):
        try:
            self.folder.rmdir()
        except OSError:
            pass  # A child is still there; the group goes with the machine.


class Server:
    """A server process, its address, and where its files are."""

    # Sessions that fetch once before anything is measured.
    WARM = 100

    def __init__(self, name, folder):
        self.name, self.folder, self.process = name, pathlib.Path(folder), None
        self.pattern = {SMALL: "config.bin", LARGE: "image.bin"}
        self.compare = self.folder / "root"
        self.compare.mkdir()
        os.chmod(folder, 0o755)
        for size, file in self.pattern.items():
            (self.compare / file).write_bytes(content(size))
        self.load = []

    def start(self):
        address, command = self.command()
        self.address, self.account = address, Account()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=self.account.join)
        for _ in range(100):
            time.sleep(0.1)
            if self.run(WORKS[0] | {"sessions": 1, "downloads": 1}, pid=False):
                self.run(WORKS[0] | {"sessions": self.WARM, "downloads": 1}, pid=False)
                return
        self.stop()
        sys.exit(f"{self.name} does not serve")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.account.close()

    def run(self, work, pid=True):
        """The report of one load, or None where it did not end in time or did not run, or where the server is gone."""
        if self.process.poll() is not None:
            return None
        command = [HARDLINE, "load", "tftp", self.address, "--json", "--sessions", str(work["sessions"]),
                   "--downloads", str(work["downloads"]), "--file", self.pattern[work["size"]],
                   "--source", "127.16.0.0/12", *work["options"], *self.load]
        if self.compare:
            command += ["--compare", str(self.compare)]
        if pid:
            command += ["--server-pid", str(self.process.pid)]
        before = self.account.seconds()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT if pid else 10)
        except subprocess.TimeoutExpired:
            return None
        used = self.account.seconds() - before
        if done.returncode not in (0, 1) or not done.stdout:
            if pid:
                print(done.stderr, file=sys.stderr)
            return None
        report = json.loads(done.stdout)
        if pid:
            report["server"]["downloads_per_cpu_second"] = report["passed"] / used
        return report if pid or not report["failed"] else None


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Hpa(Server):
    def command(self):
        address = f"127.0.0.1:{free_port()}"
        return address, ["/usr/sbin/in.tftpd", "-L", "-a", address, "-s", str(self.compare)]


class Atftpd(Server):
    def command(self):
        port = str(free_port())
        found = ROOT / "target/peers/usr/sbin/atftpd"
        program = str(found) if found.exists() else shutil.which("atftpd") or "/usr/sbin/atftpd"
        return f"127.0.0.1:{port}", [program, "--daemon", "--no-fork", "--logfile", "/dev/null", "--bind-address",
                                     "127.0.0.1", "--port", port, "--maxthread", "20000", str(self.compare)]


class Dnsmasq(Server):
    def command(self):
        return "127.69.0.2:69", ["/usr/sbin/dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0",
                                 "--bind-interfaces", "--listen-address=127.69.0.2", "--user=root", "--enable-tftp",
                                 f"--tftp-root={self.compare}", "--tftp-max=20000"]


class Hardline(Server):
    def command(self):
        site, offset = self.folder / "site", free_port() % 17_000 + 11_000
        subprocess.run([HARDLINE, "init", str(site), "--listen", "127.0.0.1", "--port-offset", str(offset)],
                       check=True, capture_output=True)
        self.prepare(site)
        return f"127.0.0.1:{offset + 69}", [HARDLINE, "serve", "--config", str(site / "hardline.toml")]

    def prepare(self, site):
        shutil.rmtree(site / "static")
        (site / "static").symlink_to(self.compare)


# A cable modem's file of SMALL octets with TLVs 6 and 7, in which the modem's own address and its class stand.
MODEM = "\n".join([
    "file cable-modem",
    "tlv NetworkAccess 1",
    "tlv MaxCPE {{ 4 if lease is defined else 2 }}",
    "group UsServiceFlow",
    "  tlv UsServiceFlowRef 1",
    "  tlv QosParamSetType 7",
    "end",
    "group DsServiceFlow",
    "  tlv DsServiceFlowRef 2",
    "  tlv QosParamSetType 7",
    "end",
    'mib SNMPv2-MIB::sysContact.0 = "{{ mac }}"',
    *[f'mib 1.3.6.1.4.1.32473.1.{row} string "{"x" * 60}"' for row in range(1, 106)],
    f'mib 1.3.6.1.4.1.32473.2.1 string "{"x" * 108}"',
    "",
])


class Dynamic(Hardline):
    """Each session is a cable modem: the lease of its address is looked up, its file is built from its template and gets its
    two MICs (MD5 and HMAC-MD5), before the first block goes out. A file that is fetched by name cannot be
    encrypted: nobody gave its device a key. AES-128 over as many octets costs about what the MD5 of the MIC costs."""

    DEVICES = 10_000
    # Each device once: what is measured is verified against the lease cache, as it is after the first minutes.
    WARM = DEVICES
    FLOW = "basic"
    FILES = {SMALL: "bench@{mac}"}

    def __init__(self, name, folder):
        super().__init__(name, folder)
        self.compare = None
        self.pattern = self.FILES

    def prepare(self, site):
        settings = site / "hardline.toml"
        secret = site / "cmts.secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        text = settings.read_text().replace("[cable_modem]\n", '[cable_modem]\nsecrets = ["cmts.secret"]\n')
        settings.write_text(text + '\n[[lease_source]]\nkind = "table"\n[verify]\nwindow = "1d"\n')
        (site / "templates").mkdir(exist_ok=True)
        (site / "templates" / "bench.tmpl").write_text(MODEM)
        devices, leases = ["mac,fqdn,flow"], ["address,mac,obtained"]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for number in range(self.DEVICES):
            digits = f"{0x020000000000 + number:012x}"
            mac = ":".join(digits[at:at + 2] for at in range(0, 12, 2))
            address = f"127.{16 + (number + 1 >> 16)}.{(number + 1) >> 8 & 255}.{(number + 1) & 255}"
            devices.append(f"{mac},m{number}.pktc.example.net,{self.FLOW}")
            leases.append(f"{address},{mac},{now}")
        for command, rows in ("device", devices), ("lease", leases):
            file = self.folder / f"{command}.csv"
            file.write_text("\n".join(rows) + "\n")
            subprocess.run([HARDLINE, command, "import", "--config", str(settings), str(file)], check=True,
                           capture_output=True)


class Recorded(Dynamic):
    """Each session is an eUE of the basic flow, whose attempt is recorded besides: two durable changes of the database for
    each fetch, which no other server here makes. Its file is as large as its template makes it, 1.4 kB."""

    FILES = {SMALL: "basic-ietf@{mac}"}


SERVERS = {"tftpd-hpa": Hpa, "atftpd": Atftpd, "dnsmasq": Dnsmasq, "hardline": Hardline, "hardline-dynamic": Dynamic,
           "hardline-recorded": Recorded}


def median(reports, value):
    values = [value(report) for report in reports if report]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


MEASURES = {
    "transfers/s": lambda r: r["downloads_per_second"],
    "transfers/CPU s": lambda r: (r.get("server") or {}).get("downloads_per_cpu_second"),
    "repeated": lambda r: r["repetitions"],
    "failed": lambda r: r["failed"],
    "p50 ms": lambda r: (r["milliseconds"] or {}).get("p50"),
    "p99 ms": lambda r: (r["milliseconds"] or {}).get("p99"),
    "memory MB": lambda r: (r.get("server") or {}).get("memory_growth", 0) / 1e6,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="servers, separated by commas")
    parser.add_argument("--work", help="works, separated by commas")
    parser.add_argument("--quick", action="store_true", help="a tenth of the transfers")
    parser.add_argument("--json", help="writes every report to this file")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(SERVERS)
    works = [work for work in WORKS if not args.work or work["name"] in args.work.split(",")]
    if args.quick:
        works = [work | {"downloads": max(1, work["downloads"] // 10)} for work in works]
    reports = {(work["name"], name): [] for work in works for name in names}
    for _ in range(args.rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                server = SERVERS[name](name, folder)
                server.start()
                for work in works:
                    if work["size"] in server.pattern:
                        reports[work["name"], name].append(server.run(work))
                server.stop()
    if args.json:
        rows = [{"work": work, "server": name, "reports": runs} for (work, name), runs in reports.items()]
        pathlib.Path(args.json).write_text(json.dumps(rows))
    show(works, names, reports)


def show(works, names, reports):
    number = lambda value: "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    for work in works:
        print(f"\n{work['name']}: {work['size']} octets, {work['sessions']} sessions, "
              f"{work['sessions'] * work['downloads']} transfers {' '.join(work['options'])}")
        print("  " + f"{'':<18}" + "".join(f"{measure:>17}" for measure in MEASURES))
        for name in names:
            runs = reports[work["name"], name]
            if not runs:
                continue
            cells = [number(median(runs, value)) for value in MEASURES.values()]
            unfinished = sum(report is None for report in runs)
            note = f"  {unfinished} of {len(runs)} runs did not end" if unfinished else ""
            print("  " + f"{name:<18}" + "".join(f"{cell:>17}" for cell in cells) + note)
        for ours in [name for name in names if name.startswith("hardline")]:
            for measure in ["transfers/s", "transfers/CPU s"]:
                mine = median(reports[work["name"], ours], MEASURES[measure])
                ratios = []
                for name in names:
                    theirs = median(reports[work["name"], name], MEASURES[measure])
                    if not name.startswith("hardline") and mine and theirs:
                        ratios.append(f"{mine / theirs:.1f} x {name}")
                if ratios:
                    print(f"  {ours}, {measure}: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
