#include "crypto/bn254.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/bn254_tower.h"
#include "tests/support/check.h"

#define G1                                                                                         \
    "0000000000000000000000000000000000000000000000000000000000000001"                             \
    "0000000000000000000000000000000000000000000000000000000000000002"
#define P1                                                                                         \
    "0ae2c5f895d5e20371ede30e83dea27cac5d97e10ea1816597732f90f0962435"                             \
    "2e207468225f6ed70d8e521ad43ceb06803d94f2c27d72a3bbb053a312c66468"

/* scalar, point, product: from a Python model (affine formulas, integers). */
static const char *const multiples[][3] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", G1,
     "0000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000"},
    {"0000000000000000000000000000000000000000000000000000000000000001", G1,
     "0000000000000000000000000000000000000000000000000000000000000001"
     "0000000000000000000000000000000000000000000000000000000000000002"},
    {"0000000000000000000000000000000000000000000000000000000000000002", G1,
     "030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3"
     "15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4"},
    {"0000000000000000000000000000000000000000000000000000000000000003", G1,
     "0769bf9ac56bea3ff40232bcb1b6bd159315d84715b8e679f2d355961915abf0"
     "2ab799bee0489429554fdb7c8d086475319e63b40b9c5b57cdf1ff3dd9fe2261"},
    {"000000000000000000000000000000000000000000000000000000000000000f", G1,
     "2d96b121486ab9da7bf549e57d2f8a6cc1983a336903524fb05dcd507457f63c"
     "1dcb45731979ca35dfde49a476e273a1b1c9b52e3eca22fae279459920daa7e3"},
    {"0000000000000000000000000000000000000000000000000000000000000010", G1,
     "17f485337f6e10fca0e385f7a93d1ac0a977e43995c3e4d9b8f89daa6a183f44"
     "05ccdc1561db963516da62c66edd39d1bb9c6c4674990c4440403c88025c95ad"},
    {"0000000000000000000000000000000000000000000000000000000000000011", G1,
     "1c6a451060210f3baad93fe1631753751da9857edae0468e8e4bee7dd33cfb2c"
     "2331a64aa86c50d2d1e0237893ef7744a77228881ce73fcc2ad555a37d4ab405"},
    {"000000000000000000000000000000000000000000000000000000000000001f", G1,
     "14b4fa251277a6f4cbbfe379a152a976641f58a4a2bffd3b677ea093bdad853c"
     "28ce094a6d16280abcf8d84efa062c85511819dd87d8da255885ce0580ebee36"},
    {"30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000", G1,
     "0000000000000000000000000000000000000000000000000000000000000001"
     "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45"},
    {"30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001", G1,
     "0000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000"},
    {"30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000002", G1,
     "0000000000000000000000000000000000000000000000000000000000000001"
     "0000000000000000000000000000000000000000000000000000000000000002"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", G1,
     "2f588cffe99db877a4434b598ab28f81e0522910ea52b45f0adaa772b2d5d352"
     "12f42fa8fd34fb1b33d8c6a718b6590198389b26fc9d8808d971f8b009777a97"},
    {"8000000000000000000000000000000000000000000000000000000000000000", G1,
     "18ba548c687cb306f9996e95ebff7530528177141ebd26680d2d994ea1f5b4dd"
     "1a34ebd78433b90b62760d37f89ae069a85651a109939e329a4f266ce94c9d64"},
    {"c6a5387777330bdbd7210dff076ce2ef87b0b125ec1d7da0a6eb8c9ebd69fe29", G1,
     "0e97082654f2d8438e89d5a91b3b2d6699ed0ce63257268d11be9daf1b7e1824"
     "161194ef379910e98b713af9b3c105d84a1232b8206dba16ef0ddea339ab458b"},
    {"5f2dd97f1cfb10f62827688de6a16a3b0d464138a62332553fc1ea36f17fd374", G1,
     "0ea549f28d274eda349da664e33776756823ec83d51eb4e248fccdb7b37c3664"
     "20ddef12266ccd487486b959cd1495b11c47c96bbb30aa52423d41d7d6fa8260"},
    {"0000000000000000000000000000000000000000000000000000000000000005", P1,
     "1a2ee529a7e71e72fd719971b3c19bfdb2e68ebb1a91dec05a55b12385d5aa4a"
     "2644a75b00db83484d283902d5f4252cb5cfc9b41fcc72b88ff583ec736130b6"},
    {"3fd4235992edcf451a1afe878b33e968617959ce3f1f65a8de5271007814e8a2", P1,
     "039fd8536a442c0c2b25382fe79b62cb04775190bcb929c38749c56fd85b129e"
     "2e44f752fee2bf72c44177f053396ac7ddc147478f0a6463126cceaa1a75578b"},
    {"de11cc9dea959c212e9c82b1478c281d687c966c377b9aa2bb2edb20035b7399", P1,
     "0d36af082cdf800be0ace25c6854ed959a6cc6e92572ecf9481b3067fadc68c5"
     "12f717c1da1e665730bbc4ebd8fb3b22f3afc146e5e59c4954a6bc8dbeed5962"},
};

/* The generator of G2 and multiples of it. */
static const char g2_one[] = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                             "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                             "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                             "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";
static const char g2_two[] = "203e205db4f19b37b60121b83a7333706db86431c6d835849957ed8c3928ad79"
                             "27dc7234fd11d3e8c36c59277c3e6f149d5cd3cfa9a62aee49f8130962b4b3b9"
                             "195e8aa5b7827463722b8c153931579d3505566b4edf48d498e185f0509de152"
                             "04bb53b8977e5f92a0bc372742c4830944a59b4fe6b1c0466e2a6dad122b5d2e";
static const char g2_minus_one[] =
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "275dc4a288d1afb3cbb1ac09187524c7db36395df7be3b99e673b13a075a65ec"
    "1d9befcd05a5323e6da4d435f3b617cdb3af83285c2df711ef39c01571827f9d";
/* 2^253 + 12345 times. */
static const char g2_large[] = "2facc1dbdeb54e74d98a392f0c3e8ba20782cf4d36b5bf802ebd8b8bf59bc553"
                               "0b9a5e5b2b60bb8f809f091a438f7bbc2fee8f13e7d48e3696b0f708623870b8"
                               "28dbd514fa9fd43de6a7fc7289b8ea5ed129ec01a8ca2bb987de30bb1160dd12"
                               "061bb5f0c921d6dded94df75b37800c50fadb2882697296077d3d389b9da51ff";
/* On the curve, but not of order r: any, of orders 10069 and 5864401 (factors of the cofactor),
 * and the generator plus one of order 10069. */
static const char *const strangers[] = {
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000002"
    "2b76c179599bb92a963dac85546a005a777f7c13f6a7b75d5918b6b5808f5fde"
    "101f7278419308b95099eca02dcee0c5381f4d26d1d62313f057167f064101ce",
    "1f1939a35248c05963dc28c492bd5496d0ee07203ed62a4646610343b7f519d1"
    "163b1e6d53c2b9384d7a50f52db7a5f3089a85d87695f7b4f0dfb367204e3d74"
    "05b7ee9fa25c610b779f046afe61bc518aac03cdfed3a82e1851d413bf4e56e1"
    "20616720904c4e3ec2056718d1a8fd28cb3978424461aec3ed1ee4534b60ca11",
    "2f42ffc4baed89b71b752e0be813e0a1a9ad5e93ee9f72528373e52e65a33896"
    "29e8610c8789308c1c0ca7ee0cc0e07fbf63903d0dba55b477fc0733c50f5bce"
    "0582249d607fe0231130699b772c7a729348e80c1aeb3733c3a989188cb4dfdf"
    "25554c4c7c5d2f90f95408d1c70fc38319b4949b62fac6145d3614cebb30be04",
    "188404d3f294b5878ad6dd8ab26d148527137b55b07993eb759699e0fd5c45e5"
    "183f5f5c415e02f313f301f23b884ceb8abe7a5e5fb2298186a1931b85f4f09e"
    "24c8279608c12e098506569f67c56aa447884a2e5cac88dfafb56f3a9bd237d3"
    "1c7829f51dff5be1c3ad5b08f8173302f8e042b201e8e21720ccd7a7bb674925",
};
/* A scalar a; its product with 2^253 + 12345, negated, modulo r. */
static const char scalar_a[] = "0d037dc37ff1626ce9794d25478dca404a71d29cbbaf80aa980c4935f4069542";
static const char minus_a_large[] =
    "09399e84a87b00e5494fa2770cd8b0d4b7a75e4aa56991ed5da3dc9f4ee398bd";
static const char minus_large[] =
    "10644e72e131a029b85045b68181585d2833e84879b9709143e1f593efffcfc8";

static void random_fp(struct bn_fp *out, struct prng *prng)
{
    u8 in[32];
    do {
        prng_fill(prng, in, sizeof in);
        in[0] &= 0x3f;
    } while (!bn_fp_read(out, in));
}

static void random_fp12(struct bn_fp12 *out, struct prng *prng)
{
    struct bn_fp *parts = &out->c0.c0.re;
    for (size_t i = 0; i < sizeof *out / sizeof *parts; i++) {
        random_fp(parts + i, prng);
    }
}

static bool fp12_eq(const struct bn_fp12 *a, const struct bn_fp12 *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static const char p_hex[] = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";

static void coordinates_are_below_p(void **state)
{
    (void)state;
    struct bn_fp number;
    struct bn_fp other;
    u8 in[32];
    u8 out[32];
    unhex(in, sizeof in, p_hex);
    assert_false(bn_fp_read(&number, in));
    in[31]--;
    assert_true(bn_fp_read(&number, in));
    bn_fp_write(out, &number);
    assert_memory_equal(in, out, sizeof in);
    bn_fp_add(&other, &number, &bn_fp_one); /* p - 1 + 1 */
    assert_true(bn_fp_is_zero(&other));
    bn_fp_square(&other, &number); /* (-1)² */
    assert_true(bn_fp_eq(&other, &bn_fp_one));
    bn_fp_sub(&other, &bn_fp_zero, &bn_fp_one);
    assert_true(bn_fp_eq(&other, &number));
    memset(in, 0xff, sizeof in);
    assert_false(bn_fp_read(&number, in));
}

static void inverses(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 254);
    struct bn_fp zero;
    bn_fp_inverse(&zero, &bn_fp_zero);
    assert_true(bn_fp_is_zero(&zero));
    for (size_t i = 0; i < 300; i++) {
        struct bn_fp a = {{i, 0, 0, 0}}; /* short limbs first */
        struct bn_fp inverse;
        if (i == 0 || i > 60) {
            random_fp(&a, &prng);
        }
        bn_fp_inverse(&inverse, &a);
        bn_fp_mul(&inverse, &inverse, &a);
        assert_true(bn_fp_eq(&inverse, &bn_fp_one));
    }
    for (size_t i = 0; i < 20; i++) {
        struct bn_fp12 a;
        struct bn_fp12 inverse;
        random_fp12(&a, &prng);
        bn_fp12_inverse(&inverse, &a);
        bn_fp12_mul(&inverse, &inverse, &a);
        assert_true(bn_fp12_is_one(&inverse));
    }
}

static void tower_is_a_field(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 12);
    for (size_t i = 0; i < 20; i++) {
        struct bn_fp12 a;
        struct bn_fp12 b;
        struct bn_fp12 c;
        struct bn_fp12 left;
        struct bn_fp12 right;
        random_fp12(&a, &prng);
        random_fp12(&b, &prng);
        random_fp12(&c, &prng);
        bn_fp12_mul(&left, &a, &b);
        bn_fp12_mul(&left, &left, &c);
        bn_fp12_mul(&right, &b, &c);
        bn_fp12_mul(&right, &a, &right);
        assert_true(fp12_eq(&left, &right));
        bn_fp12_square(&left, &a);
        bn_fp12_mul(&right, &a, &a);
        assert_true(fp12_eq(&left, &right));
        bn_fp12_frobenius(&left, &a); /* a homomorphism … */
        bn_fp12_frobenius(&right, &b);
        bn_fp12_mul(&left, &left, &right);
        bn_fp12_mul(&right, &a, &b);
        bn_fp12_frobenius(&right, &right);
        assert_true(fp12_eq(&left, &right));
        bn_fp12_frobenius(&left, &a); /* … whose square is the other … */
        bn_fp12_frobenius(&left, &left);
        bn_fp12_frobenius_2(&right, &a);
        assert_true(fp12_eq(&left, &right));
        bn_fp12_frobenius_2(&left, &left); /* … and whose sixth power is the conjugate */
        bn_fp12_frobenius_2(&left, &left);
        bn_fp12_conjugate(&right, &a);
        assert_true(fp12_eq(&left, &right));
    }
}

static void lines_and_cyclotomic_squares(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 13);
    for (size_t i = 0; i < 20; i++) {
        struct bn_fp12 a;
        struct bn_fp12 b;
        struct bn_fp12 got;
        random_fp12(&a, &prng);
        random_fp12(&b, &prng);
        struct bn_line line = {b.c0.c0, b.c1.c0, b.c1.c1};
        memset(&b.c0.c1, 0, 2 * sizeof b.c0.c1);
        memset(&b.c1.c2, 0, sizeof b.c1.c2);
        got = a;
        bn_fp12_mul_line(&got, &line);
        bn_fp12_mul(&b, &b, &a);
        assert_true(fp12_eq(&got, &b));

        bn_fp12_inverse(&b, &a); /* into the subgroup */
        bn_fp12_conjugate(&a, &a);
        bn_fp12_mul(&a, &a, &b);
        bn_fp12_frobenius_2(&b, &a);
        bn_fp12_mul(&a, &a, &b);
        bn_fp12_square_cyclotomic(&got, &a);
        bn_fp12_square(&b, &a);
        assert_true(fp12_eq(&got, &b));
    }
}

static void multiples_of_the_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(multiples); i++) {
        u8 scalar[32];
        u8 point[64];
        unhex(scalar, sizeof scalar, multiples[i][0]);
        unhex(point, sizeof point, multiples[i][1]);
        assert_true(bn254_mul(point, point, scalar));
        check_hex(BYTES_OF(point), multiples[i][2]);
    }
}

/* (a + b) P = a P + b P; sums of a point with itself, its negative and infinity. */
static void group_laws(void **state)
{
    (void)state;
    struct prng prng;
    u8 p[64];
    u8 minus[64];
    u8 sum[64];
    u8 twice[64];
    const u8 infinity[64] = {0};
    const u8 two[32] = {[31] = 2};
    u8 order_minus_one[32];
    prng_init(&prng, 14);
    unhex(order_minus_one, sizeof order_minus_one, multiples[8][0]);
    for (size_t i = 0; i < 30; i++) {
        u8 scalar[32];
        u8 third[64];
        unhex(p, sizeof p, P1);
        prng_fill(&prng, scalar, sizeof scalar);
        assert_true(bn254_mul(p, p, scalar));
        assert_true(bn254_mul(twice, p, two) && bn254_add(sum, p, p));
        assert_memory_equal(sum, twice, sizeof sum);
        assert_true(bn254_add(sum, p, infinity));
        assert_memory_equal(sum, p, sizeof sum);
        assert_true(bn254_add(sum, infinity, p));
        assert_memory_equal(sum, p, sizeof sum);
        assert_true(bn254_mul(minus, p, order_minus_one) && bn254_add(sum, minus, p));
        assert_memory_equal(sum, infinity, sizeof sum);
        assert_true(bn254_add(sum, twice, minus));
        assert_memory_equal(sum, p, sizeof sum);
        assert_true(bn254_add(third, twice, p) && bn254_add(sum, p, twice));
        assert_memory_equal(sum, third, sizeof sum);
    }
    assert_true(bn254_add(sum, infinity, infinity) && bn254_mul(twice, infinity, two));
    assert_memory_equal(sum, infinity, sizeof sum);
    assert_memory_equal(twice, infinity, sizeof sum);
}

static void points_off_the_curve(void **state)
{
    (void)state;
    u8 good[64];
    u8 bad[64];
    u8 out[64];
    const u8 one[32] = {[31] = 1};
    unhex(good, sizeof good, P1);
    for (size_t bit = 0; bit < 512; bit++) {
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] ^= (u8)(1u << bit % 8);
        assert_false(bn254_add(out, bad, good) || bn254_add(out, good, bad));
        assert_false(bn254_mul(out, bad, one));
    }
    memset(bad, 0, sizeof bad); /* (0, p): a second way to write infinity */
    unhex(bad + 32, 32, p_hex);
    assert_false(bn254_mul(out, bad, one));
    unhex(bad, sizeof bad, G1); /* (1 + p, 2) */
    unhex(bad, 32, p_hex);
    bad[31]++;
    assert_false(bn254_mul(out, bad, one));
}

/* The pair (scalar times the generator, q). */
static void put_pair(u8 *out, const char *scalar, const char *q)
{
    u8 k[32];
    unhex(k, sizeof k, scalar);
    unhex(out, BN254_G1_BYTES, G1);
    assert_true(bn254_mul(out, out, k));
    unhex(out + BN254_G1_BYTES, BN254_G2_BYTES, q);
}

static bool is_one(const u8 *pairs, size_t count)
{
    bool one = false;
    assert_true(bn254_pairing(&one, pairs, count));
    return one;
}

static const char one_hex[] = "0000000000000000000000000000000000000000000000000000000000000001";
static const char two_hex[] = "0000000000000000000000000000000000000000000000000000000000000002";
static const char zero_hex[] = "0000000000000000000000000000000000000000000000000000000000000000";

static void pairing_is_bilinear(void **state)
{
    (void)state;
    u8 pairs[3 * BN254_PAIR_BYTES];
    put_pair(pairs, one_hex, g2_one);
    assert_false(is_one(pairs, 1)); /* not degenerate */
    assert_true(is_one(pairs, 0));
    put_pair(pairs + BN254_PAIR_BYTES, one_hex, g2_minus_one);
    assert_true(is_one(pairs, 2));
    put_pair(pairs, two_hex, g2_one);
    assert_false(is_one(pairs, 2));
    put_pair(pairs + BN254_PAIR_BYTES, one_hex, g2_minus_one);
    put_pair(pairs + 2 * BN254_PAIR_BYTES, one_hex, g2_minus_one);
    assert_true(is_one(pairs, 3));
    put_pair(pairs, scalar_a, g2_large);
    put_pair(pairs + BN254_PAIR_BYTES, minus_a_large, g2_one);
    assert_true(is_one(pairs, 2));
    put_pair(pairs + BN254_PAIR_BYTES, minus_large, g2_one);
    assert_false(is_one(pairs, 2));
    put_pair(pairs, one_hex, g2_large);
    assert_true(is_one(pairs, 2));
    put_pair(pairs, one_hex, g2_two);
    put_pair(pairs + BN254_PAIR_BYTES, two_hex, g2_minus_one);
    assert_true(is_one(pairs, 2));
}

static void pairs_with_infinity(void **state)
{
    (void)state;
    u8 pairs[2 * BN254_PAIR_BYTES];
    put_pair(pairs, zero_hex, g2_one);
    assert_true(is_one(pairs, 1));
    put_pair(pairs + BN254_PAIR_BYTES, one_hex, g2_one);
    assert_false(is_one(pairs, 2));
    memset(pairs + BN254_PAIR_BYTES + BN254_G1_BYTES, 0, BN254_G2_BYTES);
    assert_true(is_one(pairs, 2));
    memset(pairs, 0, sizeof pairs);
    assert_true(is_one(pairs, 2));
}

/* Batches: products of opposite pairs around the size at which a new run begins. */
static void many_pairs(void **state)
{
    (void)state;
    enum { PAIRS_MAX = 50 };
    u8 *pairs = mem_alloc(PAIRS_MAX * BN254_PAIR_BYTES);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        put_pair(pairs + i * BN254_PAIR_BYTES, one_hex, i % 2 == 0 ? g2_one : g2_minus_one);
    }
    for (size_t count = 13; count <= PAIRS_MAX; count++) {
        assert_int_equal(is_one(pairs, count), count % 2 == 0);
    }
    memset(pairs + 14 * BN254_PAIR_BYTES, 0, BN254_PAIR_BYTES); /* left out of its batch */
    assert_false(is_one(pairs, 32));
    assert_true(is_one(pairs, 33));
    mem_free(pairs);
}

static void points_that_are_not_of_g2(void **state)
{
    (void)state;
    u8 pair[2 * BN254_PAIR_BYTES];
    bool one;
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        put_pair(pair, one_hex, strangers[i]);
        assert_false(bn254_pairing(&one, pair, 1));
        put_pair(pair, zero_hex, strangers[i]); /* also beside infinity, also as the second */
        assert_false(bn254_pairing(&one, pair, 1));
        put_pair(pair, one_hex, g2_one);
        put_pair(pair + BN254_PAIR_BYTES, one_hex, strangers[i]);
        assert_false(bn254_pairing(&one, pair, 2));
    }
    for (size_t bit = 0; bit < 8 * BN254_PAIR_BYTES; bit++) {
        put_pair(pair, one_hex, g2_one);
        pair[bit / 8] ^= (u8)(1u << bit % 8);
        assert_false(bn254_pairing(&one, pair, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinates_are_below_p),   cmocka_unit_test(inverses),
        cmocka_unit_test(tower_is_a_field),          cmocka_unit_test(lines_and_cyclotomic_squares),
        cmocka_unit_test(multiples_of_the_model),    cmocka_unit_test(group_laws),
        cmocka_unit_test(points_off_the_curve),      cmocka_unit_test(pairing_is_bilinear),
        cmocka_unit_test(pairs_with_infinity),       cmocka_unit_test(many_pairs),
        cmocka_unit_test(points_that_are_not_of_g2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
