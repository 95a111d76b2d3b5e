#include "transfer/seal.h"

#include "base/assert.h"
#include "transfer/kinds.h"

void segment_seal_write(struct buf *out, const struct segment_seal *seal)
{
    const struct redundancy_info *info = redundancy_find((u8)seal->class_number);
    assert_that(info != NULL);
    u8 n = redundancy_n(info);
    write_head(out, KIND_SEAL, 1);
    buf_put_be64(out, seal->key.territory);
    buf_put_be32(out, seal->key.gateway);
    buf_put_be64(out, seal->key.number);
    buf_put_u8(out, (u8)seal->class_number);
    buf_put_be32(out, seal->length);
    buf_put_u8(out, n);
    buf_put(out, bytes_make(seal->roots, (size_t)n * sizeof seal->roots[0]));
}

void segment_seal_read(struct reader *in, struct segment_seal *ret_seal)
{
    struct segment_seal seal = {0};
    struct segment_shape shape;
    read_head(in, KIND_SEAL, 1);
    seal.key.territory = read_be64(in);
    seal.key.gateway = read_be32(in);
    seal.key.number = read_be64(in);
    u8 class_number = read_u8(in);
    seal.length = read_be32(in);
    u8 n = read_u8(in);
    const struct redundancy_info *info = redundancy_find(class_number);
    if (info == NULL || n != redundancy_n(info) || !segment_shape_of(&shape, info, seal.length)) {
        in->failed = true;
        return;
    }
    seal.class_number = (enum redundancy)class_number;
    for (u8 i = 0; i < n; i++) {
        seal.roots[i] = read_hash(in);
    }
    *ret_seal = seal;
}

void segment_seal_id(const struct segment_seal *seal, struct hash *ret_id)
{
    const struct redundancy_info *info = redundancy_find((u8)seal->class_number);
    assert_that(info != NULL);
    segment_id(ret_id, seal->class_number, seal->length, seal->roots, redundancy_n(info));
}

struct segment_shape segment_seal_shape(const struct segment_seal *seal)
{
    struct segment_shape shape;
    const struct redundancy_info *info = redundancy_find((u8)seal->class_number);
    assert_that(info != NULL && segment_shape_of(&shape, info, seal->length));
    return shape;
}

struct receipt_terms segment_seal_terms(const struct segment_seal *seal, u64 chain_id, u8 index,
                                        u64 deadline)
{
    struct receipt_terms terms = {
        .chain_id = chain_id,
        .key = seal->key,
        .index = index,
        .root = seal->roots[index],
        .length = segment_seal_shape(seal).fragment_length,
        .deadline = deadline,
    };
    segment_seal_id(seal, &terms.segment);
    return terms;
}

void receipt_write(struct buf *out, const struct holder_receipt *receipt)
{
    write_head(out, KIND_RECEIPT, 1);
    buf_put_u8(out, receipt->index);
    buf_put_be32(out, receipt->provider);
    buf_put_be64(out, receipt->deadline);
    buf_put(out, BYTES_OF(receipt->signature));
}

void receipt_read(struct reader *in, struct holder_receipt *ret_receipt)
{
    struct holder_receipt receipt = {0};
    read_head(in, KIND_RECEIPT, 1);
    receipt.index = read_u8(in);
    receipt.provider = read_be32(in);
    receipt.deadline = read_be64(in);
    read_fixed(in, &receipt.signature, sizeof receipt.signature);
    if (receipt.index >= FRAGMENTS_MAX) {
        in->failed = true;
    }
    *ret_receipt = receipt;
}
