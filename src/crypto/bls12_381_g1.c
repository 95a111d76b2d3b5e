#include "crypto/bls12_381_point.h"

#define FIELD struct fp
#define FIELD_(op) fp_##op
#define POINT struct g1
#define POINT_(op) g1_##op
#define AFFINE struct g1_affine
#define CURVE_B bls_g1_b
#define FIELD_ONE fp_one
#define SSWU_(name) sswu_g1_##name
#define ISO_(name) iso_g1_##name
#include "crypto/bls12_381_curve.h"
#include "crypto/bls12_381_map.h"

/* (β x, y) = -x² · (x, y) holds in the subgroup and nowhere else on the curve. */
bool g1_in_subgroup(const struct g1_affine *a)
{
    struct g1 p;
    struct g1 sum;
    struct g1_affine image = *a;
    if (a->infinite) {
        return true;
    }
    g1_from_affine(&p, a);
    g1_mul_x(&sum, &p);
    g1_mul_x(&sum, &sum);
    fp_mul(&image.x, &image.x, &bls_g1_beta);
    g1_add_affine(&sum, &sum, &image);
    return g1_is_infinite(&sum);
}

/* h_eff = 1 - x = 1 + BLS_X. */
void g1_clear_cofactor(struct g1 *out, const struct g1 *a)
{
    struct g1 product;
    g1_mul_x(&product, a);
    g1_add(out, &product, a);
}
