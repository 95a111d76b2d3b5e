/* workload.h: clients of the object service.
 *
 * Some clients work side by side in the gateway's process, as its S3 front end would: each has keys
 * of its own, which it puts, overwrites, deletes, reads and lists, and checks all that it sees
 * against the promises (promise.h).
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "sim/promise.h"

struct workload_options {
    unsigned clients;
    unsigned keys; /* of each client */
    u64 think_max_ms;
    u64 large_bytes_max; /* of the largest objects */
};

struct workload;

/* workload_new: clients start whenever the gateway serves (world->serving). Lives as long as the
 * seed. */
struct workload *workload_new(struct world *world, const struct workload_options *options);
/* workload_quiesce: clients finish what they do and begin nothing more. */
void workload_quiesce(struct workload *workload);
bool workload_is_quiet(const struct workload *workload);
u64 workload_done(const struct workload *workload); /* operations that ended well */

/* workload_verify: in a fiber of the gateway's process, when no client runs: reads the listing and
 * every key whole; what is seen is there for good from now on. The fault of what could not be read
 * (yet), else ok. *ret_digest: of the listing. */
err workload_verify(struct workload *workload, struct role *gateway, u64 *ret_digest);

#endif
