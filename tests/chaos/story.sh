#!/usr/bin/env bash
# story: what ./run --check tells, in a folder and on ports of its own.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
folder=$(mktemp -d /tmp/cairn-story-data-XXXXXX)
trap 'rm -rf "$folder"' EXIT
tests/story.sh --data "$folder/net" --nodes 12 --ports "$(devnet_ports)" --check
