#!/usr/bin/env bash
# aws-cli: cp, sync, rm, multipart, ranges, copies, presigned URLs, over http and https.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/support/devnet.sh
. tests/support/client.sh
devnet_use
export AWS_CA_BUNDLE=$S3_CA

AWS=${AWS:-$([ -x /usr/bin/aws ] && echo /usr/bin/aws || echo aws)}
bucket=aws-$$-$RANDOM
aws() { "$AWS" --endpoint-url "$S3_HTTP" "$@"; }
aws_tls() { "$AWS" --endpoint-url "$S3_HTTPS" "$@"; }
api() { aws s3api "$@"; }

make_tree "$WORK/tree"
make_file "$WORK/big" 104857600
head -c 1000 "$WORK/big" | tail -c 900 >"$WORK/range"

step "mb" aws s3 mb "s3://$bucket"
step "ls shows the bucket" sh -c "'$AWS' --endpoint-url '$S3_HTTP' s3 ls | grep -q ' $bucket\$'"
step "cp of 100 MB, multipart" aws s3 cp --quiet "$WORK/big" "s3://$bucket/big"
step "cp back" aws s3 cp --quiet "s3://$bucket/big" "$WORK/big.back"
step "100 MB are the same" same "$WORK/big" "$WORK/big.back"
rm -f "$WORK/big.back"
step "cp over https" aws_tls s3 cp --quiet "$WORK/tree/size-1048576" "s3://$bucket/tls"
step "cp back over https" aws_tls s3 cp --quiet "s3://$bucket/tls" "$WORK/tls.back"
step "the same over https" same "$WORK/tree/size-1048576" "$WORK/tls.back"

step "sync up" aws s3 sync --quiet "$WORK/tree" "s3://$bucket/tree"
step "sync again finds nothing to do" \
    sh -c "test -z \"\$('$AWS' --endpoint-url '$S3_HTTP' s3 sync '$WORK/tree' 's3://$bucket/tree')\""
step "sync down" aws s3 sync --quiet "s3://$bucket/tree" "$WORK/tree.back"
step "trees are the same" same_tree "$WORK/tree" "$WORK/tree.back"
rm -r "$WORK/tree/many/folder-1"
step "sync --delete" aws s3 sync --quiet --delete "$WORK/tree" "s3://$bucket/tree"
step "sync --delete down" aws s3 sync --quiet --delete "s3://$bucket/tree" "$WORK/tree.back"
find "$WORK/tree.back" -type d -empty -delete # S3 has no folders, so aws-cli leaves them
step "trees are the same after deletes" same_tree "$WORK/tree" "$WORK/tree.back"

step "cp from bucket to bucket, multipart" \
    aws s3 cp --quiet "s3://$bucket/big" "s3://$bucket/big-copy"
step "mv of the copy" aws s3 mv --quiet "s3://$bucket/big-copy" "s3://$bucket/moved"
step "cp of the moved copy" aws s3 cp --quiet "s3://$bucket/moved" "$WORK/moved"
step "the copy is the same" same "$WORK/big" "$WORK/moved"
rm -f "$WORK/moved"
step "get-object with a range" \
    api get-object --bucket "$bucket" --key big --range bytes=100-999 "$WORK/range.back"
step "the range is the same" same "$WORK/range" "$WORK/range.back"
step "put-object with a checksum and metadata" api put-object --bucket "$bucket" --key summed \
    --body "$WORK/range" --checksum-algorithm SHA256 --metadata a=b --content-type text/x
step "get-object verifies the checksum" \
    api get-object --bucket "$bucket" --key summed --checksum-mode ENABLED "$WORK/summed"
step "put-object with a wrong MD5 is refused" refused api put-object --bucket "$bucket" \
    --key bad --body "$WORK/range" --content-md5 1B2M2Y8AsgTpgAmY7PhCfg==
step "and nothing is there" refused api head-object --bucket "$bucket" --key bad
step "if-none-match on what is the same is 304" sh -c \
    "! '$AWS' --endpoint-url '$S3_HTTP' s3api get-object --bucket $bucket --key summed --if-none-match \
    \$('$AWS' --endpoint-url '$S3_HTTP' s3api head-object --bucket $bucket --key summed --query ETag --output text) '$WORK/none'"

upload() {
    local id
    id=$(api create-multipart-upload --bucket "$bucket" --key left --query UploadId --output text) &&
        api upload-part --bucket "$bucket" --key left --upload-id "$id" --part-number 1 \
            --body "$WORK/range" &&
        api list-parts --bucket "$bucket" --key left --upload-id "$id" | grep -q '"Size": 900' &&
        api list-multipart-uploads --bucket "$bucket" | grep -q "$id" &&
        api abort-multipart-upload --bucket "$bucket" --key left --upload-id "$id" &&
        ! api list-parts --bucket "$bucket" --key left --upload-id "$id"
}
step "an upload is listed and aborted" upload

url=$(aws s3 presign "s3://$bucket/big" --expires-in 100)
step "presigned URL by curl" curl -sS --fail --max-time 60 -o "$WORK/curl" "$url"
step "the same by curl" same "$WORK/big" "$WORK/curl"
url=$(aws_tls s3 presign "s3://$bucket/big" --expires-in 100)
step "presigned URL by curl over https, with a range" curl -sS --fail --max-time 60 \
    --cacert "$S3_CA" -r 100-999 -o "$WORK/curl" "$url"
step "the same range by curl" same "$WORK/range" "$WORK/curl"
step "a changed URL is refused" refused curl -sS --fail -o /dev/null "${url%?}0x"
step "nobody in particular is refused" refused curl -sS --fail -o /dev/null "$S3_HTTP/$bucket/big"
step "a wrong secret is refused" \
    refused env AWS_SECRET_ACCESS_KEY=wrong "$AWS" --endpoint-url "$S3_HTTP" s3 ls "s3://$bucket"

step "rb of a bucket that is not empty is refused" refused aws s3 rb "s3://$bucket"
step "rm --recursive" aws s3 rm --quiet --recursive "s3://$bucket"
step "nothing is left" \
    sh -c "test -z \"\$('$AWS' --endpoint-url '$S3_HTTP' s3 ls 's3://$bucket' --recursive)\""
step "rb" aws s3 rb "s3://$bucket"
finish
