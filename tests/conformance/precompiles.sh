#!/usr/bin/env bash
# Every precompiled contract on go-ethereum's vectors: outputs, prices, refusals.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/conformance.sh
vectors evm-precompiles
passes precompile 1883
