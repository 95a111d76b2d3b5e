#!/usr/bin/env bash
# devnet: starts, keeps everything over restarts, says clearly what is wrong, leaves nothing behind.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
CAIRN_DEVNET=""
WORK=$(mktemp -d /tmp/cairn-devnet-XXXXXX)
trap devnet_stop EXIT
trap 'exit 1' INT TERM
CAIRN=$(realpath "$CAIRN")
base=$(devnet_ports)
net=$WORK/net
show() { "$CAIRN" devnet show --data "$net" "$@"; }

# begin ARGUMENT…: starts it and waits until it is up.
begin() {
    "$CAIRN" devnet --data "$net" --ports "$base" "$@" >"$WORK/devnet.out" 2>&1 &
    DEVNET_PID=$!
    for _ in $(seq 1200); do
        grep -q '^Cairn runs' "$WORK/devnet.out" && return 0
        kill -0 "$DEVNET_PID" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$WORK/devnet.out"
    return 1
}
# end: SIGTERM; status 0, nobody left, no devnet.json.
end() {
    local status=0
    kill -TERM "$DEVNET_PID"
    wait "$DEVNET_PID" || status=$?
    DEVNET_PID=""
    [ $status -eq 0 ] && [ ! -e "$net/devnet.json" ] && nobody_left
}
nobody_left() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        if tr '\0' ' ' <"$file" 2>/dev/null | grep -q -- "--config $net/"; then
            echo "left behind: $(tr '\0' ' ' <"$file")"
            return 1
        fi
    done
}
exits() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit status $status, not $wanted"; return 1; }
}
says() {
    local text=$1
    shift
    "$@" >"$WORK/said" 2>&1
    cat "$WORK/said"
    grep -q -- "$text" "$WORK/said"
}
use() { "$CAIRN" "$@" --devnet "$net"; }
is_dead() {
    for _ in $(seq 100); do
        [ "$(show "stores.$1.pid")" = 0 ] && return 0
        sleep 0.1
    done
    return 1
}
is_alive() {
    for _ in $(seq 300); do
        [ "$(show "stores.$1.pid")" != 0 ] && curl -fsS "$(show "stores.$1.metrics")/health" && return 0
        sleep 0.1
    done
    return 1
}
shape() {
    jq -e '.version == 1 and (.chain_id | type == "number") and (.rpc | startswith("http://"))
        and (.s3 | .http and .https and .region and .access_key and .secret_key and .ca_file)
        and (.owner | .address and .key_file) and (.accounts | length == 10)
        and (.accounts[0] | (.address | length == 42) and (.private_key | length == 66))
        and (.gateways | length == 1) and (.ledger | length == 1) and (.stores | length == 6)
        and ([.stores[] | .i, .pid, .address, .url, .data, .metrics, .operator] | all)
        and ([.stores[].operator] | unique | length == 6) and (.workers | type == "array")' "$net/devnet.json"
}
fetch_ca() {
    curl -sS --cacert "$(show s3.ca_file)" -o "$WORK/answer" "$(show s3.https)/" && grep -q AccessDenied "$WORK/answer"
}

echo nothing >"$WORK/no-folder"
step "a data folder that is a file" exits 1 "$CAIRN" devnet --data "$WORK/no-folder"
step "too few nodes" exits 2 "$CAIRN" devnet --data "$net" --nodes 5
step "bad ports" exits 2 "$CAIRN" devnet --data "$net" --ports 80
step "it starts" begin --nodes 6
step "devnet.json has all members" shape
step "https with its own authority" fetch_ca
make_file "$WORK/file" 3000000
step "put" use put "$WORK/file" kept/file --create
step "stat --wait" use stat --wait kept/file
step "a second one in the folder is refused" says "another devnet runs" "$CAIRN" devnet --data "$net" --ports "$base"
step "ports in use are named" says "port .* is not free" "$CAIRN" devnet --data "$WORK/other" --ports "$base"
step "kill of a node" kill -KILL "$(show stores.2.pid)"
step "it stays dead" is_dead 2
step "revive" "$CAIRN" devnet revive --data "$net" store-2
step "it is back" is_alive 2
chain=$(show chain_id)
step "it stops" end
step "it starts again, with other ports" eval 'base=$(devnet_ports); begin --respawn'
step "the same chain" [ "$(show chain_id)" = "$chain" ]
step "get" use get kept/file "$WORK/file.back"
step "it is the same" same "$WORK/file" "$WORK/file.back"
step "kill with --respawn" kill -KILL "$(show stores.3.pid)"
step "it comes back by itself" eval "is_dead 3; is_alive 3"
step "fewer nodes than it has are refused" exits 2 "$CAIRN" devnet --data "$net" --nodes 5
step "it dies with all its children by kill -9" eval 'kill -KILL "$DEVNET_PID"; wait "$DEVNET_PID"; sleep 1; nobody_left'
step "it starts again" begin
step "get once more" use get kept/file "$WORK/file.again"
step "it is the same" same "$WORK/file" "$WORK/file.again"
step "it stops" end
step "it becomes larger" begin --nodes 8
step "all of them are there" [ "$("$CAIRN" provider list --json --devnet "$net" | wc -l)" = 8 ]
step "get from the larger one" use get kept/file "$WORK/file.more"
step "it stops" end
echo "{" >"$net/genesis.json"
step "a damaged genesis is said" says "genesis.json is no JSON" "$CAIRN" devnet --data "$net" --ports "$base"
finish
