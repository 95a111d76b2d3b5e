#!/usr/bin/env bash
# The state tests of execution-spec-tests, Frontier to Osaka: all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/conformance.sh
vectors eest-state-tests
passes state 32939
