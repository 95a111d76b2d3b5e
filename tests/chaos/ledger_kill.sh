#!/usr/bin/env bash
# kill -9 of a ledger node under load of transactions: 10 kills, 50 with CAIRN_TEST_LONG=1.
set -euo pipefail
kills=10
[ "${CAIRN_TEST_LONG:-0}" = 1 ] && kills=50
exec timeout 900 python3 "$(dirname "$0")/ledger_kill.py" "$kills"
