#!/usr/bin/env bash
# Runs every test of Hardline. What the tests judge us by (tshark, net-snmp, stock TFTP, HTTP and TLS clients, MIT krb5, ISC Kea,
# PostgreSQL, MariaDB) is installed by apt first, where it is missing.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
    bind9-dnsutils bind9-host tshark snmp snmpd curl sqlite3 openssl perl make gcc g++ libc6-dev
    tftp-hpa atftp tftpd-hpa dnsmasq-base busybox
    krb5-user krb5-kdc krb5-admin-server krb5-pkinit libkrb5-dev faketime
    libwrap0 libpcre2-8-0 libcap-ng0 libdb5.3 libedit2 libldap-2.5-0 libsqlite3-0
    libxml2-utils python3-venv testssl.sh
    kea-dhcp4-server kea-dhcp6-server kea-ctrl-agent kea-admin postgresql mariadb-server iproute2 isc-dhcp-client
)
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    echo "installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# Heimdal's packages conflict with MIT's: they are unpacked where the tests run them from.
heimdal=target/judges/heimdal
if [ ! -d "$heimdal/usr" ]; then
    packages=(heimdal-kdc heimdal-clients heimdal-multidev libasn1-8-heimdal libgssapi3-heimdal libhcrypto5-heimdal
        libhdb9-heimdal libheimbase1-heimdal libheimntlm0-heimdal libhx509-5-heimdal libkadm5clnt7-heimdal
        libkadm5srv8-heimdal libkafs0-heimdal libkdc2-heimdal libkrb5-26-heimdal libotp0-heimdal libroken19-heimdal
        libsl0-heimdal libwind0-heimdal)
    rm -rf "$heimdal.new" && mkdir -p "$heimdal.new/packages"
    (cd "$heimdal.new/packages" && apt-get download -qq "${packages[@]}")
    for package in "$heimdal.new"/packages/*.deb; do
        dpkg -x "$package" "$heimdal.new"
    done
    rm -rf "$heimdal.new/packages" && mv "$heimdal.new" "$heimdal"
fi

# The packages of atftpd and tftpd-hpa exclude each other: one of them is only unpacked.
if [ ! -x target/peers/usr/sbin/atftpd ]; then
    mkdir -p target/peers
    (cd target/peers && apt-get download -qq atftpd && dpkg -x atftpd_*.deb .)
fi

# tlslite-ng: a TLS that still has 3DES, and that lets a test send what no client sends.
venv="${CARGO_TARGET_DIR:-target}/test-venv"
[ "$venv" = target/test-venv ] || { mkdir -p target; ln -sfn "$venv" target/test-venv; }
if ! "$venv/bin/python" -c 'import tlslite' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'tlslite-ng==0.8.2'
fi

# One test at a time: floods and loads of some would decide the timing of others.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-1}"

# The same cases each time: what a property test finds, it finds again.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-2026}"

cargo test --workspace --locked "$@"

# The fuzzers, briefly: not where only some of the tests were asked for.
[ $# -gt 0 ] || fuzz/run.sh
