#include "crypto/bls12_381.h"

#include "base/mem.h"
#include "crypto/bls12_381_pairing.h"

#define PADDING (BLS_FP_BYTES - FP_BYTES)

static bool all_zero(const u8 *in, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (in[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool read_fp(struct fp *out, const u8 in[BLS_FP_BYTES])
{
    return all_zero(in, PADDING) && fp_from_bytes(out, in + PADDING);
}

static void write_fp(u8 out[BLS_FP_BYTES], const struct fp *a)
{
    memset(out, 0, PADDING);
    fp_to_bytes(out + PADDING, a);
}

static bool read_fp2(struct fp2 *out, const u8 in[2 * BLS_FP_BYTES])
{
    return read_fp(&out->c0, in) && read_fp(&out->c1, in + BLS_FP_BYTES);
}

static void write_fp2(u8 out[2 * BLS_FP_BYTES], const struct fp2 *a)
{
    write_fp(out, &a->c0);
    write_fp(out + BLS_FP_BYTES, &a->c1);
}

/* read_g1, read_g2: a point of the curve. */
static bool read_g1(struct g1_affine *out, const u8 in[BLS_G1_BYTES])
{
    *out = (struct g1_affine){.infinite = all_zero(in, BLS_G1_BYTES)};
    return out->infinite ||
           (read_fp(&out->x, in) && read_fp(&out->y, in + BLS_FP_BYTES) && g1_on_curve(out));
}

static bool read_g2(struct g2_affine *out, const u8 in[BLS_G2_BYTES])
{
    *out = (struct g2_affine){.infinite = all_zero(in, BLS_G2_BYTES)};
    return out->infinite ||
           (read_fp2(&out->x, in) && read_fp2(&out->y, in + BLS_G2_BYTES / 2) && g2_on_curve(out));
}

static void write_g1(u8 out[BLS_G1_BYTES], const struct g1 *a)
{
    struct g1_affine affine;
    g1_to_affine(&affine, a);
    if (affine.infinite) {
        memset(out, 0, BLS_G1_BYTES);
        return;
    }
    write_fp(out, &affine.x);
    write_fp(out + BLS_FP_BYTES, &affine.y);
}

static void write_g2(u8 out[BLS_G2_BYTES], const struct g2 *a)
{
    struct g2_affine affine;
    g2_to_affine(&affine, a);
    if (affine.infinite) {
        memset(out, 0, BLS_G2_BYTES);
        return;
    }
    write_fp2(out, &affine.x);
    write_fp2(out + BLS_G2_BYTES / 2, &affine.y);
}

bool bls_g1_add(u8 out[BLS_G1_BYTES], const u8 a[BLS_G1_BYTES], const u8 b[BLS_G1_BYTES])
{
    struct g1_affine left;
    struct g1_affine right;
    struct g1 sum;
    if (!read_g1(&left, a) || !read_g1(&right, b)) {
        return false;
    }
    g1_from_affine(&sum, &left);
    g1_add_affine(&sum, &sum, &right);
    write_g1(out, &sum);
    return true;
}

bool bls_g2_add(u8 out[BLS_G2_BYTES], const u8 a[BLS_G2_BYTES], const u8 b[BLS_G2_BYTES])
{
    struct g2_affine left;
    struct g2_affine right;
    struct g2 sum;
    if (!read_g2(&left, a) || !read_g2(&right, b)) {
        return false;
    }
    g2_from_affine(&sum, &left);
    g2_add_affine(&sum, &sum, &right);
    write_g2(out, &sum);
    return true;
}

bool bls_g1_msm(u8 out[BLS_G1_BYTES], bytes pairs)
{
    struct g1 sum;
    size_t count = pairs.len / BLS_G1_MSM_PAIR_BYTES;
    bool good = count > 0 && pairs.len % BLS_G1_MSM_PAIR_BYTES == 0;
    if (!good) {
        return false;
    }
    struct g1_affine *points = mem_alloc_array(count, sizeof *points);
    for (size_t i = 0; i < count && good; i++) {
        good = read_g1(&points[i], pairs.data + i * BLS_G1_MSM_PAIR_BYTES) &&
               g1_in_subgroup(&points[i]);
    }
    if (good) {
        g1_msm(&sum, points, count, pairs.data + BLS_G1_BYTES, BLS_G1_MSM_PAIR_BYTES);
        write_g1(out, &sum);
    }
    mem_free(points);
    return good;
}

bool bls_g2_msm(u8 out[BLS_G2_BYTES], bytes pairs)
{
    struct g2 sum;
    size_t count = pairs.len / BLS_G2_MSM_PAIR_BYTES;
    bool good = count > 0 && pairs.len % BLS_G2_MSM_PAIR_BYTES == 0;
    if (!good) {
        return false;
    }
    struct g2_affine *points = mem_alloc_array(count, sizeof *points);
    for (size_t i = 0; i < count && good; i++) {
        good = read_g2(&points[i], pairs.data + i * BLS_G2_MSM_PAIR_BYTES) &&
               g2_in_subgroup(&points[i]);
    }
    if (good) {
        g2_msm(&sum, points, count, pairs.data + BLS_G2_BYTES, BLS_G2_MSM_PAIR_BYTES);
        write_g2(out, &sum);
    }
    mem_free(points);
    return good;
}

bool bls_pairing(bool *ret_is_one, bytes pairs)
{
    struct pairing pairing;
    struct fp12 value;
    struct g1_affine p;
    struct g2_affine q;
    if (pairs.len == 0 || pairs.len % BLS_PAIRING_PAIR_BYTES != 0) {
        return false;
    }
    pairing_init(&pairing);
    for (size_t at = 0; at < pairs.len; at += BLS_PAIRING_PAIR_BYTES) {
        if (!read_g1(&p, pairs.data + at) || !g1_in_subgroup(&p) ||
            !read_g2(&q, pairs.data + at + BLS_G1_BYTES) || !g2_in_subgroup(&q)) {
            return false;
        }
        pairing_add(&pairing, &p, &q);
    }
    pairing_finish(&value, &pairing);
    *ret_is_one = fp12_is_one(&value);
    return true;
}

bool bls_map_g1(u8 out[BLS_G1_BYTES], const u8 fp[BLS_FP_BYTES])
{
    struct fp u;
    struct g1 point;
    if (!read_fp(&u, fp)) {
        return false;
    }
    g1_map(&point, &u);
    g1_clear_cofactor(&point, &point);
    write_g1(out, &point);
    return true;
}

bool bls_map_g2(u8 out[BLS_G2_BYTES], const u8 fp2[2 * BLS_FP_BYTES])
{
    struct fp2 u;
    struct g2 point;
    if (!read_fp2(&u, fp2)) {
        return false;
    }
    g2_map(&point, &u);
    g2_clear_cofactor(&point, &point);
    write_g2(out, &point);
    return true;
}
