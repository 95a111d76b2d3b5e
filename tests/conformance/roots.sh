#!/usr/bin/env bash
# The same state roots from gcc and clang, without optimisation and with it, and with sanitizers:
# the hash over the roots of every state test. Sanitizers run a part, or all with CAIRN_TEST_LONG=1.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/lib.sh
. tests/support/conformance.sh
vectors eest-state-tests
part=static/state_tests/stRandom
build=${CAIRN_TEST_BUILDS:-build} # where the presets' builds are

program() { echo "$build/$1/bin/cairn-conformance"; }

# compare PRESET EXPECTED [OPTION…]
compare() {
    local preset=$1 expected=$2 got
    shift 2
    if [ -z "${CAIRN_TEST_BUILDS:-}" ]; then
        (build_preset "$preset" cairn-conformance)
    fi
    got=$(roots "$(program "$preset")" state "$@")
    echo "$preset${*:+ ($*)}: $got"
    if [ "$got" != "$expected" ]; then
        echo "$preset computes other roots than release: $expected"
        exit 1
    fi
}

all=$(roots "$(program release)" state)
some=$(roots "$(program release)" state --filter "$part")
echo "release: $all; $part: $some"
case $some in
*" 0") echo "no test matches $part" && exit 1 ;;
esac
compare clang "$all"
compare plain "$all"
if [ "${CAIRN_TEST_LONG:-0}" = 1 ]; then
    compare asan "$all"
else
    compare asan "$some" --filter "$part"
fi
