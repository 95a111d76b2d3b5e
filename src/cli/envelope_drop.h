/* envelope_drop.h: envelopes of master keys on their way into a gateway.
 *
 * As user_drop.h: the envelope belongs into the owner's system bucket, as its first record, which a
 * running gateway writes. It is left in the gateway's data folder as envelopes/OWNER.json, in the
 * form of a backup (`cairn key export --master`); the gateway takes it before the owner's users and
 * removes the file, or leaves OWNER.refused with the reason.
 */
#ifndef CLI_ENVELOPE_DROP_H
#define CLI_ENVELOPE_DROP_H

#include "gateway/service/gateway.h"

err envelope_drop_leave(const char *data_dir, const struct address *owner,
                        const struct envelope *envelope);
/* envelope_drop_await: until the gateway has taken it. ERR_REFUSED: it did not want it (logged);
 * ERR_TIMEOUT: it has not looked; it is taken when the gateway runs. */
err envelope_drop_await(struct loop *loop, const char *data_dir, const struct address *owner,
                        u64 deadline_ms);
/* envelope_drop_waits: one of that owner has not been taken yet. */
bool envelope_drop_waits(const char *data_dir, const struct address *owner);
/* envelope_drop_look: the gateway's side: takes what lies there; faults are logged. */
void envelope_drop_look(struct loop *loop, struct gateway *gateway, const char *data_dir);

/* envelope_text_write / envelope_text_read: the file form, {"version":1,"kind":"master",
 * "envelope":"base64"}. ERR_USAGE: of another kind; ERR_MALFORMED. */
err envelope_text_write(const char *path, const char *kind, const char *address,
                        const struct envelope *envelope);
err envelope_text_read(const char *path, const char *kind, struct envelope *ret_envelope);

#endif
