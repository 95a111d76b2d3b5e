#include "sim/promise.h"

#include "base/assert.h"
#include "base/log.h"

#include <stdio.h>

void promises_init(struct promises *promises, unsigned clients, unsigned keys, u64 large_bytes_max)
{
    assert_that(clients <= CLIENTS_MAX && keys <= KEYS_MAX);
    *promises =
        (struct promises){.clients = clients, .keys = keys, .large_bytes_max = large_bytes_max};
    for (unsigned c = 0; c < clients; c++) {
        for (unsigned k = 0; k < keys; k++) {
            /* Neighbours in order belong to different clients. */
            snprintf(promises->of[c][k].key, sizeof promises->of[c][k].key, "%s%02u/%u",
                     k % 3 == 0 ? "photos/" : "", k, c);
        }
    }
}

u64 promises_new_version(struct promises *promises) { return ++promises->versions; }

/* ---- content ---- */

struct content content_of(const struct promises *promises, u64 version)
{
    struct prng prng;
    struct content c = {.count = 1};
    prng_init(&prng, sim->seed * 0x9e3779b97f4a7c15u + version);
    u64 draw = prng_below(&prng, 20);
    if (draw < 8) {
        c.is_inline = true;
        c.sizes[0] = draw == 0 ? 0 : prng_below(&prng, MANIFEST_INLINE_BYTES_MAX + 1);
    } else if (draw < 15) {
        c.sizes[0] = 1 + prng_below(&prng, KIB(40));
    } else if (draw < 18) {
        c.sizes[0] = 1 + prng_below(&prng, promises->large_bytes_max);
    } else {
        c.count = 2 + (unsigned)prng_below(&prng, 2);
        for (unsigned i = 0; i < c.count; i++) {
            c.sizes[i] = 1 + prng_below(&prng, promises->large_bytes_max / 2);
        }
    }
    for (unsigned i = 0; i < c.count; i++) {
        c.size += c.sizes[i];
    }
    return c;
}

static u64 word_of(u64 version, u64 i)
{
    u64 word = version * 0x9e3779b97f4a7c15u ^ i * 0xff51afd7ed558ccdu;
    word = (word ^ word >> 32) * 0xc4ceb9fe1a85ec53u;
    return word ^ word >> 29;
}

void content_fill(u64 version, u64 offset, u8 *out, size_t len)
{
    u64 word = word_of(version, offset / 8);
    for (size_t i = 0; i < len; i++) {
        u64 at = offset + i;
        if (at % 8 == 0) {
            word = word_of(version, at / 8);
        }
        out[i] = (u8)(word >> 8 * (at % 8));
    }
}

void content_etag(u64 version, char out[VERSION_ETAG_BYTES + 1])
{
    snprintf(out, VERSION_ETAG_BYTES + 1, "%032llx", (unsigned long long)version);
}

u64 promises_version(const struct promises *promises, const struct manifest *manifest)
{
    u64 version = 0;
    scenario_check(manifest->etag.len == VERSION_ETAG_BYTES);
    for (size_t i = 0; i < VERSION_ETAG_BYTES; i++) {
        u8 c = manifest->etag.data[i];
        version = version * 16 + (u64)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    scenario_check(version != VERSION_ABSENT && version <= promises->versions);
    scenario_check(manifest->size == content_of(promises, version).size);
    return version;
}

/* ---- promises ---- */

void promise_begin(struct promise *p, u64 version)
{
    assert_that(!p->is_changing);
    p->is_changing = true;
    p->changing_to = version;
    log_debug("sim", "%s to version %llu", p->key, (unsigned long long)version);
}

void promise_keep(struct promise *p)
{
    p->is_changing = false;
    promise_settle(p, p->changing_to);
    log_debug("sim", "%s is version %llu", p->key, (unsigned long long)p->acked);
}

void promise_refuse(struct promise *p) { p->is_changing = false; }

void promise_doubt(struct promise *p)
{
    if (p->is_changing) {
        scenario_check(p->maybe_count < MAYBE_MAX);
        p->maybe[p->maybe_count++] = p->changing_to;
        p->is_changing = false;
    }
}

void promise_settle(struct promise *p, u64 version)
{
    p->acked = version;
    p->maybe_count = 0;
}

void promise_check(const struct promise *p, u64 version)
{
    bool allowed = version == p->acked || (p->is_changing && version == p->changing_to);
    for (unsigned i = 0; i < p->maybe_count; i++) {
        allowed = allowed || version == p->maybe[i];
    }
    if (!allowed) {
        scenario_fail("%s is seen as version %llu; acknowledged was %llu, %u others may be", p->key,
                      (unsigned long long)version, (unsigned long long)p->acked, p->maybe_count);
    }
}

/* ---- the listing ---- */

struct listing {
    struct promises *promises;
    bool listed[CLIENTS_MAX][KEYS_MAX];
    char former[32];
    u64 digest;
};

static struct promise *find_promise(struct listing *listing, bytes key)
{
    for (unsigned c = 0; c < listing->promises->clients; c++) {
        for (unsigned k = 0; k < listing->promises->keys; k++) {
            struct promise *p = &listing->promises->of[c][k];
            if (bytes_eq_str(key, p->key)) {
                listing->listed[c][k] = true;
                return p;
            }
        }
    }
    scenario_fail("the listing has a key that nobody put");
}

static void check_entry(struct listing *listing, bytes key, bytes encoded)
{
    struct arena arena;
    struct manifest manifest;
    const struct promise *p = find_promise(listing, key);
    scenario_check(bytes_cmp(bytes_str(listing->former), key) < 0);
    memcpy(listing->former, p->key, sizeof listing->former);
    arena_init(&arena, MIB(1));
    scenario_check(is_ok(manifest_read(&manifest, &arena, encoded)));
    u64 version = promises_version(listing->promises, &manifest);
    promise_check(p, version);
    listing->digest = (listing->digest ^ version) * 0x9e3779b97f4a7c15u;
    arena_free(&arena);
}

static err scan(struct listing *listing, struct index_view *view, const struct hash *bucket)
{
    struct index_scan *at;
    bytes key;
    bytes encoded;
    TRY(index_scan_open(view, bucket, &at));
    err e = index_scan_seek(at, bytes_str(""), &key, &encoded);
    while (is_ok(e)) {
        check_entry(listing, key, encoded);
        e = index_scan_next(at, &key, &encoded);
    }
    index_scan_close(at);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

err promises_check_listing(struct promises *promises, struct index *index,
                           const struct hash *bucket, u64 *ret_digest)
{
    struct listing listing = {.promises = promises, .digest = 1};
    struct index_view *view;
    TRY(index_view_open(index, &view));
    err e = scan(&listing, view, bucket);
    index_view_close(view);
    TRY(e);
    for (unsigned c = 0; c < promises->clients; c++) {
        for (unsigned k = 0; k < promises->keys; k++) {
            if (!listing.listed[c][k]) {
                promise_check(&promises->of[c][k], VERSION_ABSENT);
            }
        }
    }
    *ret_digest = listing.digest;
    return ok();
}
