#!/usr/bin/env bash
# s3cmd: put, get, ls, del, sync, info, multipart.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use

bucket=s3cmd-$$-$RANDOM
address=${S3_HTTP#http://}
cat >"$WORK/s3cfg" <<CONF
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = $address
host_bucket = $address
bucket_location = $AWS_DEFAULT_REGION
use_https = False
signature_v2 = False
CONF
s3() { s3cmd -c "$WORK/s3cfg" --no-progress "$@"; }

make_tree "$WORK/tree"
make_file "$WORK/big" 31457280

step "mb" s3 mb "s3://$bucket"
step "put" s3 put "$WORK/tree/size-65537" "s3://$bucket/file"
step "get" s3 get "s3://$bucket/file" "$WORK/file"
step "the same" same "$WORK/tree/size-65537" "$WORK/file"
step "put, multipart" s3 put --multipart-chunk-size-mb=5 "$WORK/big" "s3://$bucket/big"
step "get of the big one" s3 get "s3://$bucket/big" "$WORK/big.back"
step "the big one is the same" same "$WORK/big" "$WORK/big.back"
step "info" s3 info "s3://$bucket/file"
step "info of the bucket" s3 info "s3://$bucket"
step "sync up" s3 sync "$WORK/tree/" "s3://$bucket/tree/"
mkdir -p "$WORK/back"
step "sync down" s3 sync "s3://$bucket/tree/" "$WORK/back/"
step "trees are the same" same_tree "$WORK/tree" "$WORK/back"
step "ls" sh -c "s3cmd -c '$WORK/s3cfg' ls 's3://$bucket/' | grep -q 's3://$bucket/tree/'"
step "cp" s3 cp "s3://$bucket/file" "s3://$bucket/copy"
step "mv" s3 mv "s3://$bucket/copy" "s3://$bucket/moved"
step "modify" s3 modify --add-header=x-amz-meta-a:b "s3://$bucket/moved"
step "del" s3 del "s3://$bucket/moved"
step "del of a pattern" s3 del --recursive --force "s3://$bucket/"
step "nothing is left" sh -c "test -z \"\$(s3cmd -c '$WORK/s3cfg' ls -r 's3://$bucket/')\""
step "rb" s3 rb "s3://$bucket"
finish
