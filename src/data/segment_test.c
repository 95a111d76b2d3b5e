#include "data/segment.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct segment_entry sample_entry(enum redundancy class_number, u8 receipts)
{
    struct segment_entry entry;
    struct prng prng;
    u8 n = redundancy_n(redundancy_find((u8)class_number));
    memset(&entry, 0, sizeof entry);
    prng_init(&prng, receipts);
    entry.number = 77;
    entry.epoch = 5;
    entry.class_number = class_number;
    entry.length = 123456;
    prng_fill(&prng, entry.roots, n * sizeof entry.roots[0]);
    entry.receipt_count = receipts;
    for (u8 i = 0; i < receipts; i++) {
        struct holder_receipt *receipt = &entry.receipts[i];
        receipt->index = (u8)(n - receipts + i);
        receipt->provider = 100u + i;
        receipt->draw = (u16)(3 * i);
        receipt->deadline = 1800000000u + i;
        prng_fill(&prng, &receipt->signature, sizeof receipt->signature);
    }
    return entry;
}

static void check_same(const struct segment_entry *a, const struct segment_entry *b)
{
    assert_true(a->number == b->number && a->epoch == b->epoch);
    assert_int_equal(a->class_number, b->class_number);
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->roots, b->roots, sizeof a->roots);
    assert_int_equal(a->receipt_count, b->receipt_count);
    for (u8 i = 0; i < a->receipt_count; i++) {
        assert_int_equal(a->receipts[i].index, b->receipts[i].index);
        assert_int_equal(a->receipts[i].provider, b->receipts[i].provider);
        assert_int_equal(a->receipts[i].draw, b->receipts[i].draw);
        assert_true(a->receipts[i].deadline == b->receipts[i].deadline);
        assert_memory_equal(&a->receipts[i].signature, &b->receipts[i].signature, 65);
    }
}

static void entries_round_trip(void **state)
{
    (void)state;
    static const struct {
        enum redundancy class_number;
        u8 receipts;
    } table[] = {{RS_4_8, 8}, {RS_4_8, 12}, {RS_10_20, 30}, {RS_8_4, 0}, {RS_2_4, 4}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct segment_entry entry = sample_entry(table[i].class_number, table[i].receipts);
        struct segment_entry back;
        struct reader reader;
        struct buf out;
        u8 n = redundancy_n(redundancy_find((u8)table[i].class_number));
        buf_init(&out, KIB(16));
        segment_entry_write(&out, &entry);
        assert_int_equal(out.len, 8 + 8 + 1 + 4 + 32 * n + 1 + 80 * table[i].receipts);
        buf_put_u8(&out, 0xaa); /* entries follow one another in a commit */
        reader_init(&reader, buf_bytes(&out));
        segment_entry_read(&reader, &back);
        assert_false(reader.failed);
        assert_int_equal(read_u8(&reader), 0xaa);
        assert_true(is_ok(reader_done(&reader)));
        check_same(&entry, &back);
        buf_free(&out);
    }
}

static bool accepts(bytes in)
{
    struct segment_entry entry;
    struct reader reader;
    reader_init(&reader, in);
    segment_entry_read(&reader, &entry);
    return is_ok(reader_done(&reader));
}

static void hostile_entries(void **state)
{
    (void)state;
    struct segment_entry entry = sample_entry(RS_2_4, 4);
    struct buf out;
    const size_t class_at = 16;
    const size_t length_at = 17;
    const size_t count_at = 21 + 6 * 32;
    const size_t receipts_at = count_at + 1;
    buf_init(&out, KIB(16));
    segment_entry_write(&out, &entry);
    assert_true(accepts(buf_bytes(&out)));
    for (size_t len = 0; len < out.len; len++) {
        assert_false(accepts(bytes_make(out.data, len)));
    }
    static const u8 unknown[] = {0, 5, 255};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        out.data[class_at] = unknown[i];
        assert_false(accepts(buf_bytes(&out)));
    }
    out.data[class_at] = RS_2_4;
    static const u32 lengths[] = {0, (u32)SEGMENT_BYTES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        store_be32(out.data + length_at, lengths[i]);
        assert_false(accepts(buf_bytes(&out)));
    }
    store_be32(out.data + length_at, (u32)SEGMENT_BYTES_MAX);
    out.data[count_at] = 7; /* more than n */
    assert_false(accepts(buf_bytes(&out)));
    out.data[count_at] = 4;
    static const u8 indexes[][4] = {{2, 3, 4, 6}, {2, 3, 4, 255}, {2, 2, 4, 5}, {3, 2, 4, 5}};
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        for (size_t r = 0; r < 4; r++) {
            out.data[receipts_at + r * 80] = indexes[i][r];
        }
        assert_false(accepts(buf_bytes(&out)));
    }
    for (u8 r = 0; r < 4; r++) {
        out.data[receipts_at + r * 80] = (u8)(r + 2);
    }
    assert_true(accepts(buf_bytes(&out)));
    buf_free(&out);
}

static void ids_cover_every_input(void **state)
{
    (void)state;
    struct segment_entry entry = sample_entry(RS_4_8, 0);
    struct hash id;
    struct hash other;
    segment_id(&id, RS_4_8, 1000, entry.roots, 12);
    segment_id(&other, RS_8_4, 1000, entry.roots, 12);
    assert_false(hash_eq(&id, &other));
    segment_id(&other, RS_4_8, 1001, entry.roots, 12);
    assert_false(hash_eq(&id, &other));
    for (u8 i = 0; i < 12; i++) {
        entry.roots[i].b[31] ^= 1;
        segment_id(&other, RS_4_8, 1000, entry.roots, 12);
        assert_false(hash_eq(&id, &other));
        entry.roots[i].b[31] ^= 1;
    }
    segment_id(&other, RS_4_8, 1000, entry.roots, 12);
    assert_true(hash_eq(&id, &other));
}

static void receipts_cover_every_field(void **state)
{
    (void)state;
    struct receipt_terms terms = {.chain_id = 1,
                                  .key = {2, 3, 4},
                                  .segment = {{5}},
                                  .index = 6,
                                  .root = {{7}},
                                  .length = 8,
                                  .deadline = 9};
    struct hash digest;
    receipt_digest(&digest, &terms);
    struct receipt_terms changed[9];
    for (size_t i = 0; i < 9; i++) {
        changed[i] = terms;
    }
    changed[0].chain_id++;
    changed[1].key.territory++;
    changed[2].key.gateway++;
    changed[3].key.number++;
    changed[4].segment.b[31]++;
    changed[5].index++;
    changed[6].root.b[31]++;
    changed[7].length++;
    changed[8].deadline++;
    for (size_t i = 0; i < 9; i++) {
        struct hash other;
        receipt_digest(&other, &changed[i]);
        assert_false(hash_eq(&digest, &other));
    }
    struct secp_secret secret;
    struct secp_signature signature;
    struct address signer;
    struct address expected;
    u8 raw[32] = {1};
    assert_true(secp_secret_from(&secret, raw));
    secp_sign(&signature, &secret, &digest);
    assert_true(secp_recover_address(&signer, &signature, &digest));
    secp_address_of_secret(&expected, &secret);
    assert_true(address_eq(&signer, &expected));
}

static void locators_round_trip(void **state)
{
    (void)state;
    struct locator locator = {1, (u64)2 << 40, 3, 4};
    struct reader reader;
    struct buf out;
    buf_init(&out, 100);
    locator_write(&out, &locator);
    assert_int_equal(out.len, 20);
    reader_init(&reader, buf_bytes(&out));
    struct locator back = locator_read(&reader);
    assert_true(is_ok(reader_done(&reader)));
    assert_true(back.gateway == 1 && back.number == (u64)2 << 40);
    assert_true(back.offset == 3 && back.length == 4);
    reader_init(&reader, bytes_make(out.data, 19));
    back = locator_read(&reader);
    assert_true(reader.failed);
    assert_int_equal(back.length, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_round_trip),    cmocka_unit_test(hostile_entries),
        cmocka_unit_test(ids_cover_every_input), cmocka_unit_test(receipts_cover_every_field),
        cmocka_unit_test(locators_round_trip),
    };
    struct hash seed = {{1}};
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
