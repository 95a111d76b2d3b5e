#!/usr/bin/env bash
# storage.sh [A..B]: seeds of the simulated storage network, and of what it stands on.
set -euo pipefail
cd "$(dirname "$0")/../.."

seeds=${1:-1..300}
sim=build/release/bin/cairn-sim

# run SCENARIO RANGE: all seeds pass; the summary is one JSON object with the promised members.
run() {
    local summary
    echo "cairn-sim $1 --seeds $2"
    summary=$("$sim" "$1" --seeds "$2" --json) || {
        echo "$summary"
        echo "again: $sim $1 --seed N --verbose" >&2
        return 1
    }
    echo "$summary"
    python3 - "$2" "$summary" <<'PY'
import json, sys
first, last = map(int, sys.argv[1].split(".."))
summary = json.loads(sys.argv[2])
wanted = last - first + 1
assert summary["seeds"] == summary["passed"] == wanted, summary
assert summary["failed"] == 0 and summary["first_failing_seed"] is None, summary
for name in "events virtual_seconds crashes torn_writes audit_hash".split():
    assert summary[name], name
PY
}

"$sim" net --seeds 1..100 >/dev/null || { "$sim" net --seeds 1..100; exit 1; }
run kv 1..300
run storage "$seeds"
