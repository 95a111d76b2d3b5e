#!/usr/bin/env bash
# The conformance runner fails what is wrong, refuses what it cannot read, and computes the same from
# files, folders and archives.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/conformance.sh
vectors ethereum-basic
basic=$archive
vectors eest-state-tests
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
zstd -qdc "$archive" | tar -x -C "$folder" --wildcards '*/eip1344_chainid/*' \
    '*/eip7702_set_code_tx/test_self_sponsored_set_code.json' \
    '*/eip4844_blobs/test_blob_gas_subtraction_tx.json'
zstd -qdc "$basic" | tar -x -C "$folder" --wildcards '*/ttEIP2930/*'
timeout 600 python3 tests/conformance/runner.py "$conformance" "$folder"
