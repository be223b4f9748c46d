#!/usr/bin/env python3
"""Writes one SMIv2 module for every module named in oid-tables.tsv, beside it.

    python3 mibs/generate.py          write the modules
    python3 mibs/generate.py --check  fail where a module is not what the table gives

The table holds facts only (name, object identifier, syntax, access, index). Every sentence in a module is made here.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
UPDATED = "202611210000Z"

# Roots that SNMPv2-SMI gives names to.
SMI_NODES = {
    "1.3.6.1.2.1": "mib-2",
    "1.3.6.1.2.1.10": "transmission",
    "1.3.6.1.4.1": "enterprises",
    "1.3.6.1.6.3": "snmpModules",
}
SMI_TYPES = {"Integer32", "Unsigned32", "Counter32", "Counter64", "Gauge32", "TimeTicks", "IpAddress"}
STANDARD_TCS = set(
    "DisplayString PhysAddress MacAddress TruthValue RowStatus DateAndTime StorageType TestAndIncr TDomain TAddress "
    "TimeInterval TimeStamp RowPointer AutonomousType".split()
)

ADDRESS_TYPES = "INTEGER { unknown(0), ipv4(1), ipv6(2), ipv4z(3), ipv6z(4), dns(16) }"
SEVERITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
FACILITIES = (
    ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp"]
    + ["audit", "console", "cron2"]
    + [f"local{n}" for n in range(8)]
)
CODECS = (
    "INTEGER { other(1), unknown(2), g729(3), reserved(4), g729E(5), pcmu(6), g726at32(7), g728(8), pcma(9), "
    "g726at16(10), g726at24(11), g726at40(12), ilbc(13), bv16(14) }"
)
FEATURES = (
    "other digitMap basicCall announcement statusChange noAnsTimeout callerId callerIdDisplay callerIdBlocking "
    "callerIdDelivery callForwarding callWaiting callHold callTransfer threeWayCalling doNotDisturb subscrProgPin "
    "msgWaitIndicator autoRecall autoCallback busyLineVerify emergencySvc scf acr solicitorBlocking distinctAlerting "
    "speedDialing cot heldMedia localSpeedDialing hotline digitMapVariable"
).split()


def enumeration(labels, first):
    return ", ".join(f"{label}({number})" for number, label in enumerate(labels, first))


# module -> textual convention -> (display hint, syntax)
CONVENTIONS = {
    "SNMP-FRAMEWORK-MIB": {
        "SnmpAdminString": ("255t", "OCTET STRING (SIZE (0..255))"),
        "SnmpEngineID": (None, "OCTET STRING (SIZE (5..32))"),
        "SnmpSecurityModel": (None, "INTEGER (0..2147483647)"),
        "SnmpMessageProcessingModel": (None, "INTEGER (0..2147483647)"),
        "SnmpSecurityLevel": (None, "INTEGER { noAuthNoPriv(1), authNoPriv(2), authPriv(3) }"),
    },
    "SNMP-TARGET-MIB": {
        "SnmpTagValue": ("255t", "OCTET STRING (SIZE (0..255))"),
        "SnmpTagList": ("255t", "OCTET STRING (SIZE (0..255))"),
    },
    "SNMP-USER-BASED-SM-MIB": {"KeyChange": (None, "OCTET STRING")},
    "INET-ADDRESS-MIB": {
        "InetAddressType": (None, ADDRESS_TYPES),
        "InetAddress": (None, "OCTET STRING (SIZE (0..255))"),
        "InetAddressDNS": ("255a", "OCTET STRING (SIZE (1..255))"),
        "InetAddressPrefixLength": ("d", "Unsigned32 (0..2040)"),
        "InetPortNumber": ("d", "Unsigned32 (0..65535)"),
    },
    "URI-TC-MIB": {"Uri": ("1a", "OCTET STRING")},
    "SYSLOG-TC-MIB": {
        "SyslogFacility": (None, "INTEGER { %s }" % enumeration(FACILITIES, 0)),
        "SyslogSeverity": (None, "INTEGER { %s }" % enumeration(SEVERITIES, 0)),
    },
    "DIFFSERV-DSCP-TC": {"Dscp": ("d", "Integer32 (0..63)")},
    "DOCS-IETF-BPI2-MIB": {"DocsX509ASN1DEREncodedCertificate": (None, "OCTET STRING (SIZE (0..4096))")},
    "DOCS-BPI2-MIB": {"X509Certificate": (None, "OCTET STRING (SIZE (0..4096))")},
    "SYSAPPL-MIB": {"LongUtf8String": ("1024a", "OCTET STRING (SIZE (0..1024))")},
    "IF-MIB": {
        "InterfaceIndex": ("d", "Integer32 (1..2147483647)"),
        "InterfaceIndexOrZero": ("d", "Integer32 (0..2147483647)"),
    },
    "CLAB-TOPO-MIB": {"NodeName": ("255a", "OCTET STRING (SIZE (0..255))")},
    "PKTC-IETF-MTA-MIB": {
        "PktcMtaDevProvEncryptAlg": (
            None,
            "INTEGER { none(0), des64CbcMode(1), t3Des192CbcMode(2), aes128CbcMode(3), aes256CbcMode(4) }",
        )
    },
    "PKTC-IETF-SIG-MIB": {
        "TenthdBm": ("d-1", "Integer32"),
        "PktcCodecType": (None, CODECS),
        "PktcRingCadence": (None, "OCTET STRING (SIZE (4..36))"),
        "PktcSigType": (None, "INTEGER { other(1), ncs(2) }"),
        "DtmfCode": (
            None,
            "INTEGER { %s }"
            % enumeration([f"dtmfcode{c}" for c in [*range(10), "Star", "Hash", "A", "B", "C", "D"]], 0),
        ),
        "PktcSubscriberSideSigProtocol": (None, "INTEGER { fsk(1), dtmf(2) }"),
    },
    "PKTC-IETF-EVENT-MIB": {"SyslogSeverityMask": (None, "BITS { %s }" % enumeration(SEVERITIES, 0))},
    "PKTC-SIG-MIB": {
        "PktcCodecType": (None, CODECS),
        "PktcRingCadence": (None, "BITS { %s }" % enumeration([f"interval{n}" for n in range(1, 65)], 0)),
        "PktcSigType": (None, "INTEGER { other(1), unknown(2), ncs(3), dcs(4) }"),
    },
    "PKTC-ES-TAP-MIB": {"PktcEScTapDscp": (None, "Integer32 (0..63)")},
    "CL-PKTC-EUE-DEV-MIB": {
        "PktcEUEDevSipProtID": (None, "INTEGER { other(1), udp(2), tcp(3), tls(4) }"),
    },
    "CL-PKTC-EUE-EDVA-MIB": {
        "PktcEUETCLocInfoType": (None, "INTEGER { locInfoCivic(1), locInfoGeo(2) }"),
        "PktcEUETCLocInfo": (None, "OCTET STRING"),
    },
    "CL-PKTC-EUE-RST-MIB": {
        "PktcRSTTCFeatID": (None, "INTEGER { %s }" % enumeration(FEATURES, 1)),
        "PktcEUETCRSTAppFeatIndexType": (None, "Unsigned32 (0..63)"),
        "PktcEUETCRSTAUID": ("255a", "OCTET STRING"),
    },
    "CL-PKTC-EUE-TC-MIB": {
        "PktcEUETCID": (None, "OCTET STRING (SIZE (0..1023))"),
        "PktcEUETCIDType": (
            None,
            "INTEGER { other(1), gruu(2), publicIdentity(3), privateIdentity(4), publicPrivatePair(5), "
            "username(6), macaddress(7), packetcableIdentity(8) }",
        ),
        "PktcEUETCAdminStatus": (None, "INTEGER { active(1), inactive(2) }"),
        "PktcEUETCOperStatus": (None, "INTEGER { active(1), inactive(2), notPresent(3), unknown(4) }"),
        "PktcEUETCStatusInfo": (None, "OCTET STRING (SIZE (0..31))"),
        "PktcEUETCUsrElementIndexType": (None, "Unsigned32 (0..63)"),
        "PktcEUETCAppOrgIdentifier": (None, "Unsigned32"),
        "PktcEUETCAppIdentifier": (None, "Unsigned32 (1..127)"),
        "PktcEUETCUsrAppIndexType": (None, "Unsigned32 (0..31)"),
        "PktcEUETCCredsType": (
            None,
            "INTEGER { other(1), none(2), password(3), preSharedKey(4), certificate(5) }",
        ),
        "PktcEUETCCreds": (None, "OCTET STRING (SIZE (0..8192))"),
    },
}
# Where a convention comes from when its user does not define it.
HOMES = {}
for _module, _types in CONVENTIONS.items():
    for _name in _types:
        HOMES.setdefault(_name, _module)

# The realm and CMS tables of PKTC-MTA-MIB take their strings without a length (fact sheet provisioning §1.5, CERTAIN).
IMPLIED = {
    ("PKTC-MTA-MIB", "pktcMtaDevRealmEntry"),
    ("PKTC-MTA-MIB", "pktcMtaDevCmsEntry"),
}
# The enhanced NCS endpoint table extends the one that it has no index of its own beside (LIKELY).
AUGMENTS = {("PKTC-EN-SIG-MIB", "pktcEnNcsEndPntConfigEntry"): "pktcNcsEndPntConfigEntry"}

NOTES = {
    "PKTC-EXCENTIS-MTA-MIB": "The arcs of the security group are those of RFC 4682, whose draft this module follows "
    "(LIKELY); the others are CERTAIN.",
}


class Row:
    def __init__(self, line):
        self.module, self.oid, self.name, self.kind, self.syntax, self.access, self.more = line.split("\t")
        self.arcs = [int(arc) for arc in self.oid.split(".")]
        # An index's last part may be written `IMPLIED name`; `AUGMENTS entry` stands for another row's index.
        self.augments = self.more.startswith("AUGMENTS ")
        self.implied = "IMPLIED " in self.more
        self.names = [name.split(" ")[-1] for name in self.more.split(",") if name]


def read_rows():
    lines = (HERE / "oid-tables.tsv").read_text().splitlines()
    return [Row(line) for line in lines[1:] if line]


class Module:
    def __init__(self, name, rows, every):
        self.name = name
        self.rows = sorted((r for r in rows), key=lambda r: (r.kind != "module", r.arcs))
        self.every = every
        self.own = {r.name for r in rows}
        self.by_oid = {r.oid: r for r in rows}
        self.imports = {}

    def use(self, module, name):
        if module != self.name:
            self.imports.setdefault(module, set()).add(name)
        return name

    def foreign(self, name):
        """Imports an object of another module, the IETF's or CableLabs' common ones first."""
        if name in self.own:
            return name
        preferred = ["IF-MIB", "SNMPv2-MIB", "CL-PKTC-EUE-DEV-MIB", "CL-PKTC-EUE-USER-MIB", "PKTC-ES-TAP-MIB"]
        homes = {r.module for r in self.every if r.name == name}
        home = next((m for m in preferred if m in homes), None) or sorted(homes)[0]
        return self.use(home, name)

    def parent(self, row):
        """The nearest named ancestor and the arcs from it."""
        for cut in range(len(row.arcs) - 1, 0, -1):
            oid = ".".join(map(str, row.arcs[:cut]))
            rest = " ".join(map(str, row.arcs[cut:]))
            if oid in self.by_oid:
                return f"{self.by_oid[oid].name} {rest}"
            if oid == "1":
                # A name that ASN.1 itself gives; no module exports it.
                return f"iso {rest}"
            if oid in SMI_NODES:
                return f"{self.use('SNMPv2-SMI', SMI_NODES[oid])} {rest}"
            named = [r for r in self.every if r.oid == oid and r.module == "CLAB-DEF-MIB" and r.kind != "scalar"]
            if named and self.name != "CLAB-DEF-MIB":
                return f"{self.use('CLAB-DEF-MIB', named[0].name)} {rest}"
        raise SystemExit(f"{row.module}: {row.name} has no ancestor")

    def type_name(self, name):
        if name == "OctetString":
            return "OCTET STRING"
        if name == "ObjectIdentifier":
            return "OBJECT IDENTIFIER"
        if name in SMI_TYPES:
            return self.use("SNMPv2-SMI", name)
        if name in STANDARD_TCS:
            return self.use("SNMPv2-TC", name)
        if name in CONVENTIONS.get(self.name, {}):
            return name
        return self.use(HOMES[name], name)

    def syntax(self, text):
        """The SYNTAX clause, the type for the SEQUENCE, and the DEFVAL clause or None."""
        text, _, default = text.partition(" DEFVAL ")
        name, _, rest = text.partition(" ")
        labels = re.fullmatch(r"\{(.*)\}", rest)
        if labels:
            word = "BITS" if name == "Bits" else "INTEGER"
            clause = f"{word} {{ {labels[1].replace(',', ', ')} }}"
            return clause, word, self.default(default, clause, word)
        base = self.type_name(name)
        parts = [
            low if low == high else f"{low}..{high}"
            for low, high in re.findall(r"\((-?\d+)\.\.(-?\d+)\)", rest)
        ]
        if not parts:
            clause = base
        elif "SIZE" in rest:
            clause = f"{base} (SIZE ({' | '.join(parts)}))"
        else:
            clause = f"{base} ({' | '.join(parts)})"
        definition = CONVENTIONS.get(self.name, {}).get(name) or CONVENTIONS.get(HOMES.get(name), {}).get(name)
        meaning = definition[1] if definition else base
        if name == "TruthValue":
            meaning = "INTEGER { true(1), false(2) }"
        return clause, base, self.default(default, meaning, name)

    @staticmethod
    def default(text, meaning, name):
        if not text:
            return None
        octets = re.fullmatch(r'OctetString\("(.*)"\)', text)
        if octets and name == "InetAddress" and octets[1]:
            return "'%s'H" % "".join(f"{int(part):02X}" for part in octets[1].split("."))
        if octets:
            return f'"{octets[1]}"'
        label = re.search(rf"(\w+)\({re.escape(text)}\)", meaning) if meaning.startswith("INTEGER {") else None
        return label[1] if label else text

    def definition(self, row):
        place = f"::= {{ {self.parent(row)} }}"
        if row.kind == "module":
            self.use("SNMPv2-SMI", "MODULE-IDENTITY")
            note = f"\n         {NOTES[self.name]}" if self.name in NOTES else ""
            return (
                f"{row.name} MODULE-IDENTITY\n"
                f'    LAST-UPDATED "{UPDATED}"\n'
                '    ORGANIZATION "Hardline"\n'
                '    CONTACT-INFO "The maintainers of Hardline"\n'
                f'    DESCRIPTION\n        "The objects of {self.name} that provisioning uses: names, identifiers and\n'
                f'         syntaxes, without the wording of the published module.{note}"\n'
                f'    REVISION "{UPDATED}"\n'
                '    DESCRIPTION "Generated from oid-tables.tsv."\n'
                f"    {place}"
            )
        if row.kind == "node":
            return f"{row.name} OBJECT IDENTIFIER {place}"
        if row.kind == "notification":
            self.use("SNMPv2-SMI", "NOTIFICATION-TYPE")
            objects = ", ".join(self.foreign(name) for name in row.names)
            clause = f"    OBJECTS {{ {objects} }}\n" if objects else ""
            return (
                f"{row.name} NOTIFICATION-TYPE\n{clause}"
                f'    STATUS current\n    DESCRIPTION "{words(row.name)}."\n    {place}'
            )
        self.use("SNMPv2-SMI", "OBJECT-TYPE")
        extra = ""
        if row.kind == "table":
            entry = self.by_oid.get(row.oid + ".1")
            clause, access = f"SEQUENCE OF {upper(entry.name)}", "not-accessible"
        elif row.kind == "row":
            clause, access = upper(row.name), "not-accessible"
            extra = f"    {self.index(row)}\n"
        else:
            clause, _, default = self.syntax(row.syntax)
            access = row.access
            extra = f"    DEFVAL {{ {default} }}\n" if default is not None else ""
        text = (
            f"{row.name} OBJECT-TYPE\n    SYNTAX {clause}\n    MAX-ACCESS {access}\n    STATUS current\n"
            f'    DESCRIPTION "{words(row.name)}."\n{extra}    {place}'
        )
        return f"{text}\n\n{self.sequence(row)}" if row.kind == "row" else text

    def index(self, row):
        key = (self.name, row.name)
        if key in AUGMENTS:
            return f"AUGMENTS {{ {self.foreign(AUGMENTS[key])} }}"
        names = [self.foreign(name) for name in row.names]
        if row.augments:
            return f"AUGMENTS {{ {names[0]} }}"
        if row.implied or key in IMPLIED:
            names[-1] = f"IMPLIED {names[-1]}"
        return f"INDEX {{ {', '.join(names)} }}"

    def sequence(self, row):
        columns = [r for r in self.rows if r.kind == "column" and r.oid.rpartition(".")[0] == row.oid]
        fields = ",\n".join(f"    {c.name} {self.syntax(c.syntax)[1]}" for c in columns)
        return f"{upper(row.name)} ::= SEQUENCE {{\n{fields}\n}}"

    def conventions(self):
        used = CONVENTIONS.get(self.name, {})
        for name, (hint, syntax) in used.items():
            self.use("SNMPv2-TC", "TEXTUAL-CONVENTION")
            base = syntax.split()[0]
            if base in SMI_TYPES:
                self.use("SNMPv2-SMI", base)
            clause = f'    DISPLAY-HINT "{hint}"\n' if hint else ""
            yield (
                f"{name} ::= TEXTUAL-CONVENTION\n{clause}    STATUS current\n"
                f'    DESCRIPTION "{words(name)}."\n    SYNTAX {syntax}'
            )

    def text(self):
        head, *rest = [self.definition(row) for row in self.rows]
        body = "\n\n".join([head, *self.conventions(), *rest])
        imports = "\n".join(
            f"    {', '.join(sorted(names))}\n        FROM {module}" for module, names in sorted(self.imports.items())
        )
        return (
            f"-- Generated by generate.py from oid-tables.tsv; change those.\n\n"
            f"{self.name} DEFINITIONS ::= BEGIN\n\nIMPORTS\n{imports};\n\n{wrap(body)}\n\nEND\n"
        )


def upper(name):
    return name[0].upper() + name[1:]


PREFIXES = ["pktcEUERST", "pktcEUEDev", "pktcEUEUsr", "pktcEUETC", "pktcEUE", "pktcMtaDev", "pktcSigDev", "pktcDevEv"]
PREFIXES += ["pktcEDVA", "pktcESc", "pktcES", "pktcEn", "pktcSig", "pktcNcs", "pktcMta", "pktc", "clab", "docsDev"]
PREFIXES += ["usm", "vacm", "snmp", "sys", "if"]


def words(name):
    """A short description: the name, taken apart."""
    lower = name[0].lower() + name[1:]
    for prefix in PREFIXES:
        if lower.startswith(prefix) and len(name) > len(prefix):
            lower = lower[len(prefix) :]
            break
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", lower[0].upper() + lower[1:])
    text = " ".join(p if p.isupper() and len(p) > 1 else p.lower() for p in parts)
    return upper(text)


def wrap(text):
    """Breaks the long lines of enumerations."""
    out = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        while len(line) > 110 and ", " in line[indent + 1 : 110]:
            cut = line.rindex(", ", 0, 110)
            out.append(line[: cut + 1])
            line = " " * (indent + 4) + line[cut + 2 :]
        out.append(line)
    return "\n".join(out)


def main():
    rows = read_rows()
    names = list(dict.fromkeys(row.module for row in rows))
    stale = []
    for name in names:
        text = Module(name, [r for r in rows if r.module == name], rows).text()
        path = HERE / f"{name}.mib"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        sys.exit("not what oid-tables.tsv gives: " + ", ".join(stale))


if __name__ == "__main__":
    main()
