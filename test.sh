#!/usr/bin/env bash
# Runs every test of Hardline. What the tests judge us by (tshark, net-snmp, stock TFTP and HTTP clients, MIT krb5) is
# installed by apt first, where it is missing.
set -euo pipefail
cd "$(dirname "$0")"

packages=(bind9-dnsutils bind9-host tshark snmp snmpd tftp-hpa atftp curl sqlite3 krb5-user openssl perl make gcc libc6-dev)
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

# The same cases each time: what a property test finds, it finds again.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-2026}"

exec cargo test --workspace --locked "$@"
