/* entry_fuzz: index records, and the keys and numbers of request targets and file names; what is
 * accepted is written back the same. */
#include "base/assert.h"
#include "storage/entry.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_entry(bytes in)
{
    struct shelf_entry entry;
    struct buf out;
    if (!is_ok(entry_read(in, &entry))) {
        return;
    }
    buf_init(&out, ENTRY_BYTES_MAX);
    entry_write(&out, &entry);
    assert_that(is_ok(buf_done(&out)) && bytes_eq(buf_bytes(&out), in));
    assert_that(entry_length(&entry) <= FRAGMENT_BYTES_MAX);
    assert_that(run_count(entry_length(&entry)) <= RUNS_MAX);
    buf_free(&out);
}

static void check_names(bytes in)
{
    struct fragment_key key;
    struct segment_key segment;
    char name[FRAGMENT_NAME_MAX];
    if (fragment_key_parse(&key, in)) {
        fragment_key_name(name, &key);
        assert_that(bytes_eq_str(in, name));
        assert_that(!segment_key_parse(&segment, in));
    }
    if (fragment_key_unpack(&key, in)) {
        u8 packed[FRAGMENT_KEY_BYTES];
        fragment_key_pack(packed, &key);
        assert_that(bytes_eq(in, BYTES_OF(packed)));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    check_entry(bytes_make(data, size));
    check_names(bytes_make(data, size));
    return 0;
}
