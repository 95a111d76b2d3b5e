# eth.sh: an Ethereum client's view of a devnet. Sourced, not run, from the top of the checkout.
#
#   eth_use FIRST       # npm packages, a devnet, and three of its accounts from FIRST on
#
# Afterwards: NODE, NODE_PATH, CAIRN_RPC, CAIRN_CHAIN_ID, CAIRN_KEYS (three private keys with commas
# between), and what devnet.sh sets. Each test takes accounts of its own, so that several may use one
# devnet.

. tools/lib.sh
. tests/support/npm.sh
. tests/support/devnet.sh

eth_use() {
    npm_use tests/clients/npm
    devnet_use
    NODE_PATH=$NODE_MODULES
    CAIRN_RPC=$(jq -er .rpc "$CAIRN_DEVNET") || exit 1
    CAIRN_CHAIN_ID=$(jq -er .chain_id "$CAIRN_DEVNET") || exit 1
    CAIRN_KEYS=$(jq -er --argjson first "$1" \
        '.accounts[$first:$first + 3] | map(.private_key) | join(",")' "$CAIRN_DEVNET") || exit 1
    export NODE NODE_PATH CAIRN_RPC CAIRN_CHAIN_ID CAIRN_KEYS
}
