# conformance.sh: what the scripts of tests/conformance share that run public suites. Sourced.
#
# The program is $CAIRN_CONFORMANCE or that of the release build; the archives are in
# $CAIRN_VECTORS or ../shared/vectors. Where an archive is absent the script says so and ends with
# 77, which ./test counts as skipped.

conformance=${CAIRN_CONFORMANCE:-build/release/bin/cairn-conformance}

# vectors NAME: the archive's path in $archive.
vectors() {
    archive=${CAIRN_VECTORS:-../shared/vectors}/$1.tar.zst
    if [ ! -r "$archive" ]; then
        echo "SKIPPED: no test vectors at $archive (set CAIRN_VECTORS)"
        exit 77
    fi
}

# passes SUITE AT_LEAST: runs a suite over $archive; fails unless all of at least so many pass.
passes() {
    local out count
    out=$(timeout 1200 "$conformance" "$1" "$archive" --jobs "$(nproc)") || {
        printf '%s\n' "$out"
        echo "$1: not all pass"
        return 1
    }
    count=$(printf '%s\n' "$out" | sed -n 's/^\([0-9]*\) passed, 0 failed$/\1/p')
    if [ -z "$count" ] || [ "$count" -lt "$2" ]; then
        printf '%s\n' "$out"
        echo "$1: fewer than $2 tests"
        return 1
    fi
    echo "$1: $count passed"
}

# roots PROGRAM SUITE [OPTION…]: the hash over all roots, and how many tests there were.
roots() {
    local program=$1 suite=$2
    shift 2
    timeout 3600 "$program" "$suite" "$archive" --jobs "$(nproc)" --json "$@" |
        jq -r '"\(.roots) \(.passed + .failed)"'
}
