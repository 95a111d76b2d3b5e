/* seal_fuzz: seals and receipts that can be read are written back to the same bytes; a seal that
 * was read has a shape and an id. The first byte chooses. */
#include "base/assert.h"
#include "transfer/seal.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_again(const struct buf *again, bytes in, const struct reader *reader)
{
    assert_that(is_ok(buf_done(again)));
    assert_that(bytes_eq(buf_bytes(again), bytes_make(in.data, in.len - reader->left)));
}

static void fuzz_seal(bytes in, struct buf *again)
{
    struct reader reader;
    struct segment_seal seal;
    struct hash id;
    reader_init(&reader, in);
    segment_seal_read(&reader, &seal);
    if (!reader.failed) {
        struct segment_shape shape = segment_seal_shape(&seal);
        u8 last = (u8)(shape.k + shape.m - 1);
        struct receipt_terms terms = segment_seal_terms(&seal, 1, last, 2);
        segment_seal_id(&seal, &id);
        assert_that(hash_eq(&id, &terms.segment) && terms.length == shape.fragment_length);
        assert_that(shape.fragment_length <= FRAGMENT_BYTES_MAX);
        segment_seal_write(again, &seal);
        check_again(again, in, &reader);
    }
}

static void fuzz_receipt(bytes in, struct buf *again)
{
    struct reader reader;
    struct holder_receipt receipt;
    reader_init(&reader, in);
    receipt_read(&reader, &receipt);
    if (!reader.failed) {
        assert_that(receipt.index < FRAGMENTS_MAX);
        receipt_write(again, &receipt);
        check_again(again, in, &reader);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct buf again;
    if (size == 0) {
        return 0;
    }
    buf_init(&again, SEAL_BYTES_MAX);
    if (data[0] % 2 == 0) {
        fuzz_seal(bytes_make(data + 1, size - 1), &again);
    } else {
        fuzz_receipt(bytes_make(data + 1, size - 1), &again);
    }
    buf_free(&again);
    return 0;
}
