#!/usr/bin/env bash
# Storage nodes that lie, cut short, stall or refuse.
set -euo pipefail
exec python3 "$(dirname "$0")/liars.py"
