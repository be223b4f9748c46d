#!/bin/sh
# Called by cargo in rustc's place (RUSTC_WRAPPER): our own code, and nothing else, is built to tell libFuzzer which
# edges ran and what was compared. These are flags of the stable compiler.
rustc=$1
shift
case " $* " in
*" --crate-name hardline --edition"*" --crate-type lib "* | *" --crate-name fuzz "*)
    exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*)
    exec "$rustc" "$@"
    ;;
esac
