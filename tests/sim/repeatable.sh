#!/usr/bin/env bash
# repeatable.sh: a seed does the same whenever it runs: twice each, and in another process, alone or
# beside others.
set -euo pipefail
cd "$(dirname "$0")/../.."
sim=build/release/bin/cairn-sim

hash_of() {
    "$sim" "$@" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["audit_hash"])'
}

for scenario in kv net storage; do
    "$sim" "$scenario" --seeds 1..6 --repeat
    alone=$(hash_of "$scenario" --seeds 1..6 --jobs 1)
    beside=$(hash_of "$scenario" --seeds 1..6 --jobs 4)
    if [ "$alone" != "$beside" ]; then
        echo "$scenario: $alone alone, $beside beside others" >&2
        exit 1
    fi
done
other=$(hash_of storage --seeds 7..7)
[ "$other" != "$(hash_of storage --seeds 8..8)" ] || { echo "the hash says nothing" >&2; exit 1; }
