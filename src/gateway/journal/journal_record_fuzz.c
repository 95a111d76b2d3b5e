/* A record from outside: the head, the operations and the snapshot body are read without a fault of
 * memory, and what is accepted is written back byte for byte. */
#include "gateway/journal/record.h"

#include "base/assert.h"

#define OPS_BYTES_MAX MIB(16)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void fuzz_ops(bytes in)
{
    struct buf again;
    bytes rest = in;
    buf_init(&again, OPS_BYTES_MAX);
    while (rest.len > 0) {
        struct journal_op op;
        if (!is_ok(journal_op_next(&rest, &op))) {
            break;
        }
        journal_op_write(&again, &op);
    }
    assert_that(is_ok(buf_done(&again)));
    assert_that(bytes_eq(buf_bytes(&again), bytes_slice(in, 0, in.len - rest.len)));
    buf_free(&again);
}

static void fuzz_snapshot(bytes in)
{
    struct journal_snapshot snapshot;
    struct buf again;
    if (!is_ok(journal_snapshot_read(&snapshot, in))) {
        return;
    }
    buf_init(&again, OPS_BYTES_MAX);
    journal_snapshot_write(&again, &snapshot);
    assert_that(bytes_eq(buf_bytes(&again), in));
    buf_free(&again);
}

static void fuzz_record(bytes in)
{
    struct journal_record record;
    struct journal_record peeked;
    struct arena arena;
    bytes ops;
    arena_init(&arena, MIB(16));
    if (is_ok(journal_record_open(in, NULL, NULL, &arena, &record, &ops))) {
        assert_that(record.kind == JOURNAL_ENVELOPE);
        assert_that(is_ok(journal_record_peek(in, &peeked)));
        assert_that(peeked.sequence == record.sequence);
        fuzz_ops(ops);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    bytes in = bytes_make(data, size);
    fuzz_record(in);
    fuzz_ops(in);
    fuzz_snapshot(in);
    return 0;
}
