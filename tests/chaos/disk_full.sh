#!/usr/bin/env bash
# A full disk at a storage node, then at the gateway.
set -euo pipefail
exec python3 "$(dirname "$0")/disk_full.py"
