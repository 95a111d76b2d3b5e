#include "gateway/journal/record.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SAMPLE_OPS_BYTES 153

static struct prng rng;
static struct secp_secret label_secret;
static struct secp_public label;

static int setup(void **state)
{
    (void)state;
    struct territory_key territory;
    struct hash bucket;
    memset(&territory, 0x11, sizeof territory);
    memset(&bucket, 0x22, sizeof bucket);
    label_secret_derive(&label_secret, &territory, &bucket, 1);
    secp_public_of(&label, &label_secret);
    prng_init(&rng, 7);
    return 0;
}

static struct journal_record sample(void)
{
    struct journal_record record = {
        .kind = JOURNAL_COMMIT,
        .sequence = 9,
        .snapshot = {.gateway = 1, .number = 4, .offset = 16, .length = 900},
        .label_version = 1,
    };
    memset(&record.bucket, 0x22, sizeof record.bucket);
    memset(&record.previous.hash, 0x33, sizeof record.previous.hash);
    record.previous.locator =
        (struct locator){.gateway = 2, .number = 77, .offset = 5, .length = 1234};
    return record;
}

static void sample_ops(struct buf *out)
{
    struct journal_op ops[] = {
        {.kind = JOURNAL_PUT, .time_ms = 1, .key = bytes_str("a/b"), .value = bytes_str("m1")},
        {.kind = JOURNAL_DELETE, .time_ms = 2, .key = bytes_str("c")},
        {.kind = JOURNAL_UPLOAD,
         .time_ms = 3,
         .upload = {1, 2},
         .key = bytes_str("big"),
         .value = bytes_str("m2")},
        {.kind = JOURNAL_PART,
         .time_ms = 4,
         .upload = {1, 2},
         .part = 10000,
         .value = bytes_str("m3")},
        {.kind = JOURNAL_UPLOAD_END, .time_ms = 5, .upload = {1, 2}},
        {.kind = JOURNAL_CONFIG,
         .time_ms = 6,
         .key = bytes_str("user/AK"),
         .value = bytes_str("doc")},
    };
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        journal_op_write(out, &ops[i]);
    }
}

/* fixed_random: scalars of Umbral must be below the group order; 0x01… is. */
static void fixed_random(u8 out[JOURNAL_RANDOM_BYTES])
{
    for (size_t i = 0; i < JOURNAL_RANDOM_BYTES; i++) {
        out[i] = (u8)(i + 1);
    }
}

static void seal_sample(struct buf *out, enum journal_kind kind)
{
    u8 random[JOURNAL_RANDOM_BYTES];
    struct buf ops;
    struct journal_record record = sample();
    record.kind = kind;
    fixed_random(random);
    buf_init(&ops, 4096);
    sample_ops(&ops);
    buf_init(out, JOURNAL_RECORD_BYTES_MAX);
    assert_true(is_ok(journal_record_seal(out, &record, buf_bytes(&ops),
                                          kind == JOURNAL_ENVELOPE ? NULL : &label, random)));
    buf_free(&ops);
}

static void a_record_has_its_golden_bytes(void **state)
{
    (void)state;
    struct buf sealed;
    struct hash hash;
    char hex[65];
    seal_sample(&sealed, JOURNAL_COMMIT);
    sha256(&hash, buf_bytes(&sealed));
    hex_encode(hex, sizeof hex, BYTES_OF(hash));
    assert_int_equal(sealed.len, JOURNAL_RECORD_OVERHEAD + SAMPLE_OPS_BYTES);
    assert_string_equal(hex, "620f502f2090082a91969ac2e20dcea78442f55263a3aee49ef8111bcd6c7351");
    buf_free(&sealed);
}

static void what_was_sealed_opens(void **state)
{
    (void)state;
    struct buf sealed;
    struct buf expected;
    struct arena arena;
    struct journal_record record;
    struct journal_record peeked;
    struct journal_record given = sample();
    struct hash hash;
    bytes ops;
    seal_sample(&sealed, JOURNAL_COMMIT);
    sha256(&hash, buf_bytes(&sealed));
    arena_init(&arena, MIB(1));
    assert_true(is_ok(
        journal_record_open(buf_bytes(&sealed), &hash, &label_secret, &arena, &record, &ops)));
    assert_true(is_ok(journal_record_peek(buf_bytes(&sealed), &peeked)));
    assert_int_equal(record.sequence, 9);
    assert_int_equal(peeked.sequence, 9);
    assert_int_equal(record.kind, JOURNAL_COMMIT);
    assert_int_equal(record.label_version, 1);
    assert_true(hash_eq(&record.bucket, &given.bucket));
    assert_true(hash_eq(&record.previous.hash, &given.previous.hash));
    assert_int_equal(record.previous.locator.number, 77);
    assert_int_equal(record.snapshot.length, 900);
    buf_init(&expected, 4096);
    sample_ops(&expected);
    assert_true(bytes_eq(ops, buf_bytes(&expected)));
    buf_free(&expected);
    buf_free(&sealed);
    arena_free(&arena);
}

static void a_changed_byte_is_found(void **state)
{
    (void)state;
    struct buf sealed;
    struct arena arena;
    struct journal_record record;
    struct hash hash;
    bytes ops;
    seal_sample(&sealed, JOURNAL_COMMIT);
    sha256(&hash, buf_bytes(&sealed));
    arena_init(&arena, MIB(8));
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 0x40;
        err e =
            journal_record_open(buf_bytes(&sealed), &hash, &label_secret, &arena, &record, &ops);
        assert_true(is_err(e, ERR_INTEGRITY));
        /* Also without knowing the hash: every byte is under the body's tag or the key's. */
        e = journal_record_open(buf_bytes(&sealed), NULL, &label_secret, &arena, &record, &ops);
        assert_true(is_err(e, ERR_INTEGRITY) || is_err(e, ERR_MALFORMED));
        sealed.data[i] ^= 0x40;
    }
    for (size_t len = 0; len < sealed.len; len++) {
        bytes cut = bytes_slice(buf_bytes(&sealed), 0, len);
        err e = journal_record_open(cut, NULL, &label_secret, &arena, &record, &ops);
        assert_true(is_err(e, ERR_INTEGRITY) || is_err(e, ERR_MALFORMED));
    }
    buf_free(&sealed);
    arena_free(&arena);
}

static void another_key_does_not_open_it(void **state)
{
    (void)state;
    struct buf sealed;
    struct arena arena;
    struct journal_record record;
    struct secp_secret other = label_secret;
    bytes ops;
    seal_sample(&sealed, JOURNAL_COMMIT);
    arena_init(&arena, MIB(1));
    other.b[31] ^= 1;
    assert_true(is_err(journal_record_open(buf_bytes(&sealed), NULL, &other, &arena, &record, &ops),
                       ERR_INTEGRITY));
    assert_true(is_err(journal_record_open(buf_bytes(&sealed), NULL, NULL, &arena, &record, &ops),
                       ERR_INTEGRITY));
    struct arena small;
    arena_init(&small, 16);
    assert_true(
        is_err(journal_record_open(buf_bytes(&sealed), NULL, &label_secret, &small, &record, &ops),
               ERR_LIMIT));
    arena_free(&small);
    buf_free(&sealed);
    arena_free(&arena);
}

static void an_envelope_is_in_clear(void **state)
{
    (void)state;
    struct buf sealed;
    struct arena arena;
    struct journal_record record;
    bytes body;
    seal_sample(&sealed, JOURNAL_ENVELOPE);
    arena_init(&arena, MIB(1));
    assert_int_equal(sealed.len, JOURNAL_RECORD_HEAD_BYTES + SAMPLE_OPS_BYTES);
    assert_true(is_ok(journal_record_open(buf_bytes(&sealed), NULL, NULL, &arena, &record, &body)));
    assert_int_equal(record.kind, JOURNAL_ENVELOPE);
    assert_int_equal(body.len, SAMPLE_OPS_BYTES);
    buf_free(&sealed);
    arena_free(&arena);
}

static void limits_hold(void **state)
{
    (void)state;
    struct buf out;
    u8 random[JOURNAL_RANDOM_BYTES];
    struct journal_record record = sample();
    size_t most = JOURNAL_RECORD_BYTES_MAX - JOURNAL_RECORD_OVERHEAD;
    u8 *ops = mem_alloc(most + 1);
    fixed_random(random);
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    assert_true(is_err(
        journal_record_seal(&out, &record, bytes_make(ops, most + 1), &label, random), ERR_LIMIT));
    assert_int_equal(out.len, 0);
    assert_true(is_ok(journal_record_seal(&out, &record, bytes_make(ops, most), &label, random)));
    assert_int_equal(out.len, JOURNAL_RECORD_BYTES_MAX);
    struct secp_public no_point = {{2}};
    memset(no_point.b + 1, 0xff, 32);
    buf_clear(&out);
    assert_true(is_err(journal_record_seal(&out, &record, bytes_make(ops, 1), &no_point, random),
                       ERR_FAILED));
    assert_int_equal(out.len, 0);
    buf_free(&out);
    mem_free(ops);
}

static bool op_is_refused(struct journal_op op) { return !journal_op_valid(&op); }

static void operations_have_bounds(void **state)
{
    (void)state;
    static u8 long_key[JOURNAL_KEY_BYTES_MAX + 1];
    bytes fits = bytes_make(long_key, JOURNAL_KEY_BYTES_MAX);
    bytes too_long = bytes_make(long_key, sizeof long_key);
    assert_false(op_is_refused((struct journal_op){.kind = JOURNAL_DELETE, .key = fits}));
    assert_true(op_is_refused((struct journal_op){.kind = JOURNAL_DELETE, .key = too_long}));
    assert_true(op_is_refused((struct journal_op){.kind = JOURNAL_DELETE}));
    assert_true(op_is_refused((struct journal_op){.kind = JOURNAL_CONFIG, .key = fits}));
    assert_true(op_is_refused((struct journal_op){.kind = JOURNAL_PART}));
    assert_true(op_is_refused((struct journal_op){.kind = JOURNAL_PART, .part = 10001}));
    assert_true(op_is_refused((struct journal_op){.kind = (enum journal_op_kind)0}));
    assert_true(op_is_refused((struct journal_op){.kind = (enum journal_op_kind)7}));
}

static void damaged_operations_are_refused(void **state)
{
    (void)state;
    struct buf ops;
    buf_init(&ops, 4096);
    sample_ops(&ops);
    size_t whole = 0;
    for (size_t len = 1; len < ops.len; len++) {
        bytes rest = bytes_slice(buf_bytes(&ops), 0, len);
        struct journal_op op;
        err e = ok();
        while (rest.len > 0 && is_ok(e)) {
            e = journal_op_next(&rest, &op);
        }
        assert_true(is_ok(e) || is_err(e, ERR_MALFORMED));
        whole += is_ok(e);
    }
    assert_int_equal(whole, 5); /* cuts between operations */
    buf_free(&ops);
}

static void snapshot_bodies_round_trip(void **state)
{
    (void)state;
    struct buf out;
    struct journal_snapshot given = {.base_sequence = 5, .entries = 2, .table = bytes_str("table")};
    struct journal_snapshot read;
    memset(&given.base.hash, 0x44, sizeof given.base.hash);
    buf_init(&out, 4096);
    journal_snapshot_write(&out, &given);
    assert_true(is_ok(journal_snapshot_read(&read, buf_bytes(&out))));
    assert_int_equal(read.base_sequence, 5);
    assert_int_equal(read.entries, 2);
    assert_true(bytes_eq_str(read.table, "table"));
    for (size_t len = 0; len < out.len; len++) {
        assert_true(is_err(journal_snapshot_read(&read, bytes_slice(buf_bytes(&out), 0, len)),
                           ERR_MALFORMED));
    }
    buf_free(&out);
}

static void write_live(struct buf *out, u16 first, u16 second)
{
    const struct journal_live live[] = {{.ordinal = first, .mark = 7},
                                        {.ordinal = second, .mark = 0xfffffffe}};
    buf_clear(out);
    journal_live_write(out, &live[0]);
    journal_live_write(out, &live[1]);
}

static void kept_records_round_trip(void **state)
{
    (void)state;
    struct buf out;
    struct buf live;
    struct journal_kept given = {.sequence = 5};
    struct journal_kept read;
    given.head = sample().previous;
    buf_init(&out, 4096);
    buf_init(&live, 64);
    write_live(&live, 3, 65535);
    given.live = buf_bytes(&live);
    journal_kept_write(&out, &given);
    assert_true(is_ok(journal_kept_read(&read, buf_bytes(&out))));
    assert_int_equal(read.sequence, 5);
    assert_true(hash_eq(&read.head.hash, &given.head.hash));
    assert_int_equal(read.live.len, 2 * JOURNAL_LIVE_BYTES);
    assert_int_equal(journal_live_at(&read, 0).ordinal, 3);
    assert_int_equal(journal_live_at(&read, 1).ordinal, 65535);
    assert_int_equal(journal_live_at(&read, 1).mark, 0xfffffffe);
    for (size_t len = 0; len < out.len; len++) {
        assert_true(
            is_err(journal_kept_read(&read, bytes_slice(buf_bytes(&out), 0, len)), ERR_MALFORMED));
    }
    /* In a list of operations, too; not with ordinals that repeat. */
    struct journal_op op = {.kind = JOURNAL_KEPT, .value = buf_bytes(&out)};
    assert_true(journal_op_valid(&op));
    out.data[out.len - JOURNAL_LIVE_BYTES] = 0;
    out.data[out.len - JOURNAL_LIVE_BYTES + 1] = 3;
    assert_false(journal_op_valid(&op));
    assert_true(is_err(journal_kept_read(&read, buf_bytes(&out)), ERR_MALFORMED));
    buf_free(&out);
    buf_free(&live);
}

int main(void)
{
    struct hash seed = {{5}};
    crypto_init(&seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_its_golden_bytes),
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(a_changed_byte_is_found),
        cmocka_unit_test(another_key_does_not_open_it),
        cmocka_unit_test(an_envelope_is_in_clear),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(operations_have_bounds),
        cmocka_unit_test(damaged_operations_are_refused),
        cmocka_unit_test(snapshot_bodies_round_trip),
        cmocka_unit_test(kept_records_round_trip),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
