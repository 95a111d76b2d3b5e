#!/usr/bin/env bash
# Any 8 of 12 storage nodes die; 9 die; empty disks come back.
set -euo pipefail
exec python3 "$(dirname "$0")/loss.py"
