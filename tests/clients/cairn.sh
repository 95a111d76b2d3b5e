#!/usr/bin/env bash
# cairn: the project's own command line: verbs, JSON, exit statuses.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use
export CAIRN_DEVNET
CAIRN=$(realpath "$CAIRN")
cairn() { "$CAIRN" "$@"; }
bucket=cairn-$$-$RANDOM

# exits STATUS COMMAND…: the command ends with that status.
exits() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit status $status, not $wanted"; return 1; }
}
# fails_as CODE STATUS ARGUMENT…: with --json the failure is an object of that form on stderr.
fails_as() {
    local code=$1 wanted=$2 status=0
    shift 2
    "$CAIRN" "$@" --json >"$WORK/out" 2>"$WORK/err" || status=$?
    cat "$WORK/err"
    [ "$status" -eq "$wanted" ] && [ ! -s "$WORK/out" ] &&
        grep '^{' "$WORK/err" | jq -e --arg code "$code" \
            '.error.code == $code and (.error.message | length > 0) and (.error | has("hint"))'
}
# answers FILTER ARGUMENT…: with --json each line is an object, and the filter holds for the first.
answers() {
    local filter=$1
    shift
    "$CAIRN" "$@" --json >"$WORK/out" || return 1
    cat "$WORK/out"
    jq -es "all(type == \"object\") and length > 0 and (.[0] | $filter)" "$WORK/out"
}
every_verb_helps() {
    local verb
    cairn --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' >"$WORK/verbs"
    [ "$(wc -l <"$WORK/verbs")" -ge 15 ] || return 1
    while read -r verb; do
        cairn "$verb" --help | grep -q '^examples:' || { echo "no examples: $verb"; return 1; }
        cairn help --man "$verb" | grep -q '^\.TH' || { echo "no page: $verb"; return 1; }
    done <"$WORK/verbs"
}

# ---- usage ----
step "help" every_verb_helps
step "--version" sh -c "'$CAIRN' --version | grep -q '^cairn [0-9]'"
step "no verb is wrong usage" exits 2 cairn
step "an unknown verb" fails_as USAGE 2 frobnicate
step "an unknown flag" fails_as USAGE 2 ls --frobnicate
step "an unknown part" fails_as USAGE 2 key frobnicate
step "a missing argument" fails_as USAGE 2 stat
step "a bad value" fails_as USAGE 2 plan --nodes many
step "a config file that is none" fails_as USAGE 2 node --config /etc/hostname
step "no network" exits 5 cairn ls --endpoint http://127.0.0.1:1

# ---- objects ----
make_file "$WORK/file" 5000001
make_file "$WORK/tiny" 77
: >"$WORK/empty"
step "put" answers '.size == 5000001' put "$WORK/file" "$bucket/dir/file" --create
step "put of several" cairn put "$WORK/tiny" "$WORK/empty" "$bucket/some/"
step "put into no bucket" fails_as NOT_FOUND 3 put "$WORK/tiny" "none-$bucket/x"
step "put of no file" fails_as NOT_FOUND 3 put "$WORK/none" "$bucket/x"
step "get" cairn get "$bucket/dir/file" "$WORK/file.back"
step "it is the same" same "$WORK/file" "$WORK/file.back"
step "get to standard output" sh -c "'$CAIRN' get $bucket/some/tiny - | cmp - '$WORK/tiny'"
step "get of an empty one" cairn get "$bucket/some/empty" "$WORK/empty.back"
step "it is empty" same "$WORK/empty" "$WORK/empty.back"
step "get of none" fails_as NOT_FOUND 3 get "$bucket/none" "$WORK/none"
step "it leaves no file" refused test -e "$WORK/none"
step "get with a wrong key" exits 4 env AWS_SECRET_ACCESS_KEY=wrong "$CAIRN" get "$bucket/dir/file" "$WORK/none"
step "stat --wait" answers '.durability == "complete" and .missing_holders == 0' stat --wait "$bucket/dir/file"
step "stat names nodes" answers '(.nodes | length) >= 6 and (.segments | length) > 0' stat "$bucket/dir/file"
step "stat of none" fails_as NOT_FOUND 3 stat "$bucket/none"
step "get without a gateway" cairn get --direct "$bucket/dir/file" "$WORK/file.direct"
step "it is the same, too" same "$WORK/file" "$WORK/file.direct"
step "direct, of none" fails_as NOT_FOUND 3 get --direct "$bucket/none" "$WORK/none"
step "ls of buckets" sh -c "'$CAIRN' ls | grep -q $bucket"
step "ls of a level" answers '.prefix == "dir/"' ls "$bucket"
step "ls of all" answers '.key == "dir/file" and .size == 5000001' ls "$bucket" --recursive
step "rm" cairn rm "$bucket/dir/file"
step "rm of none" fails_as NOT_FOUND 3 rm "$bucket/dir/file"
step "removed is gone, directly, too" sh -c "
    for i in \$(seq 20); do '$CAIRN' get --direct $bucket/dir/file - >/dev/null 2>&1; [ \$? -eq 3 ] && exit 0; sleep 1; done; exit 1"
step "rm of a bucket that is not empty" exits 4 cairn rm "$bucket" --bucket
step "rm of all" cairn rm "$bucket/" --recursive
step "rm of the bucket" cairn rm "$bucket" --bucket

# ---- the ledger ----
to=0x00000000000000000000000000000000000000aa
step "tx balance" answers '.balance_wei | length > 18' tx balance
step "tx send" answers '.success' tx send --to $to --value 0.25
step "it came" answers '.balance_wei == "250000000000000000"' tx balance $to
step "tx send of too much" fails_as REFUSED 4 tx send --to $to --value 99999999999
step "tx call of a view" answers '.number >= 6' tx call provider count
step "tx call that changes" answers '.success and .logs[0].event == "DefaultChanged"' tx call territory setDefault 1
step "tx call that reverts" fails_as REFUSED 4 tx call territory freeze 999
step "tx call with a bad argument" fails_as USAGE 2 tx call provider get x
step "tx receipt of none" fails_as NOT_FOUND 3 tx receipt "0x$(printf '0%.0s' $(seq 64))"
step "provider list" answers '.provider == 1 and .state == "active"' provider list
step "provider show of none" fails_as NOT_FOUND 3 provider show 9999
step "segment list" answers '.state == "complete" and .n == .present' segment list
step "segment show of none" fails_as NOT_FOUND 3 segment show 9.9.9
step "territory list" answers '.territory == 1 and .state == "active"' territory list
step "territory lease" answers '.size == 1073741824' territory lease --size 1GiB --for 2d
step "gateway list" answers '.gateway == 1 and .active' gateway list
step "store status" answers '.ready' store status --config "$(jq -r '.stores[0].config' "$CAIRN_DEVNET")"
step "plan" answers '.annual_loss < .annual_loss_unrepaired' plan --class rs-4-8 --nodes 12

# ---- keys and users ----
export CAIRN_KEYS=$WORK/keys
echo "a passphrase" >"$WORK/pass"
echo "another one" >"$WORK/wrong"
step "key make" answers '.address | startswith("0x")' key make alice
step "key make again" fails_as EXISTS 4 key make alice
step "key make --master" answers '.words | split(" ") | length == 24' key make alice --master
jq -r .words "$WORK/out" >"$WORK/words"
step "key export" cairn key export alice --to "$WORK/alice.json" --passphrase-file "$WORK/pass"
step "key import" cairn key import bob "$WORK/alice.json" --passphrase-file "$WORK/pass"
step "it is the same key" same "$WORK/keys/alice.key" "$WORK/keys/bob.key"
step "key import, wrong passphrase" fails_as INTEGRITY 6 key import eve "$WORK/alice.json" --passphrase-file "$WORK/wrong"
step "key import from words" cairn key import carol --words-file "$WORK/words"
step "it is the same master key" same "$WORK/keys/alice.master" "$WORK/keys/carol.master"
step "key list" answers '.name == "alice"' key list
step "gateway user add" answers '.id == "dave"' gateway user add --data "$(jq -r '.gateways[0].data' "$CAIRN_DEVNET")" \
    --id dave --access-key "DAVE$$" --secret-key "dave-secret-$$"
step "the user is let in" env "AWS_ACCESS_KEY_ID=DAVE$$" "AWS_SECRET_ACCESS_KEY=dave-secret-$$" "$CAIRN" ls
finish
