#!/usr/bin/env bash
# Stock ethers and viem over WebSocket, against a ledger node of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/lib.sh
. tests/support/npm.sh

npm_use tests/clients/npm
export NODE_PATH=$NODE_MODULES
for script in ethers_ws viem_ws; do
    timeout 120 python3 tests/support/ledger_node.py "$NODE" "tests/clients/npm/$script.js"
done
