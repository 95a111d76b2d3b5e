/* promise.h: what clients were promised about each key, and what the bytes of a version are.
 *
 * The model is outside of any simulated process. It knows for each key which version was
 * acknowledged last, and which were begun and neither acknowledged nor refused since: those may be
 * there or not, until the next acknowledged change. Whatever else is seen, wherever, fails the seed
 * at once.
 *
 * A version is a number; size, shape and bytes of its content follow from it, and it is written in
 * the ETag, so that whoever sees a manifest knows which version it is.
 */
#ifndef SIM_PROMISE_H
#define SIM_PROMISE_H

#include "data/manifest.h"
#include "sim/world.h"

#define CLIENTS_MAX 8
#define KEYS_MAX 16
#define MAYBE_MAX 24
#define VERSION_ABSENT 0
#define VERSION_ETAG_BYTES 32

struct promise {
    char key[32];
    u64 acked;            /* version, or VERSION_ABSENT */
    u64 maybe[MAYBE_MAX]; /* begun since then */
    unsigned maybe_count;
    bool is_changing;
    u64 changing_to;
};

struct promises {
    unsigned clients;
    unsigned keys; /* of each client */
    u64 large_bytes_max;
    u64 versions; /* given out so far */
    struct promise of[CLIENTS_MAX][KEYS_MAX];
};

struct content {
    u64 sizes[3]; /* of up to three extents */
    unsigned count;
    u64 size;
    bool is_inline;
};

void promises_init(struct promises *promises, unsigned clients, unsigned keys, u64 large_bytes_max);
u64 promises_new_version(struct promises *promises);

struct content content_of(const struct promises *promises, u64 version);
/* content_fill: bytes [offset, offset + len) of a version. */
void content_fill(u64 version, u64 offset, u8 *out, size_t len);
void content_etag(u64 version, char out[VERSION_ETAG_BYTES + 1]);

/* A change begins, and then is acknowledged, refused (it will never be seen), or uncertain. */
void promise_begin(struct promise *p, u64 version);
void promise_keep(struct promise *p);
void promise_refuse(struct promise *p);
void promise_doubt(struct promise *p);
/* promise_settle: this version is there for good. */
void promise_settle(struct promise *p, u64 version);
/* promise_check: fails the seed if this version may not be seen. */
void promise_check(const struct promise *p, u64 version);

/* promises_version: of a manifest; checks its size. */
u64 promises_version(const struct promises *promises, const struct manifest *manifest);
/* promises_check_listing: a whole bucket in one view: keys in order, each with a version that may
 * be seen, none missing that must be there, none that nobody put. Waits for nothing. */
err promises_check_listing(struct promises *promises, struct index *index,
                           const struct hash *bucket, u64 *ret_digest);

#endif
