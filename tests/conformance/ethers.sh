#!/usr/bin/env bash
# A ledger node as ethers sees it: starts a node of its own, runs tests/rpc/ethers.js beside it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/lib.sh
. tests/support/npm.sh
npm_use tests/clients/npm

export NODE_PATH=$NODE_MODULES
export CAIRN_ABI=$PWD/contracts/abi
exec timeout 300 python3 tests/support/ledger_node.py "$NODE" tests/rpc/ethers.js
