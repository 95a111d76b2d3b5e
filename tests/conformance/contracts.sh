#!/usr/bin/env bash
# contracts/build is what the pinned compiler makes of contracts/.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/build-contracts --check
