#!/usr/bin/env bash
# Stock viem deploys and uses OpenZeppelin's ERC-20, ERC-721, Governor with timelock, and the
# paywalled archive of contracts/examples, on a devnet.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/eth.sh
eth_use 4
timeout 300 "$NODE" tests/clients/npm/viem_contracts.js
