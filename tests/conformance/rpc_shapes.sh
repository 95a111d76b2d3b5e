#!/usr/bin/env bash
# The answers of a ledger node have the members, and its refusals the codes, of execution-apis.
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=${CAIRN_VECTORS:-../shared/vectors}/rpc-compat.tar.zst
if [ ! -r "$archive" ]; then
    echo "SKIPPED: no test vectors at $archive (set CAIRN_VECTORS)"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
zstd -qdc "$archive" | tar -x -C "$folder"
timeout 300 python3 tests/conformance/rpc_shapes.py "$folder"
