#!/usr/bin/env bash
# 64 uploads at once: of 16 MiB; of 64 MiB with CAIRN_TEST_LONG=1.
set -euo pipefail
size=16
[ "${CAIRN_TEST_LONG:-0}" = 1 ] && size=64
exec python3 "$(dirname "$0")/memory.py" 64 "$size"
