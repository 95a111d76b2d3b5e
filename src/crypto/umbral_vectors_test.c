/* pyUmbral's vectors, for what its profile shares with ours: the group, the KDF, the inputs of the
 * hash to scalar, the equations of capsules, key fragments and capsule fragments.
 *
 * The profiles differ in one step: pyUmbral's scalar is the digest mod n, ours is the digest
 * mod (n - 1), plus 1. For digests below n - 1 (all but one in 2^128) ours is theirs plus 1. */
#include "base/mem.h"
#include "crypto/group.h"
#include "crypto/hash.h"
#include "crypto/umbral.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

#define SCALAR_FROM_DIGEST_DST "some_dst"

static struct vectors vectors;
static const struct secp_secret one = {{[31] = 1}};

/* U of pyUmbral's default parameters (try and increment). */
static const char u_hex[] = "029aca250e9d377ce6502e5d6247c5dfdaecc4c16d98cb3a0700a415aecaacd46e";

static int setup(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    vectors_open(&vectors, "umbral-vectors");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

static json_t *load(const char *name)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "umbral-vectors/vectors/vectors_%s.json", name);
    return vectors_json(&vectors, path);
}

/* result_of: the expected value of a named operation. */
static const char *result_of(const json_t *root, const char *operation)
{
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(root, "vectors"), i, item)
    {
        if (strcmp(vectors_text(item, "operation"), operation) == 0) {
            return vectors_text(item, "result");
        }
    }
    vectors_fail("no such operation", operation);
}

static struct secp_secret scalar_field(const json_t *object, const char *key)
{
    struct secp_secret out;
    vectors_hex_fixed(out.b, sizeof out.b, object, key);
    return out;
}

static struct secp_public point_field(const json_t *object, const char *key)
{
    struct secp_public out;
    vectors_hex_fixed(out.b, sizeof out.b, object, key);
    return out;
}

static struct secp_public negate(struct secp_public point)
{
    point.b[0] ^= 1;
    return point;
}

static void scalar_operations(void **state)
{
    (void)state;
    json_t *root = load("scalar_operations");
    struct secp_secret a = scalar_field(root, "first operand");
    struct secp_secret b = scalar_field(root, "second operand");
    struct secp_secret out;
    assert_true(scalar_add(&out, &a, &b));
    check_hex(BYTES_OF(out), result_of(root, "Addition"));
    assert_true(scalar_mul(&out, &a, &b));
    check_hex(BYTES_OF(out), result_of(root, "Multiplication"));
    scalar_negate(&out, &b);
    assert_true(scalar_add(&out, &out, &a));
    check_hex(BYTES_OF(out), result_of(root, "Subtraction"));
    unhex(out.b, sizeof out.b, result_of(root, "Inverse"));
    assert_true(scalar_mul(&out, &out, &a));
    assert_memory_equal(out.b, one.b, sizeof one.b);
    json_decref(root);
}

static void point_operations(void **state)
{
    (void)state;
    json_t *root = load("point_operations");
    struct secp_public a = point_field(root, "first CurvePoint operand");
    struct secp_public b = point_field(root, "second CurvePoint operand");
    struct secp_secret k = scalar_field(root, "CurveScalar operand");
    struct secp_public out;
    u8 coordinates[64];
    u8 key[32];
    assert_true(group_add(&out, &a, &b));
    check_hex(BYTES_OF(out), result_of(root, "Addition"));
    b = negate(b);
    assert_true(group_add(&out, &a, &b));
    check_hex(BYTES_OF(out), result_of(root, "Subtraction"));
    assert_true(group_mul(&out, &a, &k));
    check_hex(BYTES_OF(out), result_of(root, "Multiplication"));
    assert_true(group_mul_public(&out, &a, &k));
    check_hex(BYTES_OF(out), result_of(root, "Multiplication"));
    out = negate(a);
    check_hex(BYTES_OF(out), result_of(root, "Inversion"));
    assert_true(secp_public_uncompressed(coordinates, &a));
    check_hex(bytes_make(coordinates, 32), result_of(root, "To_affine.X"));
    check_hex(bytes_make(coordinates + 32, 32), result_of(root, "To_affine.Y"));
    hkdf_sha256(key, sizeof key, BYTES_OF(a), bytes_make(NULL, 0), bytes_make(NULL, 0));
    check_hex(BYTES_OF(key), result_of(root, "kdf"));
    json_decref(root);
}

static void scalar_from_digest(void **state)
{
    (void)state;
    json_t *root = load("scalar_from_digest");
    size_t count = 0;
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(root, "vectors"), i, item)
    {
        struct vectors_bytes inputs[8];
        bytes parts[8];
        json_t *list = json_object_get(item, "input");
        size_t n = json_array_size(list);
        assert_true(n <= COUNT_OF(inputs));
        for (size_t k = 0; k < n; k++) {
            inputs[k] = vectors_hex(json_array_get(list, k), "bytes");
            parts[k] = vectors_view(&inputs[k]);
        }
        struct secp_secret expected = scalar_field(item, "output");
        struct secp_secret got;
        assert_true(scalar_add(&expected, &expected, &one));
        scalar_hash(&got, SCALAR_FROM_DIGEST_DST, parts, n);
        assert_memory_equal(got.b, expected.b, sizeof got.b);
        for (size_t k = 0; k < n; k++) {
            mem_free(inputs[k].data);
        }
        count++;
    }
    assert_int_equal(count, 6);
    json_decref(root);
}

/* kfrag = id 32 ‖ rk 32 ‖ X 33 ‖ U1 33 ‖ proxy signature 64 ‖ receiver signature 64 ‖ flags 2. */
#define KFRAG_BYTES 260

static void check_signature(const json_t *root, bytes sig, bytes id, bytes u1, bytes x)
{
    const struct secp_public signer = point_field(root, "verifying_pk");
    const struct secp_public from = point_field(root, "delegating_pk");
    const struct secp_public to = point_field(root, "receiving_pk");
    static const u8 present = 1;
    const bytes parts[] = {
        id, u1, x, bytes_make(&present, 1), BYTES_OF(from), bytes_make(&present, 1), BYTES_OF(to)};
    struct secp_signature full = {{0}};
    struct hash digest;
    memcpy(full.b, sig.data, 64);
    sha256_parts(&digest, parts, COUNT_OF(parts));
    assert_true(secp_verify(&signer, &full, &digest));
    digest.b[0] ^= 1;
    assert_false(secp_verify(&signer, &full, &digest));
}

static void key_fragments(void **state)
{
    (void)state;
    json_t *root = load("kfrags");
    struct secp_public u;
    size_t count = 0;
    size_t i = 0;
    json_t *item = NULL;
    unhex(u.b, sizeof u.b, u_hex);
    json_array_foreach(json_object_get(root, "vectors"), i, item)
    {
        u8 kfrag[KFRAG_BYTES];
        struct secp_secret rk;
        struct secp_public u1;
        vectors_hex_fixed(kfrag, sizeof kfrag, item, "kfrag");
        bytes all = BYTES_OF(kfrag);
        assert_true(secp_secret_from(&rk, kfrag + 32));
        assert_true(group_mul(&u1, &u, &rk));
        assert_memory_equal(u1.b, kfrag + 97, sizeof u1.b);
        for (size_t at = 130; at <= 194; at += 64) {
            check_signature(root, bytes_slice(all, at, 64), bytes_slice(all, 0, 32),
                            bytes_slice(all, 97, 33), bytes_slice(all, 64, 33));
        }
        count++;
    }
    assert_int_equal(count, 10);
    json_decref(root);
}

/* The capsule holds under pyUmbral's h (ours minus 1), hence not under ours. */
static void capsule_of_the_other_profile(const struct umbral_capsule *capsule)
{
    struct secp_public e;
    struct secp_public v;
    struct secp_public left;
    struct secp_public right;
    struct secp_secret s;
    struct secp_secret h;
    struct secp_secret minus_one;
    memcpy(e.b, capsule->b, 33);
    memcpy(v.b, capsule->b + 33, 33);
    assert_true(secp_secret_from(&s, capsule->b + 66));
    const bytes parts[] = {BYTES_OF(e), BYTES_OF(v)};
    scalar_hash(&h, "CAPSULE_POINTS", parts, COUNT_OF(parts));
    scalar_negate(&minus_one, &one);
    assert_true(scalar_add(&h, &h, &minus_one));
    assert_true(group_mul_public(&right, &e, &h));
    assert_true(group_add(&right, &right, &v));
    secp_public_of(&left, &s);
    assert_memory_equal(left.b, right.b, sizeof left.b);
    assert_false(umbral_check(capsule));
}

static void capsule_fragments(void **state)
{
    (void)state;
    json_t *root = load("cfrags");
    struct umbral_capsule capsule;
    struct secp_public parts[2];
    size_t count = 0;
    size_t i = 0;
    json_t *item = NULL;
    vectors_hex_fixed(capsule.b, sizeof capsule.b, root, "capsule");
    capsule_of_the_other_profile(&capsule);
    memcpy(parts, capsule.b, sizeof parts);
    json_array_foreach(json_object_get(root, "vectors"), i, item)
    {
        u8 kfrag[KFRAG_BYTES];
        struct secp_secret rk;
        struct vectors_bytes cfrag = vectors_hex(item, "cfrag");
        vectors_hex_fixed(kfrag, sizeof kfrag, item, "kfrag");
        assert_true(cfrag.len > 131);
        assert_true(secp_secret_from(&rk, kfrag + 32));
        for (size_t k = 0; k < 2; k++) { /* E1 = rk·E, V1 = rk·V */
            struct secp_public got;
            assert_true(group_mul(&got, &parts[k], &rk));
            assert_memory_equal(got.b, cfrag.data + 33 * k, sizeof got.b);
        }
        assert_memory_equal(cfrag.data + 66, kfrag, 32);
        assert_memory_equal(cfrag.data + 98, kfrag + 64, 33);
        mem_free(cfrag.data);
        count++;
    }
    assert_int_equal(count, 10);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_operations),  cmocka_unit_test(point_operations),
        cmocka_unit_test(scalar_from_digest), cmocka_unit_test(key_fragments),
        cmocka_unit_test(capsule_fragments),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
