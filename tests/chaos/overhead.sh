#!/usr/bin/env bash
# Stored bytes per user byte at four object sizes.
set -euo pipefail
exec python3 "$(dirname "$0")/overhead.py"
