/* pipeline.c: the engines that a byte passes on its way in and out, without network and disk.
 *
 * In: extent encryption, row coding, hashing of all 12 fragments. Out: verification of the four
 * data fragments and decryption. One thread. The limit is the sum of the primitives.
 */
#include "base/mem.h"
#include "bench/bench.h"
#include "data/extent.h"
#include "data/segment_encoder.h"

#define STREAM_BYTES MIB(128)

struct stage {
    struct segment_encoder encoder;
    struct segment_row row;
    u8 *memory;
    struct extent_cipher cipher;
    u8 chunk[EXTENT_SEALED_CHUNK_BYTES];
    u8 plain[EXTENT_CHUNK_BYTES];
};

static void feed(struct stage *s, bytes in)
{
    while (in.len != 0) {
        size_t taken = segment_encoder_fill(&s->encoder, &s->row, in);
        in = bytes_slice(in, taken, in.len - taken);
        if (segment_encoder_row_ready(&s->encoder, &s->row)) {
            bool full = segment_encoder_full(&s->encoder, &s->row);
            segment_encoder_row(&s->encoder, &s->row);
            segment_row_init(&s->row, s->memory);
            if (full) {
                segment_encoder_init(&s->encoder, RS_4_8);
            }
        }
    }
}

static double run_in(struct stage *s)
{
    double begin = bench_seconds();
    for (u64 chunk = 0; chunk < STREAM_BYTES / EXTENT_CHUNK_BYTES; chunk++) {
        extent_seal_chunk(&s->cipher, s->chunk, chunk, BYTES_OF(s->plain));
        feed(s, BYTES_OF(s->chunk));
    }
    return bench_seconds() - begin;
}

static double run_out(struct stage *s)
{
    struct merkle_builder tree;
    struct hash root;
    extent_seal_chunk(&s->cipher, s->chunk, 0, BYTES_OF(s->plain));
    double begin = bench_seconds();
    for (u64 at = 0; at < STREAM_BYTES; at += UNIT_BYTES) {
        merkle_builder_init(&tree);
        fragment_leaves_add(&tree, bytes_make(s->memory, UNIT_BYTES));
        merkle_builder_root(&tree, &root);
        for (u64 i = 0; i < UNIT_BYTES / EXTENT_CHUNK_BYTES; i++) {
            if (!extent_open_chunk(&s->cipher, s->plain, 0, BYTES_OF(s->chunk))) {
                return 0;
            }
        }
    }
    return bench_seconds() - begin;
}

bool bench_pipeline(struct bench *bench, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const struct redundancy_info *info = redundancy_find(RS_4_8);
    const struct aead_key key = {{1}};
    const struct hash bucket = {{2}};
    const struct extent_id extent = {{3}};
    const u8 salt[EXTENT_SALT_BYTES] = {4};
    struct bench_primitives p;
    struct stage *s = MEM_NEW(struct stage);
    u8 *raw = mem_alloc(segment_row_footprint(info) + 64);
    s->memory = raw + (64 - (uintptr_t)raw % 64) % 64;
    segment_encoder_init(&s->encoder, RS_4_8);
    segment_row_init(&s->row, s->memory);
    extent_cipher_init(&s->cipher, &key, &bucket, &extent, salt);

    bench_measure_primitives(&p, NULL);
    double in = run_in(s);
    double out = run_out(s);
    double in_limit = p.aes_gcm + p.rs_4_8 + 3 * p.leaf_hash + p.copy;
    double out_limit = p.aes_gcm + p.leaf_hash;
    bench_add_primitives(bench, &p);
    bench_add(bench,
              &(struct bench_result){"in: seal, code, hash 4+8", (double)STREAM_BYTES / in / 1e6,
                                     "MB/s", 1e-6 / in_limit, "sum of primitives", 0.5});
    bench_add(bench, &(struct bench_result){"out: verify, open", (double)STREAM_BYTES / out / 1e6,
                                            "MB/s", 1e-6 / out_limit, "sum of primitives", 0.5});
    extent_cipher_free(&s->cipher);
    mem_free(raw);
    mem_free(s);
    return true;
}
