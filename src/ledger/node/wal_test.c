#include "ledger/node/wal.h"

#include "base/mem.h"
#include "tests/support/test_ledger.h"

struct log_world {
    char dir[64];
    char path[PATH_BYTES_MAX];
    struct wal *wal;
    struct arena arena;
    struct secp_secret seat;
};

static void reopen(struct log_world *world)
{
    wal_close(world->wal);
    test_ok(wal_open(world->path, &world->wal));
    arena_free(&world->arena);
}

static struct log_world *world_new(void)
{
    struct log_world *world = test_calloc(1, sizeof *world);
    u8 seat[32] = {[31] = 1};
    assert_true(secp_secret_from(&world->seat, seat));
    snprintf(world->dir, sizeof world->dir, "/tmp/cairn-wal-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    path_join(world->path, world->dir, "decided");
    arena_init(&world->arena, 4 * WAL_SLOT_BYTES);
    test_ok(wal_open(world->path, &world->wal));
    return world;
}

static void world_free(struct log_world *world)
{
    wal_close(world->wal);
    arena_free(&world->arena);
    test_ok(dir_remove_all(world->dir));
    test_free(world);
}

static struct decided block_at(const struct log_world *world, u64 height,
                               const struct block_txs *txs)
{
    struct decided decided = {.txs = *txs};
    struct hash digest;
    decided.header = (struct consensus_header){
        .chain_id = TEST_CHAIN_ID, .height = height, .time_ms = height * 1000};
    test_ok(block_txs_root(txs, &decided.header.txs_root));
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = TEST_CHAIN_ID,
                        .height = height,
                        .valid_round = VOTE_NO_ROUND};
    consensus_header_id(&vote.block_id, &decided.header);
    vote_digest(&digest, &vote);
    decided.certificate =
        (struct certificate){.height = height, .block_id = vote.block_id, .count = 1};
    secp_sign(&decided.certificate.items[0].signature, &world->seat, &digest);
    return decided;
}

static void write_block(struct log_world *world, u64 height, size_t tx_bytes)
{
    u8 *data = mem_alloc(tx_bytes + 1);
    bytes item = bytes_make(data, tx_bytes);
    struct block_txs txs = {&item, tx_bytes > 0 ? 1 : 0};
    memset(data, 0xaa, tx_bytes + 1);
    data[0] = TX_DYNAMIC_FEE;
    struct decided decided = block_at(world, height, &txs);
    test_ok(wal_write(world->wal, &decided));
    mem_free(data);
}

static void expect_last(struct log_world *world, u64 height)
{
    struct decided decided;
    reopen(world);
    err e = wal_last(world->wal, &world->arena, &decided);
    if (height == 0) {
        assert_string_equal(err_name(e), "NOT_FOUND");
    } else {
        test_ok(e);
        assert_int_equal(decided.header.height, height);
    }
}

static void the_last_block_is_found(void **state)
{
    (void)state;
    struct log_world *world = world_new();
    expect_last(world, 0);
    write_block(world, 1, 0);
    expect_last(world, 1);
    write_block(world, 2, 100);
    expect_last(world, 2);
    write_block(world, 3, 10);
    expect_last(world, 3);
    write_block(world, 4, BLOCK_BODY_BYTES_MAX - 100);
    expect_last(world, 4);
    write_block(world, 5, 0);
    write_block(world, 6, 0);
    expect_last(world, 6);
    world_free(world);
}

static void change_byte(struct log_world *world, u64 offset)
{
    struct file *file;
    u8 byte;
    test_ok(file_open(world->path, FILE_WRITE, &file));
    test_ok(file_read_at(file, offset, &byte, 1));
    byte ^= 0x40;
    test_ok(file_write_at(file, offset, BYTES_OF(byte)));
    file_close(file);
}

/* Any damaged byte of an entry makes it one that was never finished; the one before stays. */
static void torn_entries_do_not_count(void **state)
{
    (void)state;
    struct log_world *world = world_new();
    u64 size;
    struct file *file;
    write_block(world, 2, 50); /* slot 0: the file ends with slot 1 */
    write_block(world, 3, 50);
    test_ok(file_open(world->path, FILE_READ, &file));
    test_ok(file_size(file, &size));
    file_close(file);
    for (u64 at = WAL_SLOT_BYTES; at < size; at++) {
        change_byte(world, at);
        expect_last(world, 2);
        change_byte(world, at);
    }
    expect_last(world, 3);
    for (u64 end = size - 1; end > WAL_SLOT_BYTES; end -= min_u64(end - WAL_SLOT_BYTES, 37)) {
        test_ok(file_open(world->path, FILE_WRITE, &file));
        test_ok(file_truncate(file, end));
        file_close(file);
        expect_last(world, 2);
    }
    change_byte(world, 0);
    expect_last(world, 0);
    world_free(world);
}

/* A whole entry, as its digest says, that is no consistent block: somebody has to look at that. */
static void wrong_blocks_are_faults(void **state)
{
    (void)state;
    struct log_world *world = world_new();
    struct block_txs none = {0};
    struct decided decided = block_at(world, 7, &none);
    struct decided found;
    decided.header.txs_root.b[0] ^= 1;
    test_ok(wal_write(world->wal, &decided));
    reopen(world);
    assert_string_equal(err_name(wal_last(world->wal, &world->arena, &found)), "INTEGRITY");
    world_free(world);
}

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_block_is_found),
        cmocka_unit_test(torn_entries_do_not_count),
        cmocka_unit_test(wrong_blocks_are_faults),
    };
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
