/* user_drop.h: S3 users on their way into a gateway.
 *
 * S3 keys belong in the owner's system bucket, which only a running gateway can write. Whoever may
 * write the gateway's data folder leaves a user there, as users/ACCESS-KEY.json (0600); the gateway
 * takes it within a second, now or at its next start, and removes the file. What it cannot take it
 * leaves as ACCESS-KEY.refused with the reason.
 */
#ifndef CLI_USER_DROP_H
#define CLI_USER_DROP_H

#include "gateway/service/gateway.h"

/* user_drop_leave: ERR_USAGE: the access key is no fit name for a file. */
err user_drop_leave(const char *data_dir, const struct gateway_user *user);
/* user_drop_await: until the gateway has taken it. ERR_REFUSED: it did not want it (logged);
 * ERR_TIMEOUT: it has not looked; the user is taken when the gateway runs. */
err user_drop_await(struct loop *loop, const char *data_dir, const struct gateway_user *user,
                    u64 deadline_ms);

struct user_drop; /* the gateway's side */
/* user_drop_start: looks into the folder again and again, in a fiber, until the loop stops. */
err user_drop_start(struct loop *loop, struct gateway *gateway, const char *data_dir,
                    struct group *fibers);

#endif
