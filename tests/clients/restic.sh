#!/usr/bin/env bash
# restic: init, backup, check --read-data, restore, forget and prune.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use

bucket=restic-$$-$RANDOM
export RESTIC_REPOSITORY="s3:$S3_HTTP/$bucket/repository"
export RESTIC_PASSWORD=password RESTIC_CACHE_DIR="$WORK/cache"

make_tree "$WORK/tree"
make_file "$WORK/tree/big" 41943040

step "init" restic init
step "backup" restic backup "$WORK/tree"
step "check --read-data" restic check --read-data
step "restore" restic restore latest --target "$WORK/back"
step "trees are the same" same_tree "$WORK/tree" "$WORK/back$WORK/tree"
make_file "$WORK/tree/more" 3000000
rm "$WORK/tree/size-65537"
step "second backup" restic backup "$WORK/tree"
step "two snapshots" sh -c "test \"\$(restic snapshots --json | jq length)\" = 2"
step "forget and prune" restic forget --keep-last 1 --prune
step "check after prune" restic check --read-data
rm -rf "$WORK/back"
step "restore of the second" restic restore latest --target "$WORK/back"
step "trees are the same again" same_tree "$WORK/tree" "$WORK/back$WORK/tree"
step "over https" restic -r "s3:$S3_HTTPS/$bucket/repository" --cacert "$S3_CA" snapshots
finish
