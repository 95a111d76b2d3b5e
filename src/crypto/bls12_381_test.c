/* Laws that the fields, groups and the pairing must obey, checked on random values and on the
 * edges, and inputs that are refused. Public vectors are in bls12_381_vectors_test.c. */
#include "crypto/bls12_381.h"

#include "base/prng.h"
#include "crypto/bls12_381_constants.h"
#include "crypto/bls12_381_pairing.h"
#include "crypto/kzg.h"
#include "tests/support/check.h"

#define ROUNDS 40
#define MSM_MAX 40

static struct prng prng;

static int setup(void **state)
{
    (void)state;
    prng_init(&prng, 20254);
    return 0;
}

static struct fp random_fp(void)
{
    u8 raw[FP_BYTES];
    struct fp out;
    prng_fill(&prng, raw, sizeof raw);
    raw[0] &= 0x0f;
    assert_true(fp_from_bytes(&out, raw));
    return out;
}

static struct fp2 random_fp2(void) { return (struct fp2){random_fp(), random_fp()}; }

static struct fp12 random_fp12(void)
{
    struct fp6 a = {random_fp2(), random_fp2(), random_fp2()};
    struct fp6 b = {random_fp2(), random_fp2(), random_fp2()};
    return (struct fp12){a, b};
}

static void check_fp12(const struct fp12 *a, const struct fp12 *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

/* A point of the curve, in the subgroup only by an accident of 2^-125. */
static struct g1_affine curve_g1(void)
{
    struct fp u = random_fp();
    struct g1 p;
    struct g1_affine out;
    g1_map(&p, &u);
    g1_to_affine(&out, &p);
    return out;
}

static struct g2_affine curve_g2(void)
{
    struct fp2 u = random_fp2();
    struct g2 p;
    struct g2_affine out;
    g2_map(&p, &u);
    g2_to_affine(&out, &p);
    return out;
}

static struct g1_affine random_g1(void)
{
    struct g1_affine out = curve_g1();
    struct g1 p;
    g1_from_affine(&p, &out);
    g1_clear_cofactor(&p, &p);
    g1_to_affine(&out, &p);
    return out;
}

static struct g2_affine random_g2(void)
{
    struct g2_affine out = curve_g2();
    struct g2 p;
    g2_from_affine(&p, &out);
    g2_clear_cofactor(&p, &p);
    g2_to_affine(&out, &p);
    return out;
}

static bool same_g1(const struct g1 *a, const struct g1 *b)
{
    struct g1 difference;
    g1_negate(&difference, b);
    g1_add(&difference, &difference, a);
    return g1_is_infinite(&difference);
}

static bool same_g2(const struct g2 *a, const struct g2 *b)
{
    struct g2 difference;
    g2_negate(&difference, b);
    g2_add(&difference, &difference, a);
    return g2_is_infinite(&difference);
}

static void field_edges(void **state)
{
    (void)state;
    static const char *const too_large[] = {
        "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffff"
        "ff"
        "aaab",
        "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffff"
        "ff"
        "aaac",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ff"
        "ffff",
    };
    u8 raw[FP_BYTES];
    u8 back[FP_BYTES];
    struct fp a;
    struct fp b;
    for (size_t i = 0; i < COUNT_OF(too_large); i++) {
        unhex(raw, sizeof raw, too_large[i]);
        assert_false(fp_from_bytes(&a, raw));
    }
    unhex(raw, sizeof raw, too_large[0]);
    raw[FP_BYTES - 1]--;
    assert_true(fp_from_bytes(&a, raw)); /* p - 1 */
    fp_to_bytes(back, &a);
    assert_memory_equal(raw, back, sizeof raw);
    fp_add(&b, &a, &fp_one);
    assert_true(fp_is_zero(&b));
    fp_sub(&b, &b, &fp_one);
    assert_true(fp_eq(&a, &b));
    fp_inv(&b, &a);
    assert_true(fp_eq(&a, &b)); /* 1 / -1 */
    assert_false(fp_sqrt(&b, &a));
    assert_true(fp_is_larger(&a));
    assert_false(fp_is_larger(&fp_one));
    assert_false(fp_sgn0(&a));
    assert_true(fp_sgn0(&fp_one));
    fp_set_zero(&a);
    fp_inv(&b, &a);
    assert_true(fp_is_zero(&b));
    fp_neg(&b, &a);
    assert_true(fp_is_zero(&b));
    assert_true(fp_sqrt(&b, &a) && fp_is_zero(&b));
}

static void field_laws(void **state)
{
    (void)state;
    unsigned squares = 0;
    for (unsigned i = 0; i < (unsigned)(10 * ROUNDS); i++) {
        struct fp a = random_fp();
        struct fp b;
        struct fp c;
        /* Small and sparse numbers, too: they take other ways through the inversion. */
        memset(a.l, 0, i % 7 * sizeof(u64) < sizeof a.l ? i % 7 * sizeof(u64) : 0);
        fp_inv(&b, &a);
        fp_mul(&c, &a, &b);
        assert_true(fp_eq(&c, &fp_one));
        fp_sqr(&b, &a);
        assert_true(fp_sqrt(&c, &b));
        fp_sqr(&c, &c);
        assert_true(fp_eq(&b, &c));
        fp_neg(&b, &a);
        /* -1 is no square, so exactly one of a and -a is. */
        bool plus = fp_sqrt(&c, &a);
        assert_true(plus != fp_sqrt(&c, &b));
        assert_true(fp_sgn0(&a) != fp_sgn0(&b));
        assert_true(fp_is_larger(&a) != fp_is_larger(&b));
        squares += plus;
    }
    assert_in_range(squares, ROUNDS, 9 * ROUNDS);
}

static void quadratic_laws(void **state)
{
    (void)state;
    unsigned squares = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct fp2 a = random_fp2();
        struct fp2 b = random_fp2();
        struct fp2 c;
        struct fp2 d;
        fp2_inv(&c, &a);
        fp2_mul(&c, &c, &a);
        assert_true(fp2_eq(&c, &fp2_one));
        fp2_sqr(&c, &a);
        fp2_mul(&d, &a, &a);
        assert_true(fp2_eq(&c, &d));
        assert_true(fp2_sqrt(&d, &c));
        fp2_sqr(&d, &d);
        assert_true(fp2_eq(&c, &d));
        fp2_mul(&c, &a, &b);
        fp2_mul(&d, &b, &a);
        assert_true(fp2_eq(&c, &d));
        squares += fp2_sqrt(&c, &a);
        /* A real number always has a root here. */
        fp_set_zero(&a.c1);
        assert_true(fp2_sqrt(&c, &a));
        fp2_sqr(&c, &c);
        assert_true(fp2_eq(&a, &c));
    }
    assert_in_range(squares, 1, ROUNDS - 1);
    struct fp2 xi = fp2_one;
    struct fp2 product = random_fp2();
    struct fp2 expected = product;
    fp2_mul_xi(&product, &product);
    xi.c1 = fp_one;
    fp2_mul(&expected, &expected, &xi);
    assert_true(fp2_eq(&product, &expected));
    /* The sign is that of the first coordinate that is not zero. */
    assert_true(fp2_sgn0(&fp2_one));
    fp_set_zero(&xi.c0);
    assert_true(fp2_sgn0(&xi));
    fp_double(&xi.c0, &fp_one);
    assert_false(fp2_sgn0(&xi));
}

static void tower_laws(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct fp12 a = random_fp12();
        struct fp12 b = random_fp12();
        struct fp12 c;
        struct fp12 d;
        fp12_inv(&c, &a);
        fp12_mul(&c, &c, &a);
        assert_true(fp12_is_one(&c));
        fp12_sqr(&c, &a);
        fp12_mul(&d, &a, &a);
        check_fp12(&c, &d);
        /* Frobenius is a homomorphism, and its 6th power is the conjugate. */
        fp12_mul(&c, &a, &b);
        fp12_frobenius(&c, &c);
        fp12_frobenius(&d, &a);
        fp12_frobenius(&b, &b);
        fp12_mul(&d, &d, &b);
        check_fp12(&c, &d);
        c = a;
        for (unsigned k = 0; k < 6; k++) {
            fp12_frobenius(&c, &c);
        }
        fp12_conjugate(&d, &a);
        check_fp12(&c, &d);
        /* A line is an element with three coefficients. */
        memset(&b, 0, sizeof b);
        b.c0.c0 = random_fp2();
        b.c0.c1 = random_fp2();
        b.c1.c1 = random_fp2();
        fp12_mul(&c, &a, &b);
        fp12_mul_line(&d, &a, &b.c0.c0, &b.c0.c1, &b.c1.c1);
        check_fp12(&c, &d);
        /* a^((p^6 - 1)(p² + 1)) is cyclotomic. */
        fp12_inv(&c, &a);
        fp12_conjugate(&a, &a);
        fp12_mul(&a, &a, &c);
        fp12_frobenius(&c, &a);
        fp12_frobenius(&c, &c);
        fp12_mul(&a, &a, &c);
        fp12_sqr(&c, &a);
        fp12_cyclotomic_sqr(&d, &a);
        check_fp12(&c, &d);
    }
}

static void group_laws_g1(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct g1_affine pa = curve_g1();
        struct g1_affine qa = curve_g1();
        struct g1 p;
        struct g1 q;
        struct g1 left;
        struct g1 right;
        assert_true(g1_on_curve(&pa));
        g1_from_affine(&p, &pa);
        g1_from_affine(&q, &qa);
        g1_double(&q, &q); /* so that Z is not 1 */
        g1_add(&left, &p, &q);
        g1_add(&right, &q, &p);
        assert_true(same_g1(&left, &right));
        g1_add_affine(&right, &q, &pa);
        assert_true(same_g1(&left, &right));
        g1_add(&left, &left, &p);
        g1_double(&right, &p);
        g1_add(&right, &right, &q);
        assert_true(same_g1(&left, &right));
        g1_add(&left, &p, &p);
        g1_double(&right, &p);
        assert_true(same_g1(&left, &right));
        g1_negate(&left, &p);
        g1_add_affine(&left, &left, &pa);
        assert_true(g1_is_infinite(&left));
        g1_add(&left, &left, &p);
        assert_true(same_g1(&left, &p));
        g1_to_affine(&qa, &q);
        assert_true(g1_on_curve(&qa));
        fp_add(&qa.x, &qa.x, &fp_one);
        assert_false(g1_on_curve(&qa));
    }
}

static void group_laws_g2(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct g2_affine pa = curve_g2();
        struct g2_affine qa = curve_g2();
        struct g2 p;
        struct g2 q;
        struct g2 left;
        struct g2 right;
        assert_true(g2_on_curve(&pa));
        g2_from_affine(&p, &pa);
        g2_from_affine(&q, &qa);
        g2_double(&q, &q);
        g2_add(&left, &p, &q);
        g2_add_affine(&right, &q, &pa);
        assert_true(same_g2(&left, &right));
        g2_add(&left, &left, &p);
        g2_double(&right, &p);
        g2_add(&right, &right, &q);
        assert_true(same_g2(&left, &right));
        g2_add(&left, &p, &p);
        g2_double(&right, &p);
        assert_true(same_g2(&left, &right));
        g2_negate(&left, &p);
        g2_add_affine(&left, &left, &pa);
        assert_true(g2_is_infinite(&left));
        g2_to_affine(&qa, &q);
        fp2_add(&qa.y, &qa.y, &fp2_one);
        assert_false(g2_on_curve(&qa));
    }
}

/* The endomorphism tests say what multiplication by r says. */
static void subgroups(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct g1_affine inside = random_g1();
        struct g1_affine outside = curve_g1();
        struct g2_affine inside2 = random_g2();
        struct g2_affine outside2 = curve_g2();
        struct g1 p;
        struct g2 q;
        g1_from_affine(&p, &inside);
        g1_mul(&p, &p, kzg_modulus);
        assert_true(g1_is_infinite(&p) && g1_in_subgroup(&inside));
        g1_from_affine(&p, &outside);
        g1_mul(&p, &p, kzg_modulus);
        assert_false(g1_is_infinite(&p) || g1_in_subgroup(&outside));
        /* r · P has an order that divides the cofactor. */
        g1_to_affine(&outside, &p);
        assert_false(g1_in_subgroup(&outside));
        g2_from_affine(&q, &inside2);
        g2_mul(&q, &q, kzg_modulus);
        assert_true(g2_is_infinite(&q) && g2_in_subgroup(&inside2));
        g2_from_affine(&q, &outside2);
        g2_mul(&q, &q, kzg_modulus);
        assert_false(g2_is_infinite(&q) || g2_in_subgroup(&outside2));
        g2_to_affine(&outside2, &q);
        assert_false(g2_in_subgroup(&outside2));
    }
    assert_true(g1_in_subgroup(&bls_g1_generator) && g2_in_subgroup(&bls_g2_generator));
    assert_true(g2_on_curve(&kzg_tau_g2) && g2_in_subgroup(&kzg_tau_g2));
    /* (0, 2) has order 3. */
    struct g1_affine three = {.infinite = false};
    fp_set_zero(&three.x);
    fp_double(&three.y, &fp_one);
    assert_true(g1_on_curve(&three));
    assert_false(g1_in_subgroup(&three));
}

static const u8 *edge_scalar(u8 out[BLS_SCALAR_BYTES], size_t i)
{
    memset(out, 0, BLS_SCALAR_BYTES);
    switch (i % 8) {
    case 0:
        break;
    case 1:
        out[31] = 1;
        break;
    case 2:
        memset(out, 0xff, BLS_SCALAR_BYTES);
        break;
    case 3:
        memcpy(out, kzg_modulus, BLS_SCALAR_BYTES);
        break;
    case 4:
        memcpy(out, kzg_modulus, BLS_SCALAR_BYTES);
        out[31]--;
        break;
    case 5:
        out[0] = 0x80;
        break;
    default:
        prng_fill(&prng, out, BLS_SCALAR_BYTES);
        break;
    }
    return out;
}

/* Points that repeat, cancel and vanish, with the scalars above. */
static void multi_scalar(void **state)
{
    (void)state;
    struct g1_affine points[MSM_MAX];
    struct g2_affine points2[MSM_MAX];
    u8 scalars[MSM_MAX][BLS_SCALAR_BYTES];
    for (size_t i = 0; i < MSM_MAX; i++) {
        points[i] = random_g1();
        points2[i] = random_g2();
        if (i % 5 == 4) {
            points[i] = points[i - 1];
            points2[i] = points2[i - 1];
        }
        if (i % 10 == 9) {
            fp_neg(&points[i].y, &points[i].y);
            fp2_neg(&points2[i].y, &points2[i].y);
        }
        points[i].infinite = points2[i].infinite = i == 17;
        edge_scalar(scalars[i], i * 3);
    }
    struct g1 sum;
    struct g2 sum2;
    struct g1_affine infinite = {.infinite = true};
    struct g2_affine infinite2 = {.infinite = true};
    g1_from_affine(&sum, &infinite);
    g2_from_affine(&sum2, &infinite2);
    for (size_t count = 1; count <= MSM_MAX; count++) {
        struct g1 p;
        struct g2 q;
        g1_from_affine(&p, &points[count - 1]);
        g1_mul(&p, &p, scalars[count - 1]);
        g1_add(&sum, &sum, &p);
        g2_from_affine(&q, &points2[count - 1]);
        g2_mul(&q, &q, scalars[count - 1]);
        g2_add(&sum2, &sum2, &q);
        g1_msm(&p, points, count, scalars[0], BLS_SCALAR_BYTES);
        g2_msm(&q, points2, count, scalars[0], BLS_SCALAR_BYTES);
        assert_true(same_g1(&p, &sum));
        assert_true(same_g2(&q, &sum2));
    }
}

/* Large counts use wide windows: n equal points with scalars k are one point with the scalar n k.
 */
static void multi_scalar_wide(void **state)
{
    (void)state;
    enum { count = 3000 };
    static struct g1_affine points[count];
    static u8 scalars[count][BLS_SCALAR_BYTES];
    struct g1 expected;
    struct g1 p;
    struct g1 got;
    u8 factor[BLS_SCALAR_BYTES] = {0};
    struct g1_affine base = random_g1();
    u64 total = 0;
    for (size_t i = 0; i < count; i++) {
        u64 k = prng_u64(&prng) >> 14;
        points[i] = base;
        store_be64(scalars[i] + 24, k);
        total += k;
    }
    store_be64(factor + 24, total);
    g1_from_affine(&p, &base);
    g1_mul(&expected, &p, factor);
    g1_msm(&got, points, count, scalars[0], BLS_SCALAR_BYTES);
    assert_true(same_g1(&expected, &got));
}

static struct fp12 pair(const struct g1 *p, const struct g2 *q)
{
    struct pairing pairing;
    struct g1_affine pa;
    struct g2_affine qa;
    struct fp12 out;
    g1_to_affine(&pa, p);
    g2_to_affine(&qa, q);
    pairing_init(&pairing);
    pairing_add(&pairing, &pa, &qa);
    pairing_finish(&out, &pairing);
    return out;
}

static void bilinearity(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct g1_affine pa = random_g1();
        struct g1_affine pb = random_g1();
        struct g2_affine qa = random_g2();
        struct g1 p;
        struct g1 sum;
        struct g2 q;
        u8 k[BLS_SCALAR_BYTES];
        g1_from_affine(&p, &pa);
        g2_from_affine(&q, &qa);
        struct fp12 base = pair(&p, &q);
        assert_false(fp12_is_one(&base));
        /* e(P + P', Q) = e(P, Q) e(P', Q) */
        g1_add_affine(&sum, &p, &pb);
        struct fp12 both = pair(&sum, &q);
        g1_from_affine(&sum, &pb);
        struct fp12 product = pair(&sum, &q);
        fp12_mul(&product, &product, &base);
        check_fp12(&both, &product);
        /* e(k P, Q) = e(P, k Q) */
        prng_fill(&prng, k, sizeof k);
        struct g1 kp;
        struct g2 kq;
        g1_mul(&kp, &p, k);
        g2_mul(&kq, &q, k);
        both = pair(&kp, &q);
        product = pair(&p, &kq);
        check_fp12(&both, &product);
        /* e(P, Q)^r = 1 */
        product = base;
        for (unsigned bit = 1; bit < 255; bit++) {
            fp12_sqr(&product, &product);
            if (kzg_modulus[(bit + 1) / 8] >> (7 - (bit + 1) % 8) & 1) {
                fp12_mul(&product, &product, &base);
            }
        }
        assert_true(fp12_is_one(&product));
    }
}

/* More pairs than one group of the Miller loop, with infinite ones among them: Σ k_i = 0. */
static void long_product(void **state)
{
    (void)state;
    struct pairing pairing;
    struct fp12 value;
    struct g1 sum;
    struct g1_affine infinite = {.infinite = true};
    struct g2_affine infinite2 = {.infinite = true};
    g1_from_affine(&sum, &infinite);
    pairing_init(&pairing);
    for (size_t i = 0; i < (size_t)2 * PAIRING_GROUP + 1; i++) {
        struct g1_affine p = random_g1();
        g1_add_affine(&sum, &sum, &p);
        pairing_add(&pairing, &p, &bls_g2_generator);
        pairing_add(&pairing, &infinite, &bls_g2_generator);
        pairing_add(&pairing, &p, &infinite2);
    }
    struct pairing wrong = pairing;
    pairing_finish(&value, &wrong);
    assert_false(fp12_is_one(&value));
    struct g1_affine last;
    g1_negate(&sum, &sum);
    g1_to_affine(&last, &sum);
    pairing_add(&pairing, &last, &bls_g2_generator);
    pairing_finish(&value, &pairing);
    assert_true(fp12_is_one(&value));
    pairing_init(&pairing);
    pairing_finish(&value, &pairing);
    assert_true(fp12_is_one(&value));
}

/* Fill in a good pair and spoil one thing at a time; outputs stay as they were. */
static void refused_bytes(void **state)
{
    (void)state;
    u8 pair_bytes[BLS_PAIRING_PAIR_BYTES];
    u8 scalar_pair[BLS_G1_MSM_PAIR_BYTES] = {0};
    u8 out[BLS_G2_BYTES];
    u8 before[BLS_G2_BYTES];
    u8 zero[2 * BLS_FP_BYTES] = {0};
    bool one = true;
    assert_true(bls_map_g1(pair_bytes, zero));
    assert_true(bls_map_g2(pair_bytes + BLS_G1_BYTES, zero));
    memcpy(scalar_pair, pair_bytes, BLS_G1_BYTES);
    scalar_pair[BLS_G1_MSM_PAIR_BYTES - 1] = 1;
    memset(out, 0x5a, sizeof out);
    memcpy(before, out, sizeof out);
    assert_true(bls_pairing(&one, BYTES_OF(pair_bytes)));
    assert_false(one);
    one = true;
    for (size_t i = 0; i < sizeof pair_bytes; i++) {
        pair_bytes[i] ^= 1;
        assert_false(bls_pairing(&one, BYTES_OF(pair_bytes)));
        pair_bytes[i] ^= 1;
    }
    for (size_t i = 0; i < BLS_G1_BYTES; i++) {
        scalar_pair[i] ^= 0x80;
        assert_false(bls_g1_msm(out, BYTES_OF(scalar_pair)));
        assert_false(bls_g1_add(out, scalar_pair, pair_bytes));
        assert_false(bls_g1_add(out, pair_bytes, scalar_pair));
        scalar_pair[i] ^= 0x80;
    }
    for (size_t len = 0; len < sizeof pair_bytes; len += 32) {
        assert_false(bls_pairing(&one, bytes_make(pair_bytes, len)));
        assert_false(len < BLS_G1_MSM_PAIR_BYTES && bls_g1_msm(out, bytes_make(scalar_pair, len)));
        assert_false(len < BLS_G2_MSM_PAIR_BYTES && bls_g2_msm(out, bytes_make(pair_bytes, len)));
    }
    assert_true(one);
    assert_memory_equal(out, before, sizeof out);
    /* A multiplication by one gives the same bytes, also in place; adding infinity, too. */
    assert_true(bls_g1_msm(scalar_pair, BYTES_OF(scalar_pair)));
    assert_memory_equal(scalar_pair, pair_bytes, BLS_G1_BYTES);
    memset(out, 0, sizeof out);
    assert_true(bls_g1_add(scalar_pair, scalar_pair, out));
    assert_memory_equal(scalar_pair, pair_bytes, BLS_G1_BYTES);
}

/* compress: the 48-byte form of a point. */
static void compress(u8 out[KZG_POINT_BYTES], const struct g1 *a)
{
    struct g1_affine p;
    g1_to_affine(&p, a);
    memset(out, 0, KZG_POINT_BYTES);
    if (p.infinite) {
        out[0] = 0xc0;
        return;
    }
    fp_to_bytes(out, &p.x);
    out[0] |= (u8)(0x80 | (fp_is_larger(&p.y) ? 0x20 : 0));
}

/* A constant polynomial has the commitment [y], the value y everywhere, and the proof [0]. */
static void kzg_constants(void **state)
{
    (void)state;
    u8 commitment[KZG_POINT_BYTES];
    u8 proof[KZG_POINT_BYTES] = {0xc0};
    u8 z[KZG_SCALAR_BYTES];
    u8 y[KZG_SCALAR_BYTES];
    struct g1 p;
    for (unsigned i = 0; i < 4; i++) {
        prng_fill(&prng, z, sizeof z);
        prng_fill(&prng, y, sizeof y);
        z[0] = 0;
        y[0] = 0;
        g1_from_affine(&p, &bls_g1_generator);
        g1_mul(&p, &p, y);
        compress(commitment, &p);
        assert_true(kzg_verify(commitment, z, y, proof));
        y[31] ^= 1;
        assert_false(kzg_verify(commitment, z, y, proof));
        y[31] ^= 1;
        compress(proof, &p);
        assert_false(kzg_verify(commitment, z, y, proof));
        memset(proof, 0, sizeof proof);
        proof[0] = 0xc0;
    }
    /* The zero polynomial, and scalars at the modulus. */
    memset(y, 0, sizeof y);
    assert_true(kzg_verify(proof, y, y, proof));
    assert_false(kzg_verify(proof, kzg_modulus, y, proof));
    assert_false(kzg_verify(proof, y, kzg_modulus, proof));
}

static void kzg_forms(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "00",   /* not compressed */
        "40",   /* infinite, not compressed */
        "e0",   /* infinite with a sign */
        "80",   /* (0, -2), of order 3 */
        "a0",   /* (0, 2) */
        "c001", /* infinite with other bits */
        "9a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffff"
        "ff"
        "aaab", /* x = p */
        "bfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ff"
        "ffff",
    };
    static const u8 infinity[KZG_POINT_BYTES] = {0xc0};
    static const u8 zero[KZG_SCALAR_BYTES] = {0};
    assert_true(kzg_verify(infinity, zero, zero, infinity));
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        u8 point[KZG_POINT_BYTES] = {0};
        unhex(point, sizeof point, refused[i]);
        assert_false(kzg_verify(point, zero, zero, infinity));
        assert_false(kzg_verify(infinity, zero, zero, point));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_edges),       cmocka_unit_test(field_laws),
        cmocka_unit_test(quadratic_laws),    cmocka_unit_test(tower_laws),
        cmocka_unit_test(group_laws_g1),     cmocka_unit_test(group_laws_g2),
        cmocka_unit_test(subgroups),         cmocka_unit_test(multi_scalar),
        cmocka_unit_test(multi_scalar_wide), cmocka_unit_test(bilinearity),
        cmocka_unit_test(long_product),      cmocka_unit_test(refused_bytes),
        cmocka_unit_test(kzg_constants),     cmocka_unit_test(kzg_forms),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
