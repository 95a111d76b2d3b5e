#include "crypto/umbral.h"

#include "base/mem.h"
#include "crypto/group.h"
#include "crypto/hash.h"

/* The parts of a capsule. */
struct parts {
    struct secp_public e;
    struct secp_public v;
    struct secp_secret s; /* public, in spite of its type */
};

_Static_assert(sizeof(struct parts) == UMBRAL_CAPSULE_BYTES, "E ‖ V ‖ s without padding");

static struct parts capsule_parts(const struct umbral_capsule *capsule)
{
    struct parts parts;
    memcpy(&parts, capsule->b, sizeof parts);
    return parts;
}

/* h = H("CAPSULE_POINTS", E, V). */
static void capsule_hash(struct secp_secret *out, const struct secp_public *e,
                         const struct secp_public *v)
{
    const bytes points[] = {BYTES_OF(*e), BYTES_OF(*v)};
    scalar_hash(out, "CAPSULE_POINTS", points, COUNT_OF(points));
}

static void derive_key(u8 ret_key[32], const struct secp_public *point)
{
    hkdf_sha256(ret_key, 32, BYTES_OF(*point), bytes_make(NULL, 0), bytes_make(NULL, 0));
}

void umbral_secret_derive(struct secp_secret *out, const u8 material[32], bytes context)
{
    u8 wide[48];
    hkdf_sha256(wide, sizeof wide, bytes_make(material, 32), bytes_make(NULL, 0), context);
    scalar_reduce(out, wide);
    mem_wipe(wide, sizeof wide);
}

/* The scalars behind a capsule. */
struct draw {
    struct secp_secret r;
    struct secp_secret u;
    struct secp_secret sum; /* r + u */
};

/* draw_seal: E = rG, V = uG, s = u + r·h; K = KDF((r + u)·label). */
static bool draw_seal(const struct draw *draw, struct parts *ret_parts, u8 ret_key[32],
                      const struct secp_public *label)
{
    struct secp_secret h;
    struct secp_public shared;
    secp_public_of(&ret_parts->e, &draw->r);
    secp_public_of(&ret_parts->v, &draw->u);
    capsule_hash(&h, &ret_parts->e, &ret_parts->v);
    bool done = scalar_mul(&ret_parts->s, &draw->r, &h) &&
                scalar_add(&ret_parts->s, &ret_parts->s, &draw->u) &&
                group_mul(&shared, label, &draw->sum);
    if (done) {
        derive_key(ret_key, &shared);
        mem_wipe(&shared, sizeof shared);
    }
    return done;
}

bool umbral_encapsulate(struct umbral_capsule *ret_capsule, u8 ret_key[32],
                        const struct secp_public *label, const u8 random[64])
{
    struct draw draw;
    struct parts parts;
    bool done = secp_secret_from(&draw.r, random) && secp_secret_from(&draw.u, random + 32) &&
                scalar_add(&draw.sum, &draw.r, &draw.u) && draw_seal(&draw, &parts, ret_key, label);
    if (done) {
        memcpy(ret_capsule->b, &parts, sizeof parts);
    }
    mem_wipe(&draw, sizeof draw);
    return done;
}

bool umbral_check(const struct umbral_capsule *capsule)
{
    struct parts parts = capsule_parts(capsule);
    struct secp_secret s;
    struct secp_secret h;
    struct secp_public left;
    struct secp_public right;
    capsule_hash(&h, &parts.e, &parts.v);
    if (!secp_secret_from(&s, parts.s.b) || !group_mul_public(&right, &parts.e, &h) ||
        !group_add(&right, &right, &parts.v)) {
        return false;
    }
    secp_public_of(&left, &s);
    return memcmp(left.b, right.b, sizeof left.b) == 0;
}

bool umbral_decapsulate(u8 ret_key[32], const struct secp_secret *label,
                        const struct umbral_capsule *capsule)
{
    struct parts parts = capsule_parts(capsule);
    struct secp_public shared;
    bool done = umbral_check(capsule) && group_add(&shared, &parts.e, &parts.v) &&
                group_mul(&shared, &shared, label);
    if (done) {
        derive_key(ret_key, &shared);
    }
    mem_wipe(&shared, sizeof shared);
    return done;
}
