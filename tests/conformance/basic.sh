#!/usr/bin/env bash
# RLP, tries and transactions of ethereum/tests: all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/conformance.sh
vectors ethereum-basic
passes rlp 55
passes trie 26
passes tx 2665
