#!/usr/bin/env bash
# JSON-RPC over the chain of execution-apis, Frontier to Osaka: every conversation but one, and the
# same chain imported and served by `cairn ledger import`.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/conformance.sh
vectors rpc-compat
cairn=${CAIRN:-build/release/bin/cairn}
# A transaction with its blobs: the pool takes none (docs/protocols/rpc.md).
exception=eth_sendRawTransaction/send-blob-tx.io

report=$(timeout 600 "$conformance" rpc "$archive" --json || true)
passed=$(jq .passed <<<"$report")
others=$(jq -r --arg no "$exception" '[.groups[] | select(.example != $no or .count != 1)] | length' \
    <<<"$report")
if [ "$passed" != 231 ] || [ "$others" != 0 ]; then
    timeout 600 "$conformance" rpc "$archive" || true
    echo "rpc: not as expected: all of 232 but $exception"
    exit 1
fi
echo "rpc: $passed passed; $exception is refused on purpose"

folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" || true; fi; rm -rf "$folder"' EXIT
zstd -qdc "$archive" | tar -x -C "$folder"
tests=$folder/rpc-compat/tests
import() { timeout 120 "$cairn" ledger import --genesis "$tests/genesis.json" "$@"; }

head -c -1 "$tests/chain.rlp" >"$folder/cut.rlp"
if import "$folder/cut.rlp" --dir "$folder/chain" 2>"$folder/errors"; then
    echo "a file that ends inside a block was imported"
    exit 1
fi
grep -q "block 54 of" "$folder/errors"
got=$(import "$tests/chain.rlp" --dir "$folder/chain" --json)
test "$(jq -r '"\(.imported) \(.height) \(.hash)"' <<<"$got")" = \
    "1 54 d226371d0b1551adb03fb52b71f08e3e11247fe9b1af994768af8cdaa8e7dcd7"
echo "import: all but a block that is cut off, then the rest"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$cairn" ledger import --genesis "$tests/genesis.json" --dir "$folder/chain" \
    --listen "127.0.0.1:$port" >/dev/null 2>&1 &
server=$!
request='{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
answer=
for _ in $(seq 100); do
    answer=$(curl -s -m 5 -H 'content-type: application/json' -d "$request" \
        "http://127.0.0.1:$port/" || true)
    if [ -n "$answer" ]; then
        break
    fi
    sleep 0.1
done
test "$(jq -r .result <<<"$answer")" = 0x36
echo "served over HTTP"
