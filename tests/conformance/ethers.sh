#!/usr/bin/env bash
# A ledger node as ethers sees it: starts a node of its own, runs tests/rpc/ethers.js beside it.
# ethers comes from the package registry by lock file; Node 18 or later from Debian if there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/lib.sh

have_node() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null
}

have_node || install_packages javascript
have_node || die "Node 18 or later with npm is needed"

# The packages live in the build folder; they are installed again when the lock file changes.
home=${CAIRN_TEST_NPM:-build/npm/rpc}
mkdir -p "$home"
if ! cmp -s tests/rpc/package-lock.json "$home/installed.json"; then
    cp tests/rpc/package.json tests/rpc/package-lock.json "$home/"
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        die "npm ci failed: is the package registry reachable?"
    cp tests/rpc/package-lock.json "$home/installed.json"
fi

export NODE_PATH=$PWD/$home/node_modules
export CAIRN_ABI=$PWD/contracts/abi
exec timeout 300 python3 tests/support/ledger_node.py node tests/rpc/ethers.js
