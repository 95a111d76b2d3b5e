# client.sh: steps of a client test. Sourced, not run, behind devnet.sh.

STEPS=0
FAILED=0

# step NAME COMMAND…: runs it, says what failed; the test goes on.
step() {
    local name=$1 log=$WORK/step.log
    shift
    STEPS=$((STEPS + 1))
    if "$@" >"$log" 2>&1; then
        echo "  ok    $name"
    else
        FAILED=$((FAILED + 1))
        echo "  FAIL  $name: $*"
        tail -n 20 "$log" | sed 's/^/        /'
    fi
}

# refused COMMAND…: succeeds if the command fails.
refused() { ! "$@"; }

# finish: the exit status of the test.
finish() {
    echo "$((STEPS - FAILED)) of $STEPS steps passed"
    [ "$FAILED" -eq 0 ] || exit 1
    exit 0
}

# make_file PATH BYTES: the same random-looking content for the same name and size.
make_file() {
    mkdir -p "$(dirname "$1")"
    openssl enc -aes-128-ctr -nosalt -K "$(printf '%s' "$1" | md5sum | cut -c1-32)" \
        -iv 00000000000000000000000000000000 </dev/zero 2>/dev/null | head -c "$2" >"$1"
}

# make_tree DIR: files of many sizes, names that are hard, folders in folders.
make_tree() {
    local size
    for size in 0 1 15 4095 4096 4097 16384 65537 1048576; do
        make_file "$1/size-$size" "$size"
    done
    for i in $(seq 40); do
        make_file "$1/many/folder-$((i % 4))/file-$i" $((i * 97))
    done
    make_file "$1/names/with space" 100
    make_file "$1/names/plus+and&amp;<>\"'" 200
    make_file "$1/names/Größe-€-日本-😀" 300
    make_file "$1/names/percent%20literal" 400
    make_file "$1/names/semi;colon,comma=equals@at" 500
}

# same A B: equal files.
same() { cmp -- "$1" "$2"; }
# same_tree A B
same_tree() { diff -r -- "$1" "$2"; }
