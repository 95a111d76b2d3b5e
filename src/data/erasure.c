#include "data/erasure.h"

#include "base/assert.h"

#include <isa-l/erasure_code.h>

#define K_MAX 10
#define M_MAX 20
#define ROW_BYTES_MAX (FRAGMENTS_MAX * K_MAX)

/* The Vandermonde generator of ISA-L is not always invertible; the Cauchy one is. */
static void generator(u8 rows[ROW_BYTES_MAX], u8 k, u8 m)
{
    assert_that(k >= 1 && k <= K_MAX && m >= 1 && m <= M_MAX);
    assert_that(32u * k * m <= ERASURE_TABLE_BYTES);
    gf_gen_cauchy1_matrix(rows, k + m, k);
}

void erasure_encoder_init(struct erasure_encoder *encoder, const struct redundancy_info *r)
{
    u8 rows[ROW_BYTES_MAX];
    generator(rows, r->k, r->m);
    encoder->k = r->k;
    encoder->m = r->m;
    ec_init_tables(r->k, r->m, &rows[r->k * r->k], encoder->tables);
}

/* multiply: out[i] = Σ table[i][j] · in[j] by columns that stay in the cache. ISA-L takes its
 * tables and inputs as mutable pointers but only reads them. */
static void multiply(const u8 *tables, const u8 *const *in, u8 in_count, u8 *const *out,
                     u8 out_count, size_t len)
{
    assert_that(len % 64 == 0);
    u8 *from[FRAGMENTS_MAX];
    u8 *to[FRAGMENTS_MAX];
    for (size_t at = 0; at < len; at += ERASURE_COLUMN_BYTES) {
        for (u8 i = 0; i < in_count; i++) {
            from[i] = (u8 *)(uintptr_t)(in[i] + at);
        }
        for (u8 i = 0; i < out_count; i++) {
            to[i] = out[i] + at;
        }
        size_t column = min_size(len - at, ERASURE_COLUMN_BYTES);
        ec_encode_data((int)column, in_count, out_count, (u8 *)(uintptr_t)tables, from, to);
    }
}

void erasure_encode(const struct erasure_encoder *encoder, const u8 *const *data, u8 *const *parity,
                    size_t len)
{
    multiply(encoder->tables, data, encoder->k, parity, encoder->m, len);
}

/* combine: the row that makes fragment `wanted` from the known ones: its generator row times the
 * inverse of the known rows. For a data fragment that is a row of the inverse itself. */
static void combine(u8 *ret_row, const u8 *rows, const u8 *inverse, u8 k, u8 wanted)
{
    for (u8 column = 0; column < k; column++) {
        u8 sum = 0;
        for (u8 i = 0; i < k; i++) {
            sum ^= gf_mul(rows[wanted * k + i], inverse[i * k + column]);
        }
        ret_row[column] = sum;
    }
}

static void check_indexes(const u8 *known, u8 k, const u8 *wanted, u8 wanted_count, u8 n)
{
    u32 seen = 0;
    for (u8 i = 0; i < k; i++) {
        assert_that(known[i] < n && (seen & (u32)1 << known[i]) == 0);
        seen |= (u32)1 << known[i];
    }
    for (u8 i = 0; i < wanted_count; i++) {
        assert_that(wanted[i] < n && (seen & (u32)1 << wanted[i]) == 0);
        seen |= (u32)1 << wanted[i];
    }
}

void erasure_decoder_init(struct erasure_decoder *decoder, const struct redundancy_info *r,
                          const u8 *known, const u8 *wanted, u8 wanted_count)
{
    u8 k = r->k;
    u8 rows[ROW_BYTES_MAX];
    u8 chosen[K_MAX * K_MAX];
    u8 inverse[K_MAX * K_MAX];
    u8 wanted_rows[ROW_BYTES_MAX];
    assert_that(wanted_count <= r->m);
    check_indexes(known, k, wanted, wanted_count, redundancy_n(r));
    generator(rows, k, r->m);
    for (u8 i = 0; i < k; i++) {
        memcpy(&chosen[i * k], &rows[known[i] * k], k);
    }
    assert_that(gf_invert_matrix(chosen, inverse, k) == 0);
    for (u8 i = 0; i < wanted_count; i++) {
        combine(&wanted_rows[i * k], rows, inverse, k, wanted[i]);
    }
    decoder->k = k;
    decoder->wanted_count = wanted_count;
    memcpy(decoder->known, known, k);
    if (wanted_count > 0) {
        memcpy(decoder->wanted, wanted, wanted_count);
        ec_init_tables(k, wanted_count, wanted_rows, decoder->tables);
    }
}

void erasure_decode(const struct erasure_decoder *decoder, const u8 *const *known,
                    u8 *const *wanted, size_t len)
{
    if (decoder->wanted_count > 0) {
        multiply(decoder->tables, known, decoder->k, wanted, decoder->wanted_count, len);
    }
}

void erasure_decode_one(const struct erasure_decoder *decoder, const u8 *const *known, u8 which,
                        u8 *out, size_t len)
{
    assert_that(which < decoder->wanted_count);
    const u8 *tables = decoder->tables + (size_t)32 * decoder->k * which;
    multiply(tables, known, decoder->k, &out, 1, len);
}
