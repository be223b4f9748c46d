#!/usr/bin/env bash
# Builds the fuzzers and runs each target on its corpus: fuzz/run.sh [SECONDS [TARGET…]]. Without arguments, as in CI, each
# target runs a bounded number of inputs from a fixed seed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-}"
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^    ("\([a-z_]*\)", .*/\1/p' fuzz/targets/mod.rs)
fi
# The fuzzers use the product's own versions of everything.
cp Cargo.lock fuzz/Cargo.lock
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
RUSTC_WRAPPER="$PWD/fuzz/rustc.sh" cargo build --manifest-path fuzz/Cargo.toml
mkdir -p fuzz/artifacts
for target in "${targets[@]}"; do
    corpus="fuzz/corpus/$target"
    [ -d "$corpus" ] || { echo "fuzz: $target has no corpus in $corpus"; exit 1; }
    # What is found goes to a folder that is not kept, unless somebody fuzzes for longer.
    found="$(mktemp -d)"
    bound=(-runs=3000 -max_total_time=20 -seed=2026)
    [ -z "$seconds" ] || { bound=(-max_total_time="$seconds"); found="$corpus"; }
    echo "fuzz: $target"
    HARDLINE_FUZZ_TARGET="$target" "$CARGO_TARGET_DIR/debug/fuzz" "${bound[@]}" -max_len=8192 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target-" "$found" "$corpus" \
        >"fuzz/artifacts/$target.log" 2>&1 || { tail -40 "fuzz/artifacts/$target.log"; exit 1; }
    grep -E "stat::number_of_executed_units|DONE" "fuzz/artifacts/$target.log" | tail -2
    [ "$found" = "$corpus" ] || rm -rf "$found"
done
