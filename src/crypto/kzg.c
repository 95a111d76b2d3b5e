#include "crypto/kzg.h"

#include "crypto/bls12_381_constants.h"
#include "crypto/bls12_381_pairing.h"

/* Flags in the first byte of a compressed point. */
#define COMPRESSED 0x80u
#define INFINITE 0x40u
#define LARGER_Y 0x20u
#define FLAGS (COMPRESSED | INFINITE | LARGER_Y)

const u8 kzg_modulus[KZG_SCALAR_BYTES] = {
    0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
    0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01};

/* decompress: a point of the subgroup; infinity has one form, 0xc0 and zeros. */
static bool decompress(struct g1_affine *out, const u8 in[KZG_POINT_BYTES])
{
    static const u8 infinity[KZG_POINT_BYTES] = {COMPRESSED | INFINITE};
    struct fp square;
    u8 x[KZG_POINT_BYTES];
    *out = (struct g1_affine){.infinite = true};
    if (memcmp(in, infinity, sizeof infinity) == 0) {
        return true;
    }
    memcpy(x, in, sizeof x);
    x[0] &= (u8)~FLAGS;
    if ((in[0] & (COMPRESSED | INFINITE)) != COMPRESSED || !fp_from_bytes(&out->x, x)) {
        return false;
    }
    fp_sqr(&square, &out->x);
    fp_mul(&square, &square, &out->x);
    fp_add(&square, &square, &bls_g1_b);
    if (!fp_sqrt(&out->y, &square)) {
        return false;
    }
    if (fp_is_larger(&out->y) != ((in[0] & LARGER_Y) != 0)) {
        fp_neg(&out->y, &out->y);
    }
    out->infinite = false;
    return g1_in_subgroup(out);
}

static bool is_scalar(const u8 in[KZG_SCALAR_BYTES])
{
    return memcmp(in, kzg_modulus, KZG_SCALAR_BYTES) < 0;
}

/* e(C - [y], [1]) = e(proof, [τ] - z [1]) is e(C - [y] + z proof, -[1]) e(proof, [τ]) = 1: the
 * multiplications stay in G1, and both points of G2 are constants. */
bool kzg_verify(const u8 commitment[KZG_POINT_BYTES], const u8 z[KZG_SCALAR_BYTES],
                const u8 y[KZG_SCALAR_BYTES], const u8 proof[KZG_POINT_BYTES])
{
    struct g1_affine c;
    struct g1_affine q;
    struct g1 sum;
    struct g1 product;
    struct pairing pairing;
    struct fp12 value;
    if (!is_scalar(z) || !is_scalar(y) || !decompress(&c, commitment) || !decompress(&q, proof)) {
        return false;
    }
    g1_from_affine(&product, &q);
    g1_mul(&sum, &product, z);
    g1_from_affine(&product, &bls_g1_generator);
    g1_mul(&product, &product, y);
    g1_negate(&product, &product);
    g1_add(&sum, &sum, &product);
    g1_add_affine(&sum, &sum, &c);
    g1_to_affine(&c, &sum);
    pairing_init(&pairing);
    pairing_add(&pairing, &c, &bls_g2_generator_negative);
    pairing_add(&pairing, &q, &kzg_tau_g2);
    pairing_finish(&value, &pairing);
    return fp12_is_one(&value);
}
