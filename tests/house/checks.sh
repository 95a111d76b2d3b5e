#!/bin/sh
# The house checks find what they promise to find: a small tree full of faults, and the exact lines
# that tools/check-includes and tools/check-style must print for it; then one without faults.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/tools" "$dir/src/base" "$dir/src/codec" "$dir/src/os" "$dir/tests" "$dir/src/stray"
cp "$root/tools/check-includes" "$root/tools/check-style" "$dir/tools/"
cd "$dir"

# expect NAME EXPECTED COMMAND…: exact output, and a failure status unless nothing is expected.
expect() {
    name=$1
    expected=$2
    shift 2
    status=0
    out=$("$@") || status=$?
    wanted=1
    [ -n "$expected" ] || wanted=0
    if [ "$out" != "$expected" ] || [ "$status" != "$wanted" ]; then
        printf '%s: status %s\n--- expected\n%s\n--- printed\n%s\n' \
            "$name" "$status" "$expected" "$out" >&2
        exit 1
    fi
}

lines() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "    x();" }'; }

cat >tools/modules.txt <<'TEXT'
# comment
src/base:
src/codec: base os
src/os: base
TEXT
echo 'int a;' | tee src/base/a.h src/codec/c.h src/os/o.h >src/stray/s.c
printf '#include "codec/c.h"\n' >src/base/a.c
printf '#include <time.h>\n#include "codec/c.h"\n #  include <sys/stat.h>\n' >src/codec/c.c
printf '#include "os/o.h"\n#include "o.h"\n\n#include <time.h>\n' >src/os/o.c
printf '#include "codec/c.h"\n' >src/os/testing.h
printf '#include "os/testing.h"\n' >src/os/p.c
printf '#include "codec/c.h"\n#include "os/none.h"\n#include <time.h>\n' >tests/t_test.c
expect includes 'tools/modules.txt:3: src/codec may include os, which is not listed above
src/base/a.c:1: base may not include "codec/c.h" (tools/modules.txt)
src/base/a.c:1: the first include is not its own header src/base/a.h
src/codec/c.c:1: <time.h> in the engine src/codec
src/codec/c.c:1: the first include is not its own header src/codec/c.h
src/codec/c.c:2: "codec/c.h" comes after a system header
src/codec/c.c:3: <sys/stat.h> in the engine src/codec
src/os/o.c:2: no header "o.h" (paths start at src/)
src/os/p.c:1: "os/testing.h" is for tests only
src/stray/s.c:1: its folder is no module of tools/modules.txt
tests/t_test.c:2: no header "os/none.h" (paths start at src/)' tools/check-includes

printf 'src/base:\nsrc/codec: base\nsrc/os: base\n' >tools/modules.txt
printf '#include "base/a.h"\n' >src/base/a.c
printf '#include "codec/c.h"\n\n#include "base/a.h"\n\n#include <string.h>\n' >src/codec/c.c
printf '#include "os/o.h"\n\n#include <time.h>\n' >src/os/o.c
printf '#include "codec/c.h"\n#include <time.h>\n#include "os/o.h"\n' >tests/t_test.c
rm -r src/stray src/os/p.c
expect includes-clean '' tools/check-includes

{
    printf 'static const char *const text = "free(}";\n'
    printf 'static int f(int (*g)(void), /* { */ char c)\n{\n    return c == %s{%s;\n}\n' "'" "'"
    printf '#define OPEN(x)      \\\n    if (x) {         \\\n        free(x);\n'
    printf 'struct s {\n    int a;\n};\n'
    printf '__attribute__((noreturn)) static void long_one(void)\n{\n'
    lines 69
    printf '}\n'
    printf '/* %098d\n * free(x) */ int n; // malloc(1)\n' 1
    printf '/* %093d\303\274 */\n' 1
    printf 'void h(void)\n{\n    x.free(p);\n    y->malloc(1);\n    mem_free(p);\n    strcpy(a, b);\n'
    printf '    p = free;\n    free (p);\n}\n\tint t; \n'
} >src/codec/c.c
{
    printf 'void g(void)\n{\n    free(malloc(1));\n'
    lines 67
    printf '}\n'
} >src/os/o.c
{
    printf 'void wrap(void)\n{\n    free(p);\n}\nint open_brace(void)\n{\n'
    lines 995
    printf 'int end;'
} >src/base/a.c
sed -i 's/free(p)/free(strtok(p, q))/' src/base/a.c
printf 'void wrap(void)\n{\n    free(p);\n}\nvoid other(void)\n{\n    free(p);\n}\n' >tests/t_test.c
printf '# comment\ntests/t_test.c:wrap heap a reason\n' >tools/style-exceptions.txt
expect style 'src/base/a.c:3: banned-call: free(strtok(p, q));
src/base/a.c:1002: braces: 1 more { than }
src/base/a.c:1002: file-length: 1002 lines
src/codec/c.c:8: heap: free(x);
src/codec/c.c:13: function-length: long_one() has 71 lines
src/codec/c.c:84: line-length: 101 columns
src/codec/c.c:92: banned-call: strcpy(a, b);
src/codec/c.c:94: heap: free (p);
src/codec/c.c:96: blank: tab
src/codec/c.c:96: blank: blank or carriage return at the end of the line
tests/t_test.c:7: heap: free(p);
src/base/a.c:1: blank: no newline at the end of the file' tools/check-style

rm src/base/a.c src/codec/c.c tests/t_test.c
expect style-clean '' tools/check-style
echo "the house checks find what they promise"
