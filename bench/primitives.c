/* primitives.c: what nobody can avoid who stores data this way, one thread each. */
#include "base/mem.h"
#include "bench/bench.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "data/erasure.h"
#include "data/extent.h"
#include "data/fragment_writer.h"
#include "os/file.h"

#include <stdio.h>

#define SAMPLE_BYTES MIB(64)
#define DISK_PIECE_BYTES MIB(8)
#define PASSES 3

struct sample {
    u8 *data;
    u8 *out;
    const char *dir;
};

typedef void step_fn(struct sample *sample);

/* The best of some passes: the machine is shared, the limit is what it can do. */
static double best_of(step_fn *step, struct sample *sample, u64 bytes_)
{
    double best = 1e9;
    for (int i = 0; i < PASSES; i++) {
        double begin = bench_seconds();
        step(sample);
        double took = bench_seconds() - begin;
        best = took < best ? took : best;
    }
    return best / (double)bytes_;
}

static void step_md5(struct sample *s)
{
    u8 digest[16];
    md5(digest, bytes_make(s->data, SAMPLE_BYTES));
}

static void step_sha256(struct sample *s)
{
    struct hash digest;
    sha256(&digest, bytes_make(s->data, SAMPLE_BYTES));
}

static void step_aes(struct sample *s)
{
    const struct aead_key key = {{7}};
    u8 nonce[12] = {0};
    struct aes_gcm gcm;
    aes_gcm_init(&gcm, &key);
    for (u64 at = 0; at < SAMPLE_BYTES; at += EXTENT_CHUNK_BYTES) {
        store_be64(nonce, at);
        aes_gcm_seal(&gcm, s->out, nonce, bytes_make(NULL, 0),
                     bytes_make(s->data + at, EXTENT_CHUNK_BYTES));
    }
    aes_gcm_free(&gcm);
}

static void step_rs(struct sample *s)
{
    const struct redundancy_info *info = redundancy_find(RS_4_8);
    struct erasure_encoder encoder;
    erasure_encoder_init(&encoder, info);
    for (u64 at = 0; at + 4 * UNIT_BYTES <= SAMPLE_BYTES; at += 4 * UNIT_BYTES) {
        const u8 *data[4];
        u8 *parity[8];
        for (u8 i = 0; i < 8; i++) {
            parity[i] = s->out + i * UNIT_BYTES;
            if (i < 4) {
                data[i] = s->data + at + i * UNIT_BYTES;
            }
        }
        erasure_encode(&encoder, data, parity, UNIT_BYTES);
    }
}

static void step_leaves(struct sample *s)
{
    struct merkle_builder tree;
    merkle_builder_init(&tree);
    fragment_leaves_add(&tree, bytes_make(s->data, SAMPLE_BYTES));
}

static void step_copy(struct sample *s)
{
    for (u64 at = 0; at < SAMPLE_BYTES; at += UNIT_BYTES) {
        memcpy(s->out, s->data + at, UNIT_BYTES);
        __asm__ volatile("" : : "r"(s->out) : "memory");
    }
}

static void step_disk(struct sample *s)
{
    char path[PATH_BYTES_MAX];
    struct file *file;
    path_join(path, s->dir, "bench-disk");
    if (!is_ok(file_open(path, FILE_CREATE, &file))) {
        return;
    }
    for (u64 at = 0; at < SAMPLE_BYTES; at += DISK_PIECE_BYTES) {
        IGNORE(file_write_at(file, at, bytes_make(s->data + at, DISK_PIECE_BYTES)));
        IGNORE(file_sync(file)); /* a failing disk shows as a slow one */
    }
    file_close(file);
    IGNORE(file_remove(path));
}

void bench_measure_primitives(struct bench_primitives *ret, const char *dir)
{
    struct sample sample = {mem_alloc(SAMPLE_BYTES), mem_alloc(MIB(1)), dir};
    for (u64 i = 0; i < SAMPLE_BYTES; i++) {
        sample.data[i] = (u8)(i * 2654435761u >> 13);
    }
    *ret = (struct bench_primitives){
        .md5 = best_of(step_md5, &sample, SAMPLE_BYTES),
        .sha256 = best_of(step_sha256, &sample, SAMPLE_BYTES),
        .aes_gcm = best_of(step_aes, &sample, SAMPLE_BYTES),
        .rs_4_8 = best_of(step_rs, &sample, SAMPLE_BYTES),
        .leaf_hash = best_of(step_leaves, &sample, SAMPLE_BYTES),
        .copy = best_of(step_copy, &sample, SAMPLE_BYTES),
        .disk_write = dir ? best_of(step_disk, &sample, SAMPLE_BYTES) : 0,
    };
    mem_free(sample.data);
    mem_free(sample.out);
}

void bench_add_primitives(struct bench *bench, const struct bench_primitives *p)
{
    const struct bench_result rows[] = {
        {"primitive: MD5", 1e-9 / p->md5, "GB/s", 0, NULL, 0},
        {"primitive: SHA-256", 1e-9 / p->sha256, "GB/s", 0, NULL, 0},
        {"primitive: AES-256-GCM", 1e-9 / p->aes_gcm, "GB/s", 0, NULL, 0},
        {"primitive: RS 4+8", 1e-9 / p->rs_4_8, "GB/s", 0, NULL, 0},
        {"primitive: fragment hash", 1e-9 / p->leaf_hash, "GB/s", 0, NULL, 0},
        {"primitive: copy", 1e-9 / p->copy, "GB/s", 0, NULL, 0},
        {"primitive: disk write+sync", p->disk_write > 0 ? 1e-9 / p->disk_write : 0, "GB/s", 0,
         NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].value > 0) {
            bench_add(bench, &rows[i]);
        }
    }
}
