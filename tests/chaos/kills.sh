#!/usr/bin/env bash
# kill -9 of random processes under load: 12 kills, 50 with CAIRN_TEST_LONG=1.
set -euo pipefail
kills=12
[ "${CAIRN_TEST_LONG:-0}" = 1 ] && kills=50
exec python3 "$(dirname "$0")/kills.py" "$kills"
