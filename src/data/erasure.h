/* erasure.h: Reed–Solomon over GF(2^8) with Cauchy matrices (ISA-L), by rows and columns.
 *
 * Encoding and rebuilding work on one row at a time in columns of at most 16 KiB, so that k + m
 * columns stay in cache and a caller never holds more than a row. Every (k, n - k) subset of a
 * Cauchy code is invertible; a subset that is not is a bug.
 */
#ifndef DATA_ERASURE_H
#define DATA_ERASURE_H

#include "data/class.h"

#define ERASURE_COLUMN_BYTES KIB(16)
#define ERASURE_TABLE_BYTES (32 * 10 * 20) /* largest k * m */

struct erasure_encoder {
    u8 k;
    u8 m;
    u8 tables[ERASURE_TABLE_BYTES];
};

void erasure_encoder_init(struct erasure_encoder *encoder, const struct redundancy_info *r);
/* erasure_encode: data[k] and parity[m] are units of `len` bytes (multiple of 64). */
void erasure_encode(const struct erasure_encoder *encoder, const u8 *const *data, u8 *const *parity,
                    size_t len);

/* Rebuilds any wanted fragments (data or parity) from k known ones. */
struct erasure_decoder {
    u8 k;
    u8 wanted_count;
    u8 known[FRAGMENTS_MAX]; /* fragment index of each input, k of them */
    u8 wanted[FRAGMENTS_MAX];
    u8 tables[32 * 10 * FRAGMENTS_MAX];
};

/* erasure_decoder_init: known has k distinct indexes; wanted are others. */
void erasure_decoder_init(struct erasure_decoder *decoder, const struct redundancy_info *r,
                          const u8 *known, const u8 *wanted, u8 wanted_count);
void erasure_decode(const struct erasure_decoder *decoder, const u8 *const *known,
                    u8 *const *wanted, size_t len);
/* erasure_decode_one: only wanted[which]. */
void erasure_decode_one(const struct erasure_decoder *decoder, const u8 *const *known, u8 which,
                        u8 *out, size_t len);

#endif
