/* checks.h: what must hold of the ledger, always and at the end. */
#ifndef SIM_CHECKS_H
#define SIM_CHECKS_H

#include "sim/world.h"

/* checks_start: from now on the ledger never goes back: no height below one that was seen, no other
 * block at a height that was seen. */
void checks_start(struct world *world);

struct check_segments {
    u64 count;
    u64 incomplete;    /* not all n holders present */
    char example[400]; /* of those: the first one's key, and of each fragment provider and status */
};
/* checks_segments: in a fiber of the gateway's process: all segments of the ledger that are not
 * being released. */
err checks_segments(struct role *gateway, u64 deadline_ms, struct check_segments *ret);

#endif
