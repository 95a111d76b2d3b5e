#include "base/mem.h"
#include "base/prng.h"
#include "crypto/merkle.h"
#include "data/fragment_writer.h"
#include "storage/shelf.h"
#include "storage/shelf_internal.h"
#include "tests/support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHO 7

static char root[] = "/tmp/cairn-shelf-test-XXXXXX";

struct world {
    struct loop *loop;
    struct shelf *shelf;
    const char *name; /* of the folder */
    u64 capacity;
    u64 reserve;
    bool two_disks;
    void (*fn)(struct world *world);
};

static const struct address who = {.b = {WHO}};

static void open_shelf(struct world *world)
{
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    char base[PATH_BYTES_MAX];
    path_join(base, root, world->name);
    path_join(first, base, "a");
    path_join(second, base, "b");
    const char *paths[] = {first, second};
    const struct shelf_options options = {.paths = paths,
                                          .path_count = world->two_disks ? 2 : 1,
                                          .capacity_bytes = world->capacity,
                                          .reserve_bytes = world->reserve};
    assert_true(is_ok(shelf_open(world->loop, &options, &world->shelf)));
}

static void reopen(struct world *world)
{
    shelf_close(world->shelf);
    open_shelf(world);
}

static void world_main(void *arg)
{
    struct world *world = arg;
    open_shelf(world);
    world->fn(world);
    shelf_close(world->shelf);
    loop_stop(world->loop);
}

static void run_world(struct world *world)
{
    world->capacity = world->capacity != 0 ? world->capacity : GIB(1);
    world->reserve = world->reserve != 0 ? world->reserve : 1;
    assert_true(is_ok(loop_open(&world->loop, 2)));
    assert_true(is_ok(fiber_start(world->loop, "test", world_main, world)));
    loop_run(world->loop);
    loop_close(world->loop);
}

/* RUN(function, .field = value…) */
#define RUN(...)                                                                                   \
    do {                                                                                           \
        struct world world_ = {.name = __func__, .fn = __VA_ARGS__};                               \
        run_world(&world_);                                                                        \
    } while (0)

/* ---- fragments ---- */

static struct fragment_key key_of(u64 number)
{
    return (struct fragment_key){.segment = {3, 1, number}, .index = (u8)(number % 6)};
}

/* The bytes of fragment `number`: a multiple of 64. */
static void fill(u8 *out, u32 len, u64 number)
{
    struct prng prng;
    prng_init(&prng, number * 77 + len);
    prng_fill(&prng, out, len);
}

static struct shelf_entry entry_of(u64 number, u32 len, const u8 *data, u64 deadline)
{
    struct shelf_entry entry = {.deadline = deadline, .added = 5, .who = who};
    struct fragment_writer writer;
    struct fragment_key key = key_of(number);
    entry.seal.key = key.segment;
    entry.seal.class_number = RS_2_4;
    entry.seal.length = 2 * len;
    entry.index = key.index;
    fragment_writer_init(&writer, NULL, 0);
    assert_true(is_ok(fragment_writer_add(&writer, bytes_make(data, len))));
    fragment_writer_finish(&writer, &entry.seal.roots[key.index]);
    entry.seal.roots[(key.index + 1) % 6].b[0] = (u8)(number | 1);
    return entry;
}

/* In small pieces, or in as large ones as there is room for. */
static err feed(struct shelf_writer *writer, const u8 *data, u32 len)
{
    u64 piece = len % 128 == 0 ? UINT64_MAX : 10000;
    for (u32 at = 0;;) {
        u8 *room;
        size_t cap;
        TRY(shelf_writer_room(writer, &room, &cap));
        u32 n = (u32)min_u64(min_u64(cap, piece), len - at);
        memcpy(room, data + at, n);
        shelf_writer_took(writer, n);
        if (n == 0) {
            return ok();
        }
        at += n;
    }
}

static err put_bytes(struct shelf *shelf, const struct shelf_entry *entry, const u8 *data, u32 len)
{
    struct shelf_writer *writer;
    struct hash got;
    struct fragment_key key = entry_key(entry);
    TRY(shelf_writer_open(shelf, &key, &writer));
    err e = feed(writer, data, len);
    if (is_ok(e)) {
        e = shelf_writer_root(writer, &got);
    }
    if (!is_ok(e)) {
        shelf_writer_abort(writer);
        return e;
    }
    assert_true(hash_eq(&got, entry_root(entry)));
    return shelf_writer_commit(writer, entry);
}

static err put(struct shelf *shelf, u64 number, u32 len, u64 deadline)
{
    u8 *data = mem_alloc(len);
    fill(data, len, number);
    struct shelf_entry entry = entry_of(number, len, data, deadline);
    err e = put_bytes(shelf, &entry, data, len);
    mem_free(data);
    return e;
}

static void must_put(struct shelf *shelf, u64 number, u32 len)
{
    assert_int_equal(put(shelf, number, len, 1000).code, ERR_OK);
}

/* Reads all runs, verifies each against the root and compares. */
static err read_back(struct shelf *shelf, u64 number, u32 len)
{
    struct shelf_reader *reader = NULL;
    struct fragment_key key = key_of(number);
    u8 *data = mem_alloc(len);
    fill(data, len, number);
    err e = shelf_reader_open(shelf, &key, &reader);
    if (is_ok(e) && number % 2 == 0) {
        shelf_reader_plan(reader, run_count(len));
    }
    for (u32 i = 0; is_ok(e) && i < run_count(len); i++) {
        struct shelf_run run;
        e = shelf_reader_run(reader, i, &run);
        if (is_ok(e)) {
            assert_int_equal(run.len, run_length(len, i));
            assert_memory_equal(run.data, data + (size_t)i * RUN_BYTES, run.len);
            memset(run.data - SHELF_RUN_HEADROOM, 0xee, SHELF_RUN_HEADROOM);
            assert_true(fragment_range_verify(entry_root(shelf_reader_entry(reader)), len,
                                              i * (u32)RUN_BYTES, bytes_make(run.data, run.len),
                                              run.path, run.path_len));
            e = shelf_reader_check(reader, i);
        }
    }
    shelf_reader_close(reader);
    mem_free(data);
    return e;
}

static void must_read(struct shelf *shelf, u64 number, u32 len)
{
    assert_int_equal(read_back(shelf, number, len).code, ERR_OK);
}

static void check_totals(struct shelf *shelf, u64 fragments, u64 size, u64 open)
{
    struct shelf_totals totals = shelf_totals(shelf);
    assert_int_equal(totals.fragments, fragments);
    assert_int_equal(totals.bytes, size);
    assert_int_equal(totals.open_bytes, open);
    assert_int_equal(totals.reserved_bytes, 0);
    assert_int_equal(shelf_open_bytes(shelf, &who), open);
}

static const u32 sizes[] = {64,
                            4096,
                            RUN_BYTES - 64,
                            RUN_BYTES,
                            RUN_BYTES + 64,
                            2 * RUN_BYTES,
                            3 * RUN_BYTES,
                            3 * RUN_BYTES + 64,
                            5 * RUN_BYTES + 4096 + 64,
                            7 * RUN_BYTES,
                            FRAGMENT_BYTES_MAX - RUN_BYTES};

static void fragments_come_back_fn(struct world *world)
{
    u64 sum = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        must_put(world->shelf, i, sizes[i]);
        sum += sizes[i];
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            must_read(world->shelf, i, sizes[i]);
        }
        check_totals(world->shelf, COUNT_OF(sizes), sum, sum);
        reopen(world);
    }
    assert_int_equal(read_back(world->shelf, 99, 64).code, ERR_NOT_FOUND);
}

static void fragments_come_back(void **state)
{
    (void)state;
    RUN(fragments_come_back_fn);
}

static void same_again_other_again_fn(struct world *world)
{
    u8 data[4096];
    struct shelf_entry entry;
    struct fragment_key key = key_of(4);
    must_put(world->shelf, 4, 4096);
    assert_true(is_ok(put(world->shelf, 4, 4096, 2000)));
    assert_true(is_ok(shelf_find(world->shelf, &key, &entry)));
    assert_int_equal(entry.deadline, 2000);
    assert_true(is_ok(put(world->shelf, 4, 4096, 1500))); /* never backwards */
    assert_true(is_ok(shelf_find(world->shelf, &key, &entry)));
    assert_int_equal(entry.deadline, 2000);
    check_totals(world->shelf, 1, 4096, 4096);
    fill(data, sizeof data, 1234);
    entry = entry_of(4, sizeof data, data, 1000);
    assert_true(is_err(put_bytes(world->shelf, &entry, data, sizeof data), ERR_CONFLICT));
    must_read(world->shelf, 4, 4096);
    check_totals(world->shelf, 1, 4096, 4096);
}

static void same_again_other_again(void **state)
{
    (void)state;
    RUN(same_again_other_again_fn);
}

static void states_and_quotas_fn(struct world *world)
{
    struct shelf *shelf = world->shelf;
    struct fragment_key found;
    struct fragment_key key = key_of(2);
    struct shelf_entry entry;
    size_t applied;
    must_put(shelf, 1, 4096);
    must_put(shelf, 2, 2 * RUN_BYTES);
    struct shelf_change change = {.kind = SHELF_HOLD, .key = key, .position = 11};
    assert_true(is_ok(shelf_change(shelf, &change, 1, &applied)));
    assert_int_equal(applied, 1);
    check_totals(shelf, 2, 4096 + 2 * RUN_BYTES, 4096);
    assert_true(is_ok(shelf_at(shelf, 11, &found)));
    assert_true(fragment_key_eq(&found, &key));
    /* Held at another place: the old position names nothing any more. */
    change.position = 12;
    assert_true(is_ok(shelf_change(shelf, &change, 1, NULL)));
    assert_true(is_err(shelf_at(shelf, 11, &found), ERR_NOT_FOUND));
    change = (struct shelf_change){.kind = SHELF_UNHOLD, .key = key, .position = 11};
    assert_true(is_ok(shelf_change(shelf, &change, 1, NULL))); /* stale: nothing happens */
    assert_true(is_ok(shelf_find(shelf, &key, &entry)));
    assert_int_equal(entry.state, ENTRY_HELD);
    change.position = 12;
    reopen(world);
    shelf = world->shelf;
    check_totals(shelf, 2, 4096 + 2 * RUN_BYTES, 4096);
    assert_true(is_ok(shelf_change(shelf, &change, 1, NULL)));
    check_totals(shelf, 2, 4096 + 2 * RUN_BYTES, 4096 + 2 * RUN_BYTES);
    change = (struct shelf_change){.kind = SHELF_ABANDON, .key = key};
    assert_true(is_ok(shelf_change(shelf, &change, 1, NULL)));
    assert_true(is_ok(shelf_find(shelf, &key, &entry)));
    assert_int_equal(entry.state, ENTRY_ABANDONED);
    change = (struct shelf_change){.kind = SHELF_RENEW, .key = key, .deadline = 3000};
    assert_true(is_ok(shelf_change(shelf, &change, 1, NULL)));
    assert_true(is_ok(shelf_find(shelf, &key, &entry)));
    assert_int_equal(entry.state, ENTRY_OPEN);
    assert_int_equal(entry.deadline, 3000);
    change.key = key_of(77);
    assert_true(is_ok(shelf_change(shelf, &change, 1, &applied)));
    assert_int_equal(applied, 0);
}

static void states_and_quotas(void **state)
{
    (void)state;
    RUN(states_and_quotas_fn);
}

static void dropping_fn(struct world *world)
{
    struct shelf *shelf = world->shelf;
    struct fragment_key keys[] = {key_of(0), key_of(1), key_of(2), key_of(50)};
    struct fragment_key found;
    size_t dropped;
    char path[PATH_BYTES_MAX];
    must_put(shelf, 0, 4096);
    must_put(shelf, 1, 3 * RUN_BYTES);
    must_put(shelf, 2, 64);
    const struct shelf_change hold = {.kind = SHELF_HOLD, .key = keys[1], .position = 3};
    assert_true(is_ok(shelf_change(shelf, &hold, 1, NULL)));
    disk_fragment_path(shelf_disk(shelf, 0), &keys[1], path);
    assert_true(file_exists(path));
    assert_true(is_ok(shelf_drop(shelf, keys, 4, 999, &dropped)));
    assert_int_equal(dropped, 0); /* a receipt is out until 1000 */
    assert_true(is_ok(shelf_drop(shelf, keys, 4, 1000, &dropped)));
    assert_int_equal(dropped, 3);
    assert_false(file_exists(path));
    check_totals(shelf, 0, 0, 0);
    assert_true(is_err(shelf_at(shelf, 3, &found), ERR_NOT_FOUND));
    must_put(shelf, 1, 3 * RUN_BYTES);
    must_read(shelf, 1, 3 * RUN_BYTES);
    reopen(world);
    check_totals(world->shelf, 1, 3 * RUN_BYTES, 3 * RUN_BYTES);
}

static void dropping(void **state)
{
    (void)state;
    RUN(dropping_fn);
}

static void lists_fn(struct world *world)
{
    enum { COUNT = 150, PAGE = 64 };
    struct shelf_entry *page = mem_alloc_array(PAGE, sizeof *page);
    struct fragment_key last = {0};
    struct segment_key segment = {3, 1, 77};
    size_t seen = 0;
    size_t count = PAGE;
    for (u64 i = 0; i < COUNT; i++) {
        must_put(world->shelf, i, 128);
    }
    const struct shelf_change hold = {.kind = SHELF_HOLD, .key = key_of(10), .position = 0};
    assert_true(is_ok(shelf_change(world->shelf, &hold, 1, NULL)));
    while (count == PAGE) {
        assert_true(is_ok(shelf_list(world->shelf, seen == 0 ? NULL : &last, page, PAGE, &count)));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(page[i].seal.key.number, seen);
            last = entry_key(&page[i]);
            seen++;
        }
    }
    assert_int_equal(seen, COUNT);
    last = key_of(9);
    assert_true(is_ok(shelf_list_open(world->shelf, &last, page, PAGE, &count)));
    assert_int_equal(page[0].seal.key.number, 11);
    assert_true(is_ok(shelf_find_segment(world->shelf, &segment, page)));
    assert_int_equal(page[0].index, key_of(77).index);
    segment.number = COUNT;
    assert_true(is_err(shelf_find_segment(world->shelf, &segment, page), ERR_NOT_FOUND));
    mem_free(page);
}

static void lists(void **state)
{
    (void)state;
    RUN(lists_fn);
}

static void capacity_is_exact_fn(struct world *world)
{
    must_put(world->shelf, 1, 10 * 4096);
    assert_true(is_err(put(world->shelf, 2, 6 * 4096 + 64, 1000), ERR_NO_SPACE));
    check_totals(world->shelf, 1, 10 * 4096, 10 * 4096);
    must_put(world->shelf, 3, 6 * 4096); /* fills it to the byte */
    assert_true(is_err(put(world->shelf, 4, 64, 1000), ERR_NO_SPACE));
    struct fragment_key key = key_of(1);
    assert_true(is_ok(shelf_drop(world->shelf, &key, 1, UINT64_MAX, NULL)));
    must_put(world->shelf, 4, 64);
    check_totals(world->shelf, 2, 6 * 4096 + 64, 6 * 4096 + 64);
}

static void capacity_is_exact(void **state)
{
    (void)state;
    RUN(capacity_is_exact_fn, .capacity = 16 * 4096);
}

static void a_full_disk_is_a_state_fn(struct world *world)
{
    /* More is to stay free than there is. */
    assert_int_equal(shelf_disk(world->shelf, 0)->state, DISK_FULL);
    assert_true(is_err(put(world->shelf, 1, 64, 1000), ERR_NO_SPACE));
    shelf_close(world->shelf);
    world->reserve = 1;
    open_shelf(world);
    must_put(world->shelf, 1, 64);
}

static void a_full_disk_is_a_state(void **state)
{
    (void)state;
    RUN(a_full_disk_is_a_state_fn, .reserve = UINT64_MAX);
}

static void flip(const char *path, u64 offset)
{
    struct file *file;
    u8 byte;
    assert_true(is_ok(file_open(path, FILE_WRITE, &file)));
    assert_true(is_ok(file_read_at(file, offset, &byte, 1)));
    byte ^= 0x40;
    assert_true(is_ok(file_write_at(file, offset, bytes_make(&byte, 1))));
    file_close(file);
}

static void rot_is_found_fn(struct world *world)
{
    enum { LEN = 3 * RUN_BYTES + 128 };
    struct fragment_key key = key_of(5);
    struct shelf_reader *reader;
    char path[PATH_BYTES_MAX];
    must_put(world->shelf, 5, LEN);
    disk_fragment_path(shelf_disk(world->shelf, 0), &key, path);
    flip(path, 2 * RUN_BYTES + 17); /* in the data */
    assert_true(is_ok(shelf_reader_open(world->shelf, &key, &reader)));
    assert_true(is_ok(shelf_reader_check(reader, 1)));
    assert_true(is_err(shelf_reader_check(reader, 2), ERR_INTEGRITY));
    shelf_reader_close(reader);
    flip(path, 2 * RUN_BYTES + 17);
    must_read(world->shelf, 5, LEN);
    flip(path, LEN + 40); /* in the tree */
    assert_true(is_err(shelf_reader_open(world->shelf, &key, &reader), ERR_INTEGRITY));
    flip(path, LEN + 40);
    assert_int_equal(truncate(path, LEN), 0);
    assert_true(is_err(shelf_reader_open(world->shelf, &key, &reader), ERR_INTEGRITY));
    assert_int_equal(unlink(path), 0);
    assert_true(is_err(shelf_reader_open(world->shelf, &key, &reader), ERR_INTEGRITY));
}

static void rot_is_found(void **state)
{
    (void)state;
    RUN(rot_is_found_fn);
}

static void disks_are_known_by_their_id_fn(struct world *world)
{
    struct shelf_reader *reader;
    char base[PATH_BYTES_MAX];
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    char aside[PATH_BYTES_MAX];
    struct fragment_key on_b = {0};
    size_t files_b = 0;
    for (u64 i = 0; i < 6; i++) {
        must_put(world->shelf, i, 2 * RUN_BYTES);
    }
    path_join(base, root, world->name);
    path_join(first, base, "a");
    path_join(second, base, "b");
    path_join(aside, base, "aside");
    /* Both are on one file system, so any of the two may have got the files: move one over. */
    assert_int_equal(shelf_disk_count(world->shelf), 2);
    for (u64 i = 0; i < 6; i++) {
        struct shelf_entry entry;
        struct fragment_key key = key_of(i);
        assert_true(is_ok(shelf_find(world->shelf, &key, &entry)));
        if (strcmp(shelf_disk(world->shelf, entry.place)->path, second) == 0) {
            files_b++;
            on_b = key;
        }
    }
    shelf_close(world->shelf);
    assert_int_equal(rename(second, aside), 0);
    world->two_disks = false;
    open_shelf(world);
    assert_int_equal(shelf_disk_count(world->shelf), 2);
    if (files_b > 0) {
        assert_int_equal(shelf_disk(world->shelf, 1)->state, DISK_ABSENT);
        assert_true(is_err(shelf_reader_open(world->shelf, &on_b, &reader), ERR_NOT_FOUND));
    }
    shelf_close(world->shelf);
    assert_int_equal(rename(aside, second), 0);
    world->two_disks = true;
    open_shelf(world);
    for (u64 i = 0; i < 6; i++) {
        must_read(world->shelf, i, 2 * RUN_BYTES);
    }
}

static void disks_are_known_by_their_id(void **state)
{
    (void)state;
    RUN(disks_are_known_by_their_id_fn, .two_disks = true);
}

/* ---- real file systems that are full or read-only; only root can make them ---- */

static bool mount_small(const char *path, unsigned mib)
{
    char option[32];
    snprintf(option, sizeof option, "size=%um", mib);
    assert_true(is_ok(dir_make(path)));
    if (mount("cairn-test", path, "tmpfs", 0, option) != 0) {
        print_message("skipped: this user cannot mount a small file system\n");
        return false;
    }
    return true;
}

static void disk_paths(struct world *world, char first[PATH_BYTES_MAX], char second[PATH_BYTES_MAX])
{
    char base[PATH_BYTES_MAX];
    path_join(base, root, world->name);
    path_join(first, base, "a");
    path_join(second, base, "b");
}

static u8 place_of(struct shelf *shelf, u64 number)
{
    struct shelf_entry entry;
    struct fragment_key key = key_of(number);
    assert_true(is_ok(shelf_find(shelf, &key, &entry)));
    return entry.place;
}

static void a_read_only_disk_is_a_state_fn(struct world *world)
{
    enum { LEN = 2 * RUN_BYTES };
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    disk_paths(world, first, second);
    must_put(world->shelf, 1, LEN);
    assert_int_equal(place_of(world->shelf, 1), 1); /* it has more room */
    assert_int_equal(mount(NULL, second, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    must_put(world->shelf, 2, LEN); /* the other one takes over */
    assert_int_equal(place_of(world->shelf, 2), 0);
    assert_int_equal(shelf_disk(world->shelf, 1)->state, DISK_FAILING);
    must_read(world->shelf, 1, LEN);
    shelf_probe(world->shelf);
    assert_int_equal(shelf_disk(world->shelf, 1)->state, DISK_FAILING);
    assert_int_equal(mount(NULL, second, NULL, MS_REMOUNT, NULL), 0);
    shelf_probe(world->shelf);
    assert_int_equal(shelf_disk(world->shelf, 1)->state, DISK_FINE);
    must_put(world->shelf, 3, LEN);
    assert_int_equal(place_of(world->shelf, 3), 1);
}

static void a_read_only_disk_is_a_state(void **state)
{
    (void)state;
    struct world world = {.name = __func__};
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    disk_paths(&world, first, second);
    if (mount_small(first, 16)) {
        assert_true(mount_small(second, 32));
        RUN(a_read_only_disk_is_a_state_fn, .two_disks = true);
        umount(second);
        umount(first);
    }
}

/* Fills the file system to its end, far past what a node would let happen. */
static void no_room_at_all_fn(struct world *world)
{
    struct fragment_key key = key_of(0);
    u64 count = 0;
    err e = ok();
    while (is_ok(e)) {
        e = put(world->shelf, count, 3 * RUN_BYTES, 1000);
        count += is_ok(e);
    }
    assert_true(is_err(e, ERR_NO_SPACE));
    assert_true(count > 20);
    assert_int_equal(shelf_disk(world->shelf, 0)->state, DISK_FULL);
    check_totals(world->shelf, count, count * 3 * RUN_BYTES, count * 3 * RUN_BYTES);
    must_read(world->shelf, 0, 3 * RUN_BYTES);
    must_read(world->shelf, count - 1, 3 * RUN_BYTES);
    assert_true(is_ok(shelf_drop(world->shelf, &key, 1, UINT64_MAX, NULL)));
    shelf_probe(world->shelf);
    assert_int_equal(shelf_disk(world->shelf, 0)->state, DISK_FINE);
    must_put(world->shelf, 0, 2 * RUN_BYTES);
    reopen(world);
    must_read(world->shelf, 0, 2 * RUN_BYTES);
    must_read(world->shelf, count - 1, 3 * RUN_BYTES);
}

static void no_room_at_all(void **state)
{
    (void)state;
    struct world world = {.name = __func__};
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    disk_paths(&world, first, second);
    if (mount_small(first, 8)) {
        RUN(no_room_at_all_fn, .reserve = KIB(64));
        umount(first);
    }
}

/* The index itself finds no room: a state, too. */
static void no_room_for_the_index_fn(struct world *world)
{
    u64 count = 0;
    err e = ok();
    while (is_ok(e)) {
        e = put(world->shelf, count, RUN_BYTES, 1000);
        count += is_ok(e);
    }
    assert_true(is_err(e, ERR_NO_SPACE));
    assert_int_equal(shelf_index_state(world->shelf), DISK_FULL);
    check_totals(world->shelf, count, count * RUN_BYTES, count * RUN_BYTES);
    must_read(world->shelf, count - 1, RUN_BYTES);
    assert_true(is_err(put(world->shelf, count, 64, 1000), ERR_NO_SPACE));
    reopen(world);
    must_read(world->shelf, count - 1, RUN_BYTES);
}

static void no_room_for_the_index(void **state)
{
    (void)state;
    struct world world = {.name = __func__};
    char first[PATH_BYTES_MAX];
    char second[PATH_BYTES_MAX];
    disk_paths(&world, first, second);
    if (mount_small(first, 8)) {
        RUN(no_room_for_the_index_fn, .reserve = 1);
        umount(first);
    }
}

/* What a crash between the steps of a commit leaves: files without an entry. */
static void leftovers_go_fn(struct world *world)
{
    char incoming[PATH_BYTES_MAX];
    char stray[PATH_BYTES_MAX];
    struct fragment_key key = key_of(70);
    const struct disk *disk = shelf_disk(world->shelf, 0);
    must_put(world->shelf, 64, 2 * RUN_BYTES); /* makes the folder 01 */
    disk_incoming_path(disk, 4711, incoming);
    disk_fragment_path(disk, &key, stray);
    assert_true(is_ok(file_replace(incoming, bytes_str("half an upload"))));
    assert_true(is_ok(file_replace(stray, bytes_str("renamed, never committed"))));
    reopen(world);
    assert_false(file_exists(incoming));
    assert_true(file_exists(stray));
    must_put(world->shelf, 70, 2 * RUN_BYTES); /* replaces what lies there */
    must_read(world->shelf, 70, 2 * RUN_BYTES);
    key = key_of(71);
    disk_fragment_path(shelf_disk(world->shelf, 0), &key, stray);
    assert_true(is_ok(file_replace(stray, bytes_str("renamed, never committed"))));
    for (unsigned folder = 0; folder < 256; folder++) {
        assert_true(is_ok(shelf_sweep(world->shelf, (u8)folder)));
    }
    assert_false(file_exists(stray));
    must_read(world->shelf, 64, 2 * RUN_BYTES);
    must_read(world->shelf, 70, 2 * RUN_BYTES);
}

static void leftovers_go(void **state)
{
    (void)state;
    RUN(leftovers_go_fn);
}

static void pieces_cover_everything(void **state)
{
    (void)state;
    for (u32 length = 1; length <= INLINE_BYTES_MAX; length++) {
        u32 at = 0;
        unsigned count = 0;
        while (at < length) {
            u32 len = piece_length(length, at);
            assert_true(len > 0 && len <= length - at);
            at += len;
            count++;
        }
        assert_int_equal(at, length);
        assert_true(count <= 8);
    }
}

/* The bars of stored per user byte leave no room for half-empty pages. */
static void the_index_wastes_little_fn(struct world *world)
{
    enum { COUNT = 200, LEN = 16448 };
    char path[PATH_BYTES_MAX];
    struct file *file;
    u64 allocated;
    for (u64 i = 0; i < COUNT; i++) {
        must_put(world->shelf, i, LEN);
    }
    snprintf(path, sizeof path, "%s/%s/a/index/data.mdb", root, world->name);
    assert_true(is_ok(file_open(path, FILE_READ, &file)));
    assert_true(is_ok(file_allocated(file, &allocated)));
    file_close(file);
    print_message("%u fragments of %u bytes: %.3f bytes a byte\n", COUNT, LEN,
                  (double)allocated / (COUNT * LEN));
    assert_true(allocated < (u64)COUNT * LEN * 112 / 100);
}

static void the_index_wastes_little(void **state)
{
    (void)state;
    RUN(the_index_wastes_little_fn);
}

/* ---- many at once ---- */

struct uploader {
    struct world *world;
    u64 number;
    u32 len;
    int report; /* the number is written here once it is durable; -1: nowhere */
};

static void upload(void *arg)
{
    struct uploader *uploader = arg;
    must_put(uploader->world->shelf, uploader->number, uploader->len);
    if (uploader->report >= 0) {
        assert_int_equal(write(uploader->report, &uploader->number, 8), 8);
    }
}

static void many_share_a_commit_fn(struct world *world)
{
    enum { COUNT = 200 };
    struct uploader uploaders[COUNT];
    struct group group;
    group_init(&group);
    u64 before = shelf_index_commits(world->shelf);
    for (u64 i = 0; i < COUNT; i++) {
        uploaders[i] = (struct uploader){world, i, 512, -1};
        assert_true(is_ok(group_start(world->loop, &group, "upload", upload, &uploaders[i])));
    }
    group_wait(world->loop, &group);
    assert_true(shelf_index_commits(world->shelf) - before <= COUNT / 8);
    check_totals(world->shelf, COUNT, (u64)COUNT * 512, (u64)COUNT * 512);
    for (u64 i = 0; i < COUNT; i++) {
        must_read(world->shelf, i, 512);
    }
}

static void many_share_a_commit(void **state)
{
    (void)state;
    RUN(many_share_a_commit_fn);
}

static void one_key_one_writer_fn(struct world *world)
{
    size_t done = 0;
    u8 *data = mem_alloc(2 * RUN_BYTES);
    fill(data, 2 * RUN_BYTES, 9);
    struct shelf_entry entry = entry_of(9, 2 * RUN_BYTES, data, 1000);
    struct shelf_writer *writers[2];
    struct fragment_key key = key_of(9);
    for (size_t i = 0; i < 2; i++) {
        struct hash got;
        assert_true(is_ok(shelf_writer_open(world->shelf, &key, &writers[i])));
        assert_true(is_ok(feed(writers[i], data, 2 * RUN_BYTES)));
        assert_true(is_ok(shelf_writer_root(writers[i], &got)));
    }
    done += is_ok(shelf_writer_commit(writers[0], &entry));
    done += is_ok(shelf_writer_commit(writers[1], &entry)); /* a renewal */
    assert_int_equal(done, 2);
    check_totals(world->shelf, 1, 2 * RUN_BYTES, 2 * RUN_BYTES);
    mem_free(data);
}

static void one_key_one_writer(void **state)
{
    (void)state;
    RUN(one_key_one_writer_fn);
}

/* ---- kill -9 ---- */

#define KILL_ROUNDS 8
#define KILL_NUMBERS 100000

static u32 kill_len(u64 number) { return number % 3 == 0 ? 3 * RUN_BYTES + 64 : 1024; }

static struct {
    u64 next;
    int report;
} victim;

static void victim_fiber(void *arg)
{
    struct world *world = arg;
    for (;;) {
        u64 number = victim.next++;
        struct uploader uploader = {world, number, kill_len(number), victim.report};
        upload(&uploader);
        if (number % 5 == 4) {
            struct fragment_key key = key_of(number - 4);
            assert_true(is_ok(shelf_drop(world->shelf, &key, 1, UINT64_MAX, NULL)));
        }
    }
}

static void victim_fn(struct world *world)
{
    for (int i = 0; i < 4; i++) {
        assert_true(is_ok(fiber_start(world->loop, "victim", victim_fiber, world)));
    }
    IGNORE(fiber_sleep(world->loop, DEADLINE_NONE));
}

/* Every number that the victim reported is there, unless it may have been dropped. */
static void check_survivors_fn(struct world *world)
{
    struct shelf_entry *page = mem_alloc_array(64, sizeof *page);
    struct fragment_key last;
    u64 sum = 0;
    u64 fragments = 0;
    size_t count = 64;
    u64 number;
    while (read(victim.report, &number, 8) == 8) {
        if (number % 5 != 0) {
            must_read(world->shelf, number, kill_len(number));
        }
    }
    while (count == 64) {
        assert_true(
            is_ok(shelf_list(world->shelf, fragments == 0 ? NULL : &last, page, 64, &count)));
        for (size_t i = 0; i < count; i++) {
            last = entry_key(&page[i]);
            must_read(world->shelf, last.segment.number, kill_len(last.segment.number));
            sum += entry_length(&page[i]);
            fragments++;
        }
    }
    check_totals(world->shelf, fragments, sum, sum);
    mem_free(page);
}

static void killed_at_any_time(void **state)
{
    (void)state;
    victim.next = 0;
    for (unsigned round = 0; round < KILL_ROUNDS; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        victim.next = (u64)(round + 1) * KILL_NUMBERS;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            victim.report = pipes[1];
            RUN(victim_fn);
            _exit(1);
        }
        close(pipes[1]);
        usleep(60000 + round * 7777);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        victim.report = pipes[0];
        RUN(check_survivors_fn);
        close(pipes[0]);
    }
}

/* ---- copies and notes ---- */

static void copies_fn(struct world *world)
{
    struct hash hashes[3] = {{{1}}, {{2}}, {{3}}};
    struct shelf_copy found[COPIES_MAX];
    struct arena arena;
    bytes raw;
    arena_init(&arena, MIB(1));
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_ok(shelf_copy_put(world->shelf, &hashes[i], 100 + i, bytes_str("raw tx"))));
        assert_true(is_ok(shelf_copy_put(world->shelf, &hashes[i], 100 + i, bytes_str("raw tx"))));
    }
    reopen(world);
    assert_int_equal(shelf_copies(world->shelf, found, COPIES_MAX), 3);
    assert_true(is_ok(shelf_copy_get(world->shelf, &hashes[1], &arena, &raw)));
    assert_true(bytes_eq_str(raw, "raw tx"));
    assert_true(is_ok(shelf_copy_drop(world->shelf, hashes, 2)));
    assert_int_equal(shelf_copy_count(world->shelf), 1);
    assert_true(is_err(shelf_copy_get(world->shelf, &hashes[1], &arena, &raw), ERR_NOT_FOUND));
    struct hash many = {{9}};
    err e = ok();
    for (u32 i = 0; is_ok(e); i++) {
        store_be32(many.b + 4, i);
        e = shelf_copy_put(world->shelf, &many, 1, bytes_str("x"));
    }
    assert_true(is_err(e, ERR_LIMIT));
    assert_int_equal(shelf_copy_count(world->shelf), COPIES_MAX);
    assert_true(is_ok(shelf_note_put(world->shelf, "note", bytes_str("one"))));
    assert_true(is_ok(shelf_note_put(world->shelf, "note", bytes_str("two"))));
    reopen(world);
    assert_int_equal(shelf_copy_count(world->shelf), COPIES_MAX);
    assert_true(is_ok(shelf_note_get(world->shelf, "note", &arena, &raw)));
    assert_true(bytes_eq_str(raw, "two"));
    assert_true(is_err(shelf_note_get(world->shelf, "none", &arena, &raw), ERR_NOT_FOUND));
    arena_free(&arena);
}

static void copies_and_notes(void **state)
{
    (void)state;
    RUN(copies_fn);
}

/* ---- names ---- */

static void names(void **state)
{
    (void)state;
    char text[FRAGMENT_NAME_MAX];
    struct fragment_key key = {.segment = {UINT64_MAX, UINT32_MAX, UINT64_MAX}, .index = 29};
    struct fragment_key back;
    u8 packed[FRAGMENT_KEY_BYTES];
    fragment_key_name(text, &key);
    assert_true(fragment_key_parse(&back, bytes_str(text)));
    assert_true(fragment_key_eq(&key, &back));
    fragment_key_pack(packed, &key);
    assert_true(fragment_key_unpack(&back, BYTES_OF(packed)));
    assert_true(fragment_key_eq(&key, &back));
    static const char *const bad[] = {
        "",       "1",        "1.2.3",    "1.2.3.30", "1.2.3.4.5", "1.2.3.4.",        ".1.2.3",
        "1..2.3", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1.2.3.0x1", "1.4294967296.3.4"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(fragment_key_parse(&back, bytes_str(bad[i])));
    }
    struct segment_key segment;
    assert_true(segment_key_parse(&segment, bytes_str("1.2.3")));
    assert_false(segment_key_parse(&segment, bytes_str("1.2.3.4")));
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    static const char *const mounts[] = {"a_read_only_disk_is_a_state/a",
                                         "a_read_only_disk_is_a_state/b", "no_room_at_all/a",
                                         "no_room_for_the_index/a"};
    for (size_t i = 0; i < COUNT_OF(mounts); i++) {
        char path[PATH_BYTES_MAX];
        path_join(path, root, mounts[i]);
        umount2(path, MNT_DETACH); /* still there only after a failure */
    }
    return !is_ok(dir_remove_all(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(fragments_come_back),
        cmocka_unit_test(same_again_other_again),
        cmocka_unit_test(states_and_quotas),
        cmocka_unit_test(dropping),
        cmocka_unit_test(lists),
        cmocka_unit_test(capacity_is_exact),
        cmocka_unit_test(a_full_disk_is_a_state),
        cmocka_unit_test(rot_is_found),
        cmocka_unit_test(disks_are_known_by_their_id),
        cmocka_unit_test(a_read_only_disk_is_a_state),
        cmocka_unit_test(no_room_at_all),
        cmocka_unit_test(no_room_for_the_index),
        cmocka_unit_test(leftovers_go),
        cmocka_unit_test(pieces_cover_everything),
        cmocka_unit_test(the_index_wastes_little),
        cmocka_unit_test(many_share_a_commit),
        cmocka_unit_test(one_key_one_writer),
        cmocka_unit_test(copies_and_notes),
        cmocka_unit_test(killed_at_any_time),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
