#!/usr/bin/env bash
# A large object: of 300 MiB; of 5 GiB with CAIRN_TEST_LONG=1 (needs 25 GB of disk).
set -euo pipefail
size=300
[ "${CAIRN_TEST_LONG:-0}" = 1 ] && size=5120
exec python3 "$(dirname "$0")/large.py" "$size"
