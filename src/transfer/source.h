/* source.h: what all reads of a process share. Internal to src/transfer. */
#ifndef TRANSFER_SOURCE_H
#define TRANSFER_SOURCE_H

#include "base/map.h"
#include "transfer/segment_get.h"

#define SOURCE_CACHE_MAX 4096

struct segment_source {
    struct segment_source_options options;
    struct map facts;   /* packed key → struct segment_facts */
    struct group lanes; /* fibers of all reads */
};

/* What is known about a segment: its seal (checked against the id on chain) and its holders. */
struct segment_facts {
    struct segment_seal seal;
    const struct redundancy_info *info;
    struct segment_shape shape;
    u32 holders[FRAGMENTS_MAX]; /* provider of each fragment, 0: none */
    bool hinted;                /* from this process, the chain may not show it yet */
};

/* source_facts: from the cache, or chain and holders. `fresh`: reads the chain again. */
err source_facts(struct segment_source *source, const struct segment_key *key, bool fresh,
                 u64 deadline_ms, struct segment_facts *ret_facts);

#endif
