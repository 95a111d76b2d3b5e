#include "data/segment.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "data/pack.h"

#define SEGMENT_DOMAIN "cairn segment v1"
#define RECEIPT_DOMAIN "cairn receipt v1"
#define DOMAIN_BYTES 16
#define RECEIPT_PACKED_BYTES (DOMAIN_BYTES + 8 + 8 + 4 + 8 + 32 + 1 + 32 + 4 + 8)

_Static_assert(sizeof SEGMENT_DOMAIN == DOMAIN_BYTES + 1, "domain strings are 16 bytes");
_Static_assert(sizeof RECEIPT_DOMAIN == DOMAIN_BYTES + 1, "domain strings are 16 bytes");
_Static_assert(sizeof(struct secp_signature) == 65, "a receipt is 80 bytes packed");

void segment_id(struct hash *ret_id, enum redundancy class_number, u32 length,
                const struct hash *roots, u8 n)
{
    u8 packed[DOMAIN_BYTES + 1 + 4];
    struct packer packer = packer_make(packed, sizeof packed);
    pack_bytes(&packer, bytes_str(SEGMENT_DOMAIN));
    pack_u8(&packer, (u8)class_number);
    pack_be32(&packer, length);
    pack_done(&packer);
    struct bytes parts[] = {BYTES_OF(packed), bytes_make(roots, n * sizeof *roots)};
    sha256_parts(ret_id, parts, COUNT_OF(parts));
}

void receipt_digest(struct hash *ret_digest, const struct receipt_terms *terms)
{
    u8 packed[RECEIPT_PACKED_BYTES];
    struct packer packer = packer_make(packed, sizeof packed);
    pack_bytes(&packer, bytes_str(RECEIPT_DOMAIN));
    pack_be64(&packer, terms->chain_id);
    pack_be64(&packer, terms->key.territory);
    pack_be32(&packer, terms->key.gateway);
    pack_be64(&packer, terms->key.number);
    pack_bytes(&packer, BYTES_OF(terms->segment));
    pack_u8(&packer, terms->index);
    pack_bytes(&packer, BYTES_OF(terms->root));
    pack_be32(&packer, terms->length);
    pack_be64(&packer, terms->deadline);
    pack_done(&packer);
    keccak256(ret_digest, BYTES_OF(packed));
}

static void receipt_write(struct buf *out, const struct holder_receipt *receipt)
{
    buf_put_u8(out, receipt->index);
    buf_put_be32(out, receipt->provider);
    buf_put_be16(out, receipt->draw);
    buf_put_be64(out, receipt->deadline);
    buf_put(out, BYTES_OF(receipt->signature));
}

static struct holder_receipt receipt_read(struct reader *in)
{
    struct holder_receipt receipt = {0};
    receipt.index = read_u8(in);
    receipt.provider = read_be32(in);
    receipt.draw = read_be16(in);
    receipt.deadline = read_be64(in);
    read_fixed(in, receipt.signature.b, sizeof receipt.signature.b);
    return receipt;
}

void segment_entry_write(struct buf *out, const struct segment_entry *entry)
{
    const struct redundancy_info *r = redundancy_find((u8)entry->class_number);
    assert_that(r != NULL && entry->receipt_count <= redundancy_n(r));
    buf_put_be64(out, entry->number);
    buf_put_be64(out, entry->epoch);
    buf_put_u8(out, (u8)entry->class_number);
    buf_put_be32(out, entry->length);
    for (u8 i = 0; i < redundancy_n(r); i++) {
        write_hash(out, &entry->roots[i]);
    }
    buf_put_u8(out, entry->receipt_count);
    for (u8 i = 0; i < entry->receipt_count; i++) {
        receipt_write(out, &entry->receipts[i]);
    }
}

static void read_receipts(struct reader *in, struct segment_entry *entry, u8 n)
{
    u8 count = read_u8(in);
    if (count > n) {
        in->failed = true;
    }
    for (u8 i = 0; i < count && !in->failed; i++) {
        struct holder_receipt receipt = receipt_read(in);
        bool ascending = i == 0 || receipt.index > entry->receipts[i - 1].index;
        if (receipt.index >= n || !ascending) {
            in->failed = true;
            return;
        }
        entry->receipts[i] = receipt;
        entry->receipt_count = (u8)(i + 1);
    }
}

void segment_entry_read(struct reader *in, struct segment_entry *ret_entry)
{
    memset(ret_entry, 0, sizeof *ret_entry);
    ret_entry->number = read_be64(in);
    ret_entry->epoch = read_be64(in);
    u8 class_number = read_u8(in);
    ret_entry->length = read_be32(in);
    const struct redundancy_info *r = redundancy_find(class_number);
    struct segment_shape shape;
    if (r == NULL || !segment_shape_of(&shape, r, ret_entry->length)) {
        in->failed = true;
        return;
    }
    ret_entry->class_number = (enum redundancy)class_number;
    for (u8 i = 0; i < redundancy_n(r); i++) {
        ret_entry->roots[i] = read_hash(in);
    }
    read_receipts(in, ret_entry, redundancy_n(r));
}

void locator_write(struct buf *out, const struct locator *locator)
{
    buf_put_be32(out, locator->gateway);
    buf_put_be64(out, locator->number);
    buf_put_be32(out, locator->offset);
    buf_put_be32(out, locator->length);
}

struct locator locator_read(struct reader *in)
{
    struct locator locator;
    locator.gateway = read_be32(in);
    locator.number = read_be64(in);
    locator.offset = read_be32(in);
    locator.length = read_be32(in);
    return locator;
}
