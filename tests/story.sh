#!/usr/bin/env bash
# story.sh: what Cairn does, told on real files with stock clients; ./run starts it.
#
#   tests/story.sh --data DIR --nodes N --ports BASE [--check]
#
# Starts a devnet, stores a large file and many small ones by aws-cli, kills m of its n holders, reads
# back, brings empty disks and waits until the network has healed. Each claim is verified; with
# --check it stops at the end and the exit status is 0 only if all of them held. Without it the
# network keeps running until Ctrl-C.
set -uo pipefail
cd "$(dirname "$0")/.."

CAIRN=${CAIRN:-build/release/bin/cairn}
data=devnet
nodes=12
ports=9000
check=false
while [ $# -gt 0 ]; do
    case $1 in
    --check) check=true ;;
    --data) data=$2; shift ;;
    --nodes) nodes=$2; shift ;;
    --ports) ports=$2; shift ;;
    *) echo "story.sh: unknown argument $1" >&2; exit 2 ;;
    esac
    shift
done

step=0
failed=0
devnet_pid=""
work=$(mktemp -d "${TMPDIR:-/tmp}/cairn-story-XXXXXX") || exit 1

# ---- telling ----

tell() {
    step=$((step + 1))
    printf '%2d. %s\n' "$step" "$*"
}
note() { printf '      %s\n' "$*"; }

# claim TEXT COMMAND…: verified; a claim that does not hold is told and counted.
claim() {
    local text=$1
    shift
    if "$@" >"$work/claim.log" 2>&1; then
        printf '    ✓ %s\n' "$text"
    else
        printf '    ✗ %s\n' "$text"
        tail -n 12 "$work/claim.log" | sed 's/^/        /'
        failed=$((failed + 1))
    fi
}

now_ms() { date +%s%3N; }
seconds_since() { awk -v a="$1" -v b="$(now_ms)" 'BEGIN { printf "%.1f", (b - a) / 1000 }'; }

# ---- ending ----

stop_devnet() {
    if [ -n "$devnet_pid" ] && kill -0 "$devnet_pid" 2>/dev/null; then
        kill -TERM "$devnet_pid"
        wait "$devnet_pid" 2>/dev/null
    fi
    devnet_pid=""
}

finish() {
    stop_devnet
    rm -rf "$work"
}
trap finish EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM

give_up() {
    echo "error: $*" >&2
    echo "       the logs are in $data/*/log" >&2
    exit 1
}

# ---- the network ----

value() { "$CAIRN" devnet show --data "$data" "$1"; }

start_devnet() {
    "$CAIRN" devnet --data "$data" --nodes "$nodes" --ports "$ports" >"$work/devnet.out" 2>&1 &
    devnet_pid=$!
    local i
    for i in $(seq 1800); do
        # Only what this devnet has written: an old file is removed before anything else.
        if [ -f "$data/devnet.json" ] && grep -q '^Cairn runs' "$work/devnet.out"; then
            return 0
        fi
        kill -0 "$devnet_pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$work/devnet.out" >&2
    return 1
}

s3() { aws --endpoint-url "$s3_url" s3 "$@"; }

use_keys() {
    s3_url=$(value s3.http)
    AWS_ACCESS_KEY_ID=$(value s3.access_key)
    AWS_SECRET_ACCESS_KEY=$(value s3.secret_key)
    AWS_DEFAULT_REGION=$(value s3.region)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION
    # Nobody's own settings.
    export AWS_CONFIG_FILE=$work/aws AWS_SHARED_CREDENTIALS_FILE=$work/aws
    export AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=2
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE AWS_ENDPOINT_URL
    export CAIRN_DEVNET=$data/devnet.json
}

# ---- what is claimed ----

same_file() { cmp "$1" "$2"; }
read_big() { rm -f "$work/big.back" && s3 cp --only-show-errors "s3://story/big" "$work/big.back" && same_file "$big" "$work/big.back"; }
read_small() {
    rm -rf "$work/small.back"
    s3 cp --only-show-errors --recursive "s3://story/small/" "$work/small.back" && diff -r "$work/small" "$work/small.back"
}
read_direct() {
    rm -f "$work/big.direct"
    "$CAIRN" get --direct story/big "$work/big.direct" && same_file "$big" "$work/big.direct"
}
read_small_direct() {
    "$CAIRN" get --direct "story/small/$1" - >"$work/small.direct" &&
        same_file "$work/small/$1" "$work/small.direct"
}
complete_by_stat() { "$CAIRN" stat --wait --timeout "$1" story/big; }
# No segment of the whole network lacks a holder.
all_complete() { [ -z "$("$CAIRN" segment list --limit 100000 --incomplete --json)" ]; }
spread() {
    local used
    used=$("$CAIRN" stat story/big | sed -n 's/.*fragments on \([0-9]*\) nodes.*/\1/p')
    echo "on $used nodes"
    [ "${used:-0}" -ge "$holders" ]
}
dies_clearly() {
    local begin
    begin=$(now_ms)
    rm -f "$work/none"
    if "$CAIRN" get story/big "$work/none" 2>"$work/none.err"; then
        echo "it was read, with fewer holders than k"
        return 1
    fi
    cat "$work/none.err"
    [ ! -e "$work/none" ] && [ $(($(now_ms) - begin)) -lt 15000 ] && grep -q . "$work/none.err"
}
kill_store() {
    local pid
    pid=$(value "stores.$1.pid") || return 1
    [ "$pid" -gt 1 ] && kill -KILL "$pid"
}
dead() { [ "$(value "stores.$1.pid")" = 0 ]; }
await_dead() {
    local i
    for i in $(seq 100); do
        dead "$1" && return 0
        sleep 0.05
    done
    return 1
}
await_alive() {
    local i
    for i in $(seq 600); do
        dead "$1" || { curl -fsS -o /dev/null "$(value "stores.$1.metrics")/health" && return 0; }
        sleep 0.1
    done 2>/dev/null
    return 1
}

# ---- the files ----

choose_files() {
    big=$(gcc -print-prog-name=cc1 2>/dev/null)
    if [ ! -f "$big" ] || [ "$(stat -L -c %s "$big")" -lt 30000000 ]; then
        big=$(find /usr/lib /usr/bin -xdev -type f -size +30M -size -400M 2>/dev/null | sort | head -n 1)
    fi
    [ -f "$big" ] || give_up "no real file of 30 MB or more was found on this machine"
    mkdir -p "$work/small"
    local file
    find src docs -type f -size +0 | sort | head -n 300 | while read -r file; do
        cp "$file" "$work/small/$(echo "$file" | tr / _)"
    done
    small_count=$(find "$work/small" -type f | wc -l)
}

# The class that a devnet of this size takes by default: k, n, and how many may be lost at once.
if [ "$nodes" -ge 30 ]; then
    k=10 holders=30
elif [ "$nodes" -ge 12 ]; then
    k=4 holders=12
else
    k=2 holders=6
fi
loss=$((holders - k))

# ---- the story ----

tell_start() {
    local begin
    begin=$(now_ms)
    start_devnet || give_up "the devnet did not start"
    use_keys
    tell "A network on this machine in $(seconds_since "$begin") s: 1 ledger node, $nodes storage nodes of 6 operators, 1 gateway."
    note "S3       $s3_url  or  $(value s3.https)"
    note "         access key $AWS_ACCESS_KEY_ID"
    note "         secret key $AWS_SECRET_ACCESS_KEY   region $AWS_DEFAULT_REGION   CA $(value s3.ca_file)"
    note "RPC      $(value rpc)   chain $(value chain_id)"
    note "keys     owner $(value owner.address): $(value owner.key_file), $(value owner.master_file)"
    note "all of it in $data/devnet.json"
}

tell_store() {
    local begin size
    choose_files
    size=$(stat -L -c %s "$big")
    s3 ls s3://story >/dev/null 2>&1 || s3 mb s3://story >/dev/null || give_up "no bucket"
    begin=$(now_ms)
    tell "aws-cli stores $big ($((size / 1000000)) MB) and $small_count small files."
    claim "the large file is stored" s3 cp --only-show-errors "$big" s3://story/big
    note "$(seconds_since "$begin") s; sha256 $(sha256sum <"$big" | cut -c 1-32)…"
    begin=$(now_ms)
    claim "the small files are stored" s3 cp --only-show-errors --recursive "$work/small" s3://story/small/
    note "$(seconds_since "$begin") s"
}

tell_spread() {
    local begin
    begin=$(now_ms)
    tell "Encrypted, coded $k of $holders, spread: the gateway's journal and the ledger know where."
    claim "stat says complete: all $holders holders of each segment are final" complete_by_stat 120s
    claim "fragments lie on $holders nodes" spread
    "$CAIRN" stat story/big | sed 's/^/      /'
    claim "no segment of the network lacks a holder" wait_for 120 all_complete
    note "$(seconds_since "$begin") s"
}

wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 1
    done
}

tell_loss() {
    local i
    victims=$(shuf -i "1-$nodes" -n "$loss" | sort -n | tr '\n' ' ')
    tell "kill -9 for $loss of $nodes storage nodes: ${victims% }."
    for i in $victims; do
        claim "store-$i is dead" eval "kill_store $i && await_dead $i"
    done
    begin=$(now_ms)
    claim "the large file reads back bit for bit through the gateway" read_big
    claim "all $small_count small files read back bit for bit" read_small
    claim "the large file reads back without any gateway, from ledger and nodes" read_direct
    claim "a small one, too" read_small_direct "$(find "$work/small" -type f -printf '%f\n' | sort | head -n 1)"
    note "$(seconds_since "$begin") s"
}

tell_one_more() {
    local i extra=""
    for i in $(seq "$nodes"); do
        case " $victims " in *" $i "*) ;; *) extra=$i; break ;; esac
    done
    tell "One more dies, store-$extra: now too few are left, and that is said, not hidden."
    claim "store-$extra is dead" eval "kill_store $extra && await_dead $extra"
    claim "reading ends in a clear error within seconds, and leaves no file" dies_clearly
    note "$(head -n 1 "$work/none.err" 2>/dev/null)"
    "$CAIRN" devnet revive --data "$data" "store-$extra"
    claim "it comes back with its disk" await_alive "$extra"
    claim "and the large file is readable again" wait_for 30 read_big
}

tell_heal() {
    local i begin
    tell "The $loss come back with empty disks; nobody tells the network what to do."
    for i in $victims; do
        rm -rf "$(value "stores.$i.data")"
    done
    begin=$(now_ms)
    # shellcheck disable=SC2086
    "$CAIRN" devnet revive --data "$data" $(printf 'store-%s ' $victims)
    for i in $victims; do
        claim "store-$i runs, empty" await_alive "$i"
    done
    claim "every segment is complete again" wait_for 400 all_complete
    note "healed in $(seconds_since "$begin") s"
    claim "the large file is still the same" read_big
    claim "the small ones, too" read_small
    claim "also without a gateway" read_direct
}

tell_start
tell_store
tell_spread
tell_loss
# With more nodes than holders one more loss need not hurt.
[ "$nodes" -eq "$holders" ] && tell_one_more
tell_heal

if $check; then
    stop_devnet
    if [ $failed -eq 0 ]; then
        echo "all claims hold"
        exit 0
    fi
    echo "$failed claims do not hold"
    exit 1
fi

tell "It keeps running until Ctrl-C. Try:"
note "cairn is $CAIRN; export CAIRN_DEVNET=$data/devnet.json"
note "cairn ls story/small/   cairn stat story/big   cairn provider list   cairn segment list"
wait "$devnet_pid"
