#include "ledger/app/restore.h"

#include "tests/support/ledger.h"

static void snapshot_now(struct ledger *chain, const char *parent)
{
    struct app_snapshot *snapshot;
    bool done = false;
    assert_ok(app_snapshot_begin(chain->app, parent, &snapshot));
    while (!done) {
        assert_ok(app_snapshot_step(snapshot, &done));
    }
    assert_int_equal(app_snapshot_height(snapshot), app_info_now(chain->app).height);
    app_snapshot_free(snapshot);
}

static void some_blocks(struct ledger *chain, u64 first_nonce)
{
    struct address friend = {{9}};
    for (u64 i = 0; i < 3; i++) {
        assert_int_equal(submit(chain, call_tx(first_nonce + i, &friend, 1000, bytes_str(""))),
                         TX_VALID);
        next_block(chain);
    }
}

struct scene {
    struct ledger chain;
    struct ledger copy;
    char parent[96];
    char folder[128];
    struct hash trusted;
};

static void scene_init(struct scene *scene)
{
    ledger_init(&scene->chain);
    ledger_init(&scene->copy);
    snprintf(scene->parent, sizeof scene->parent, "%s/snapshots", scene->chain.dir);
    some_blocks(&scene->chain, 0);
    snapshot_now(&scene->chain, scene->parent);
    snprintf(scene->folder, sizeof scene->folder, "%s/3", scene->parent);
    scene->trusted = app_info_now(scene->chain.app).app_hash;
    app_close(scene->copy.app);
    scene->copy.app = NULL;
    assert_ok(dir_remove_all(scene->copy.dir));
}

static void scene_free(struct scene *scene)
{
    ledger_free(&scene->chain);
    ledger_free(&scene->copy);
}

static err restore(struct scene *scene)
{
    struct app_options options = {
        .dir = scene->copy.dir, .genesis = bytes_str(scene->copy.genesis), .no_sync = true};
    return app_restore(&options, scene->folder, &scene->trusted);
}

static void a_restored_ledger_goes_on(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    assert_ok(restore(&scene));
    ledger_open(&scene.copy);
    struct app_info info = app_info_now(scene.chain.app);
    struct app_info copied = app_info_now(scene.copy.app);
    assert_same_info(&info, &copied);
    some_blocks(&scene.chain, 3);
    some_blocks(&scene.copy, 3);
    info = app_info_now(scene.chain.app);
    copied = app_info_now(scene.copy.app);
    assert_same_info(&info, &copied);
    assert_int_equal(restore(&scene).code, ERR_BUSY);
    app_close(scene.copy.app);
    scene.copy.app = NULL;
    assert_int_equal(restore(&scene).code, ERR_EXISTS);
    scene_free(&scene);
}

static void only_the_trusted_block_is_restored(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    scene.trusted.b[3] ^= 1;
    assert_int_equal(restore(&scene).code, ERR_REFUSED);
    scene.trusted.b[3] ^= 1;
    assert_ok(restore(&scene)); /* what was refused left nothing behind */
    scene_free(&scene);
}

/* Any changed byte of any file is found, and a missing file too. */
static void damage_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene);
    static const char *const names[] = {"block", "000000.part"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[160];
        struct arena arena;
        bytes content;
        snprintf(path, sizeof path, "%s/%s", scene.folder, names[i]);
        arena_init(&arena, MIB(4));
        assert_ok(file_load(path, &arena, &content));
        u8 *bad = arena_alloc(&arena, content.len);
        assert_non_null(bad);
        for (size_t at = 0; at < content.len; at += 1 + content.len / 23) {
            memcpy(bad, content.data, content.len);
            bad[at] ^= 0x41;
            assert_ok(file_replace(path, bytes_make(bad, content.len)));
            assert_int_equal(restore(&scene).code, ERR_REFUSED);
        }
        assert_ok(file_remove(path));
        assert_true(!is_ok(restore(&scene)));
        assert_ok(file_replace(path, content));
        arena_free(&arena);
    }
    assert_ok(restore(&scene));
    scene_free(&scene);
}

static void two_snapshots_are_kept(void **state)
{
    (void)state;
    struct scene scene;
    char path[160];
    scene_init(&scene);
    for (u64 i = 1; i < 4; i++) {
        some_blocks(&scene.chain, 3 * i);
        snapshot_now(&scene.chain, scene.parent);
    }
    for (int height = 3; height <= 12; height += 3) {
        snprintf(path, sizeof path, "%s/%d/block", scene.parent, height);
        assert_int_equal(file_exists(path), height >= 9);
    }
    scene_free(&scene);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    vault_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_ledger_goes_on),
        cmocka_unit_test(only_the_trusted_block_is_restored),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(two_snapshots_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
