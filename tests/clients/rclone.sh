#!/usr/bin/env bash
# rclone: copy, check, sync, multipart, server-side copies, purge.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use

bucket=rclone-$$-$RANDOM
cat >"$WORK/rclone.conf" <<CONF
[cairn]
type = s3
provider = Other
endpoint = $S3_HTTP
region = $AWS_DEFAULT_REGION
access_key_id = $AWS_ACCESS_KEY_ID
secret_access_key = $AWS_SECRET_ACCESS_KEY

[tls]
type = s3
provider = Other
endpoint = $S3_HTTPS
region = $AWS_DEFAULT_REGION
access_key_id = $AWS_ACCESS_KEY_ID
secret_access_key = $AWS_SECRET_ACCESS_KEY
CONF
rc() { rclone --config "$WORK/rclone.conf" --retries 1 --low-level-retries 2 "$@"; }

make_tree "$WORK/tree"
make_file "$WORK/tree/big" 31457280

step "mkdir" rc mkdir "cairn:$bucket"
step "copy" rc copy "$WORK/tree" "cairn:$bucket/tree" --s3-upload-cutoff 10M --s3-chunk-size 5M
step "check" rc check "$WORK/tree" "cairn:$bucket/tree"
step "check --download" rc check --download "$WORK/tree" "cairn:$bucket/tree"
step "copy back" rc copy "cairn:$bucket/tree" "$WORK/back"
step "trees are the same" same_tree "$WORK/tree" "$WORK/back"
rm -r "$WORK/tree/many/folder-2"
make_file "$WORK/tree/many/new" 12345
step "sync" rc sync "$WORK/tree" "cairn:$bucket/tree"
step "check after sync" rc check "$WORK/tree" "cairn:$bucket/tree"
step "server-side copy" rc copy "cairn:$bucket/tree" "cairn:$bucket/copy" --s3-copy-cutoff 10M
step "check of the copy" rc check "cairn:$bucket/tree" "cairn:$bucket/copy"
step "moveto" rc moveto "cairn:$bucket/copy/big" "cairn:$bucket/moved"
step "cat with an offset" bash -c \
    "rclone --config '$WORK/rclone.conf' cat --offset 5 --count 10 'cairn:$bucket/moved' | cmp - <(tail -c +6 '$WORK/tree/big' | head -c 10)"
step "touch changes the time" rc touch "cairn:$bucket/tree/size-1"
step "over https" rc --ca-cert "$S3_CA" check "$WORK/tree" "tls:$bucket/tree"
step "rcat" sh -c "printf streamed | rclone --config '$WORK/rclone.conf' rcat 'cairn:$bucket/streamed'"
step "cat" sh -c "test \"\$(rclone --config '$WORK/rclone.conf' cat 'cairn:$bucket/streamed')\" = streamed"
step "purge" rc purge "cairn:$bucket"
step "the bucket is gone" refused rc lsf "cairn:$bucket/"
finish
