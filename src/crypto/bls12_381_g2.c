#include "crypto/bls12_381_point.h"

#define FIELD struct fp2
#define FIELD_(op) fp2_##op
#define POINT struct g2
#define POINT_(op) g2_##op
#define AFFINE struct g2_affine
#define CURVE_B bls_g2_b
#define FIELD_ONE fp2_one
#define SSWU_(name) sswu_g2_##name
#define ISO_(name) iso_g2_##name
#include "crypto/bls12_381_curve.h"
#include "crypto/bls12_381_map.h"

/* psi: untwist, Frobenius, twist: an endomorphism with psi² - t psi + p = 0. */
static void psi(struct g2 *out, const struct g2 *a)
{
    fp2_conjugate(&out->x, &a->x);
    fp2_conjugate(&out->y, &a->y);
    fp2_conjugate(&out->z, &a->z);
    fp2_mul(&out->x, &out->x, &bls_psi_x);
    fp2_mul(&out->y, &out->y, &bls_psi_y);
}

/* psi(P) = x P holds in the subgroup and nowhere else on the curve; x is negative. */
bool g2_in_subgroup(const struct g2_affine *a)
{
    struct g2 p;
    struct g2 sum;
    g2_from_affine(&p, a);
    g2_mul_x(&sum, &p);
    psi(&p, &p);
    g2_add(&sum, &sum, &p);
    return g2_is_infinite(&sum);
}

/* (x² - x - 1) P + (x - 1) psi(P) + psi²(2 P) = -x (-x P + P - psi(P)) - P - psi(P) + psi²(2 P):
 * RFC 9380, appendix G.4. */
void g2_clear_cofactor(struct g2 *out, const struct g2 *a)
{
    struct g2 image;
    struct g2 twice;
    struct g2 r;
    struct g2 minus;
    psi(&image, a);
    g2_double(&twice, a);
    psi(&twice, &twice);
    psi(&twice, &twice);
    g2_mul_x(&r, a);
    g2_add(&r, &r, a);
    g2_negate(&image, &image);
    g2_add(&r, &r, &image);
    g2_mul_x(&r, &r);
    g2_negate(&minus, a);
    g2_add(&r, &r, &minus);
    g2_add(&r, &r, &image);
    g2_add(out, &r, &twice);
}
