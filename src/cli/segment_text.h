/* segment_text.h: segments and their holders as the ledger has them, for people and scripts. */
#ifndef CLI_SEGMENT_TEXT_H
#define CLI_SEGMENT_TEXT_H

#include "cli/client.h"
#include "ledger/modules/segment_layout.h"

struct segment_view {
    struct segment_key key;
    bool found;
    struct segment_record record;
    enum holder_status statuses[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
};

/* segment_view_read: found false: the ledger has no such segment. */
err segment_view_read(struct client *client, const struct segment_key *key,
                      struct segment_view *ret_view);
/* segment_present: fragments whose holders are there now. */
u8 segment_present(const struct segment_view *view);
/* segment_describe: a new reference: key, class, length, state, holders with their status. */
json_t *segment_describe(const struct segment_view *view);
/* segment_state: "complete" (all n are there), "durable" (a quorum), "endangered" (k or more),
 * "lost" (fewer), "releasing". */
const char *segment_state(const struct segment_view *view);
const char *segment_holder_text(enum holder_status status);
/* segment_parse: "TERRITORY.GATEWAY.NUMBER". */
MUST_USE bool segment_parse(const char *text, struct segment_key *ret_key);

#endif
