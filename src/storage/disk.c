#include "storage/disk.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

const char *disk_state_name(enum disk_state state)
{
    switch (state) {
    case DISK_FINE:
        return "fine";
    case DISK_FULL:
        return "full";
    case DISK_FAILING:
        return "failing";
    case DISK_ABSENT:
        return "absent";
    }
    unreachable_case();
}

static err read_id(const char *path, char ret_id[DISK_ID_CHARS + 1])
{
    struct arena arena;
    bytes content;
    u8 id[DISK_ID_CHARS / 2];
    arena_init(&arena, KIB(4));
    err e = file_load(path, &arena, &content);
    if (is_ok(e)) {
        bool fine = content.len >= DISK_ID_CHARS &&
                    hex_decode(id, sizeof id, bytes_slice(content, 0, DISK_ID_CHARS));
        e = fine ? ok() : fail(ERR_INTEGRITY);
    }
    arena_free(&arena);
    TRY(e);
    hex_encode(ret_id, DISK_ID_CHARS + 1, BYTES_OF(id));
    return ok();
}

static err make_id(const char *path, const u8 random[16], char ret_id[DISK_ID_CHARS + 1])
{
    char text[DISK_ID_CHARS + 2];
    hex_encode(ret_id, DISK_ID_CHARS + 1, bytes_make(random, DISK_ID_CHARS / 2));
    snprintf(text, sizeof text, "%s\n", ret_id);
    return file_replace(path, bytes_str(text));
}

err disk_prepare(const char *path, const u8 random[16], char ret_id[DISK_ID_CHARS + 1],
                 bool *ret_fresh)
{
    char inner[PATH_BYTES_MAX];
    TRY(dir_make(path));
    path_join(inner, path, "fragments");
    TRY(dir_make(inner));
    path_join(inner, path, "incoming");
    TRY(dir_remove_all(inner));
    TRY(dir_make(inner));
    TRY(dir_sync(path));
    path_join(inner, path, "disk.id");
    err e = read_id(inner, ret_id);
    *ret_fresh = is_err(e, ERR_NOT_FOUND);
    return *ret_fresh ? make_id(inner, random, ret_id) : e;
}

static void set_state(struct disk *disk, struct loop *loop, enum disk_state state)
{
    if (disk->state == state) {
        return;
    }
    disk->state = state;
    disk->since_ms = loop_now_ms(loop);
    if (state == DISK_FINE) {
        log_info("storage", "disk %s takes fragments again", disk->path);
    } else {
        log_error("storage", "disk %s is %s: it takes no new fragments until that is over",
                  disk->path, disk_state_name(state));
    }
}

void disk_blame(struct disk *disk, struct loop *loop, err fault)
{
    if (disk->state == DISK_ABSENT) {
        return;
    }
    if (is_err(fault, ERR_NO_SPACE)) {
        disk->faults++;
        set_state(disk, loop, DISK_FULL);
    } else if (is_err(fault, ERR_IO)) {
        disk->faults++;
        set_state(disk, loop, DISK_FAILING);
    }
}

struct probe {
    const char *path;
    bool try_write;
    u64 free_bytes;
    u64 total_bytes;
    err result;
};

static void run_probe(void *arg)
{
    struct probe *probe = arg;
    char path[PATH_BYTES_MAX];
    probe->result = dir_space(probe->path, &probe->free_bytes, &probe->total_bytes);
    if (is_ok(probe->result) && probe->try_write) {
        path_join(path, probe->path, "probe");
        probe->result = file_replace(path, bytes_str("does this disk take a write?\n"));
    }
}

void disk_probe(struct disk *disk, struct loop *loop, u64 reserve_bytes)
{
    if (disk->state == DISK_ABSENT) {
        return;
    }
    struct probe probe = {.path = disk->path, .try_write = disk->state == DISK_FAILING};
    worker_run(loop, run_probe, &probe);
    if (!is_ok(probe.result)) {
        disk_blame(disk, loop, probe.result);
        return;
    }
    disk->free_bytes = probe.free_bytes;
    disk->total_bytes = probe.total_bytes;
    set_state(disk, loop, probe.free_bytes < reserve_bytes ? DISK_FULL : DISK_FINE);
}

void disk_incoming_path(const struct disk *disk, u64 serial, char out[PATH_BYTES_MAX])
{
    int len =
        snprintf(out, PATH_BYTES_MAX, "%s/incoming/%llu", disk->path, (unsigned long long)serial);
    assert_that(len > 0 && len < PATH_BYTES_MAX);
}

unsigned disk_folder_of(const struct fragment_key *key)
{
    return (unsigned)(key->segment.number / 64 % DISK_FOLDERS);
}

void disk_fragment_path(const struct disk *disk, const struct fragment_key *key,
                        char out[PATH_BYTES_MAX])
{
    char name[FRAGMENT_NAME_MAX];
    fragment_key_name(name, key);
    int len = snprintf(out, PATH_BYTES_MAX, "%s/fragments/%02x/%s", disk->path, disk_folder_of(key),
                       name);
    assert_that(len > 0 && len < PATH_BYTES_MAX);
}

static void parent_of(char out[PATH_BYTES_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    assert_that(slash != NULL && slash != path);
    size_t len = (size_t)(slash - path);
    memcpy(out, path, len);
    out[len] = 0;
}

err disk_adopt(const char *incoming, const char *final, bool make_folder)
{
    char folder[PATH_BYTES_MAX];
    char above[PATH_BYTES_MAX];
    parent_of(folder, final);
    if (make_folder) {
        parent_of(above, folder);
        TRY(dir_make(folder));
        TRY(dir_sync(above));
    }
    TRY(file_rename(incoming, final));
    return dir_sync(folder);
}
