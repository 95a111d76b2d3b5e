#!/usr/bin/env bash
# A gateway whose disk is gone.
set -euo pipefail
exec python3 "$(dirname "$0")/restore.py"
