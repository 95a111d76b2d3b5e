#!/usr/bin/env bash
# Contracts from the command line: cairn deploy, cairn call, cairn tx call.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use
export CAIRN_DEVNET
CAIRN=$(realpath "$CAIRN")
BUILD=contracts/build
GUEST=0x00000000000000000000000000000000000000aa
LABEL=0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798

# answers FILTER ARGUMENT…: with --json one object, and the filter holds for it.
answers() {
    local filter=$1
    shift
    "$CAIRN" "$@" --json >"$WORK/out" || return 1
    cat "$WORK/out"
    jq -e "$filter" "$WORK/out"
}
# fails_with STATUS TEXT ARGUMENT…: that exit status, and the message contains the text.
fails_with() {
    local wanted=$1 text=$2 status=0
    shift 2
    "$CAIRN" "$@" --json >"$WORK/out" 2>"$WORK/err" || status=$?
    cat "$WORK/err"
    [ "$status" -eq "$wanted" ] && [ ! -s "$WORK/out" ] &&
        grep '^{' "$WORK/err" | jq -e --arg text "$text" '.error.message | contains($text)'
}
# deploys FILE ARGUMENT…: the address goes to $WORK/at.
deploys() {
    "$CAIRN" deploy "$@" --json >"$WORK/out" || return 1
    cat "$WORK/out"
    jq -er 'select(.success) | .contract' "$WORK/out" >"$WORK/at"
}
at() { cat "$WORK/at"; }
owner=$(jq -r .owner.address "$CAIRN_DEVNET")
rpc=$(jq -r .rpc "$CAIRN_DEVNET")

# ---- a token ----
step "deploy with arguments" deploys $BUILD/TestToken.json "A token" TOK 1000
token=$(at)
height=$(jq .height "$WORK/out")
step "call by signature" answers '.["0"] == "A token"' \
    call "$token" 'name() returns (string)'
step "call by ABI" answers '.["0"] == 1000' \
    call "$token" balanceOf "$owner" --abi $BUILD/TestToken.json
step "call needs no genesis" answers '.["0"] == 18' \
    call "$token" 'decimals() returns (uint8)' --rpc "$rpc" --devnet "$CAIRN_DEVNET"
step "call without returns shows bytes" answers '.data | length == 66' call "$token" 'totalSupply()'
step "call of a former block" fails_with 1 "returned nothing" \
    call "$token" 'totalSupply() returns (uint256)' --block "$((height - 1))"
step "tx call by signature" answers '.success and (.logs | length) == 1' \
    tx call "$token" 'transfer(address to, uint256 amount)' $GUEST 40
step "tx call by ABI names events" \
    answers '.success and .logs[0].event == "Transfer" and .logs[0].values.value == 2' \
    tx call "$token" transfer $GUEST 2 --abi $BUILD/TestToken.json
step "it moved" answers '.["0"] == 42' \
    call "$token" 'balanceOf(address) returns (uint256)' $GUEST
step "tx call of a view asks at once" answers '.["0"] == 1000' \
    tx call "$token" totalSupply --abi $BUILD/TestToken.json
step "a custom error by its name" fails_with 4 'ERC20InsufficientBalance' \
    tx call "$token" transfer $GUEST 1001 --abi $BUILD/TestToken.json
step "and as bytes without the ABI" fails_with 4 'reverted: 0xe450d38c' \
    tx call "$token" 'transfer(address,uint256)' $GUEST 1001
step "call from somebody" answers '.["0"] == true' \
    call "$token" 'transfer(address,uint256) returns (bool)' "$owner" 7 --from $GUEST
step "it changed nothing" answers '.["0"] == 42' \
    call "$token" 'balanceOf(address) returns (uint256)' $GUEST

# ---- the paywalled archive ----
step "deploy with value" deploys $BUILD/PaywalledArchive.json \
    1048576 2592000 100000000000000000 86400 0x $LABEL --value 20
archive=$(at)
territory=$("$CAIRN" call "$archive" 'territory() returns (uint64)' --json | jq -r '.["0"]')
step "it leased a territory" answers ".owner == (\"$archive\" | ascii_downcase) and .size == 1048576" \
    call territory get "$territory"
step "subscribe for a price" answers '.success and .logs[0].event == "Subscribed"' \
    tx call "$archive" subscribe 2 $LABEL --value 0.2 --abi $BUILD/PaywalledArchive.json
step "access is given" answers '.["0"] == true' \
    call "$archive" hasAccess "$owner" --abi $BUILD/PaywalledArchive.json
step "a wrong price is refused with its values" fails_with 4 'WrongPayment {"sent":' \
    tx call "$archive" subscribe 2 $LABEL --value 0.1 --abi $BUILD/PaywalledArchive.json
step "a module's reason comes through" fails_with 4 'lease too short' \
    call "$archive" extend 0 --abi $BUILD/PaywalledArchive.json

# ---- bytecode alone ----
jq -r .bytecode $BUILD/TestCollectible.json >"$WORK/collectible.hex"
step "deploy of hexadecimal bytecode" deploys "$WORK/collectible.hex"
step "it is there" answers '.["0"] == "CTC"' call "$(at)" 'symbol() returns (string)'
jq -r .bytecode $BUILD/TestToken.json >"$WORK/token.hex"
step "its constructor by --constructor" deploys "$WORK/token.hex" Plain P 5 \
    --constructor '(string,string,uint256)'
step "it got its arguments" answers '.["0"] == 5' \
    call "$(at)" 'totalSupply() returns (uint256)'

# ---- refused ----
step "deploy of nothing" fails_with 3 "" deploy "$WORK/none.json"
step "deploy of an interface" fails_with 2 "no bytecode" deploy contracts/abi/IBucket.json
step "deploy with too few arguments" fails_with 2 "takes 3 arguments, not 1" \
    deploy $BUILD/TestToken.json x
step "deploy with a wrong argument" fails_with 2 "no value for argument 3" \
    deploy $BUILD/TestToken.json x y z
step "a constructor that reverts" fails_with 4 "WrongPayment" deploy $BUILD/PaywalledArchive.json \
    1048576 2592000 1 86400 0x $LABEL --value 1wei
printf "0xfe" >"$WORK/invalid.hex"
step "code that is invalid" fails_with 4 "" deploy "$WORK/invalid.hex"
step "a function that is none" fails_with 2 "no function 'frobnicate'" call "$token" frobnicate
step "an address that is none" fails_with 2 "no module and no address" call 0x12 'f()'
step "an empty account returns nothing" fails_with 1 "returned nothing" \
    call $GUEST 'name() returns (string)'
step "answers of another type" fails_with 1 "other types" call "$token" 'name() returns (uint256)'
finish
