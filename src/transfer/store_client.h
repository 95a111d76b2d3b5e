/* store_client.h: the calls of docs/protocols/store.md, one function each. */
#ifndef TRANSFER_STORE_CLIENT_H
#define TRANSFER_STORE_CLIENT_H

#include "net/http.h"
#include "transfer/directory.h"
#include "transfer/seal.h"

/* What a caller signs its requests with. */
struct store_identity {
    u64 chain_id;
    struct secp_secret secret; /* gateway's, owner's or watcher's key */
};

struct store_upload; /* one fragment on its way to one holder */

err store_put_open(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key, u8 index,
                   u64 deadline_ms, struct store_upload **ret_upload);
err store_put_write(struct store_upload *upload, bytes in, u64 deadline_ms);
/* store_put_finish: seals; the receipt's signature is checked against the holder's signer.
 * ERR_REFUSED (capacity, rights), ERR_INTEGRITY (bad receipt), ERR_NETWORK… Frees upload. */
err store_put_finish(struct store_upload *upload, const struct segment_seal *seal, u64 deadline_ms,
                     struct holder_receipt *ret_receipt);
void store_put_abort(struct store_upload *upload);
/* store_renew: a fresh receipt for bytes the holder has. */
err store_renew(struct http_client *http, const struct store_identity *who,
                const struct provider_view *holder, const struct segment_seal *seal, u8 index,
                u64 deadline_ms, struct holder_receipt *ret_receipt);

struct store_download; /* frames of one fragment, verified against its root */

/* store_get_open: [from, from + length) of the fragment, both multiples of 64 KiB except at its
 * end; fragment_length and root are the truth to check against. */
err store_get_open(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key, u8 index,
                   const struct hash *root, u32 fragment_length, u32 from, u32 length,
                   u64 deadline_ms, struct store_download **ret_download);
/* store_get_next: the next verified run of up to 64 KiB into out (UNIT_BYTES of room).
 * ERR_INTEGRITY: the holder lied. *ret_len 0: done. */
err store_get_next(struct store_download *download, u8 *out, u64 deadline_ms, size_t *ret_len);
/* store_get_close: after the last byte it waits a moment for the end of the answer. */
void store_get_close(struct store_download *download);

/* store_get_seal: checked against the segment id. */
err store_get_seal(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key,
                   const struct hash *id, u64 deadline_ms, struct segment_seal *ret_seal);
err store_send_commit(struct http_client *http, const struct store_identity *who,
                      const struct provider_view *holder, bytes raw_tx, u64 deadline_ms);

#endif
