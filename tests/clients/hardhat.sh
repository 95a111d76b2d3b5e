#!/usr/bin/env bash
# An ordinary Hardhat 2 project on a devnet: compile, deploy, read, write, events, reverts.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/eth.sh
. tests/support/client.sh
eth_use 7
cp -r tests/clients/hardhat "$WORK/project"
ln -s "$NODE_MODULES" "$WORK/project/node_modules"
echo '{"private": true}' >"$WORK/project/package.json"
cd "$WORK/project" || exit 1
export HARDHAT_DISABLE_TELEMETRY_PROMPT=true CI=true

hardhat() { timeout 300 "$NODE" node_modules/hardhat/internal/cli/bootstrap.js "$@"; }
deploys() { hardhat run scripts/deploy.js --network cairn | grep -q '^Guestbook at 0x'; }
tests_pass() {
    hardhat test --network cairn | tee "$WORK/out"
    [ "${PIPESTATUS[0]}" -eq 0 ] && grep -q '6 passing' "$WORK/out"
}

step "compile" hardhat compile
step "run a deployment script" deploys
step "test: deploy, read, write, events, reverts" tests_pass
step "an unknown network is refused" refused hardhat test --network elsewhere
finish
