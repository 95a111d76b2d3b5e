#include "ledger/block/consensus.h"

#include "base/prng.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

#define ARENA_BYTES MIB(16)
#define CHAIN_ID 7200

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

static struct consensus_header sample_header(void)
{
    return (struct consensus_header){
        .chain_id = CHAIN_ID,
        .height = 9,
        .time_ms = 1767225601234,
        .parent_id = {{1}},
        .parent_hash = {{2}},
        .txs_root = {{3}},
        .seats_hash = {{4}},
        .next_seats_hash = {{5}},
        .params_hash = {{6}},
        .proposer = {{7}},
    };
}

/* n seats with known keys; items ascending, secrets in the same order. */
static void make_seats(struct seats *seats, struct secp_secret *secrets, size_t n)
{
    seats->count = n;
    for (size_t i = 0; i < n; i++) {
        u8 key[32] = {[31] = (u8)(i + 1)};
        assert_true(secp_secret_from(&secrets[i], key));
        secp_address_of_secret(&seats->items[i], &secrets[i]);
        for (size_t j = i; j > 0 && memcmp(&seats->items[j - 1], &seats->items[j], 20) > 0; j--) {
            struct address address = seats->items[j];
            struct secp_secret secret = secrets[j];
            seats->items[j] = seats->items[j - 1];
            seats->items[j - 1] = address;
            secrets[j] = secrets[j - 1];
            secrets[j - 1] = secret;
        }
    }
}

static struct certificate certify(const struct consensus_header *header,
                                  const struct secp_secret *secrets, size_t count)
{
    struct certificate certificate = {.height = header->height, .round = 2, .count = count};
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = CHAIN_ID,
                        .height = header->height,
                        .round = 2,
                        .valid_round = VOTE_NO_ROUND};
    struct hash digest;
    consensus_header_id(&vote.block_id, header);
    certificate.block_id = vote.block_id;
    vote_digest(&digest, &vote);
    for (size_t i = 0; i < count; i++) {
        certificate.items[i].seat = (u8)i;
        secp_sign(&certificate.items[i].signature, &secrets[i], &digest);
    }
    return certificate;
}

/* The layout is a format: docs/formats/block.md shows these bytes. */
static void layouts_are_fixed(void **state)
{
    (void)state;
    struct consensus_header header = sample_header();
    struct buf raw;
    struct hash id;
    buf_init(&raw, KIB(4));
    consensus_header_encode(&raw, &header);
    assert_int_equal(raw.len, 4 + 3 * 8 + 7 * 32 + 20);
    assert_memory_equal(raw.data, "\x02\x10\x00\x01", 4);
    consensus_header_id(&id, &header);
    check_hex(BYTES_OF(id), "b160d068b384c44ef636648d5049d5477e55277a1850f84695f9088900b87819");
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = CHAIN_ID,
                        .height = 9,
                        .block_id = id,
                        .valid_round = VOTE_NO_ROUND};
    vote_digest(&id, &vote);
    check_hex(BYTES_OF(id), "19675fc2c330e157967ea2991217ffc2f2988e6b7e2a109376efc9a687abb016");
    buf_free(&raw);
}

static void records_come_back_and_cuts_fail(void **state)
{
    (void)state;
    struct consensus_header header = sample_header();
    struct consensus_header back;
    struct certificate certificate_back;
    struct secp_secret secrets[4];
    struct seats seats;
    struct buf raw;
    struct hash a;
    struct hash b;
    make_seats(&seats, secrets, 4);
    struct certificate certificate = certify(&header, secrets, 3);
    buf_init(&raw, KIB(16));
    consensus_part_encode(&raw, &header, &certificate);
    assert_ok(consensus_part_decode(buf_bytes(&raw), &back, &certificate_back));
    consensus_header_id(&a, &header);
    consensus_header_id(&b, &back);
    assert_true(hash_eq(&a, &b));
    assert_int_equal(certificate_back.count, 3);
    assert_true(certificate_valid(&certificate_back, CHAIN_ID, &seats));
    for (size_t cut = 0; cut < raw.len; cut++) {
        assert_int_equal(
            consensus_part_decode(bytes_make(raw.data, cut), &back, &certificate_back).code,
            ERR_MALFORMED);
    }
    buf_free(&raw);
}

static void quorums(void **state)
{
    (void)state;
    static const size_t expected[] = {0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8};
    for (size_t n = 1; n <= SEATS_MAX; n++) {
        struct seats seats = {.count = n};
        struct secp_secret secrets[SEATS_MAX];
        struct consensus_header header = sample_header();
        assert_int_equal(seats_quorum(&seats), expected[n]);
        make_seats(&seats, secrets, n);
        for (size_t signers = 0; signers <= n; signers++) {
            struct certificate certificate = certify(&header, secrets, signers);
            assert_int_equal(certificate_valid(&certificate, CHAIN_ID, &seats),
                             signers >= expected[n]);
        }
    }
}

static void forged_certificates_fail(void **state)
{
    (void)state;
    struct consensus_header header = sample_header();
    struct secp_secret secrets[4];
    struct seats seats;
    make_seats(&seats, secrets, 4);
    struct certificate good = certify(&header, secrets, 3);
    struct certificate bad = good;
    assert_true(certificate_valid(&good, CHAIN_ID, &seats));
    assert_false(certificate_valid(&good, CHAIN_ID + 1, &seats));
    bad.items[1].seat = 0; /* the same seat twice */
    bad.items[1].signature = bad.items[0].signature;
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.height++;
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.round++;
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.block_id.b[0] ^= 1;
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.items[2].seat = 3; /* signed by another seat */
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.items[2].seat = 4; /* no such seat */
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    bad = good;
    bad.items[0].signature.b[64] = 27; /* v must be 0 or 1 */
    assert_false(certificate_valid(&bad, CHAIN_ID, &seats));
    struct seats none = {.count = 0};
    assert_false(certificate_valid(&good, CHAIN_ID, &none));
}

static void decided_blocks_come_back(void **state)
{
    (void)state;
    struct arena arena;
    struct secp_secret secrets[1];
    struct seats seats;
    struct decided decided = {.header = sample_header()};
    struct decided back;
    struct buf raw;
    bool consistent;
    bytes items[2] = {bytes_str("\x02\xc1\x01"), bytes_str("\xc2\x01\x02")};
    arena_init(&arena, ARENA_BYTES);
    make_seats(&seats, secrets, 1);
    decided.txs = (struct block_txs){.items = items, .count = 2};
    assert_ok(block_txs_root(&decided.txs, &decided.header.txs_root));
    decided.certificate = certify(&decided.header, secrets, 1);
    buf_init(&raw, DECIDED_BYTES_MAX);
    decided_encode(&raw, &decided);
    assert_ok(buf_done(&raw));
    assert_ok(decided_decode(&arena, buf_bytes(&raw), &back));
    assert_int_equal(back.txs.count, 2);
    assert_true(bytes_eq(back.txs.items[1], items[1]));
    assert_ok(decided_consistent(&back, &consistent));
    assert_true(consistent);
    back.txs.count = 1;
    assert_ok(decided_consistent(&back, &consistent));
    assert_false(consistent);
    back.txs.count = 2;
    back.certificate.height++;
    assert_ok(decided_consistent(&back, &consistent));
    assert_false(consistent);
    for (size_t cut = 0; cut < raw.len; cut++) {
        assert_false(is_ok(decided_decode(&arena, bytes_make(raw.data, cut), &back)));
    }
    buf_free(&raw);
    arena_free(&arena);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_fixed),
        cmocka_unit_test(quorums),
        cmocka_unit_test(records_come_back_and_cuts_fail),
        cmocka_unit_test(forged_certificates_fail),
        cmocka_unit_test(decided_blocks_come_back),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
