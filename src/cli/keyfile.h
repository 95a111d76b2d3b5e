/* keyfile.h: keys of roles and owners, as files that only their user may read.
 *
 * A key file is 64 hex digits and a line end, mode 0400: a secp256k1 secret, which is the account.
 * What else a role needs is derived from it (HKDF-SHA256 with a domain text), so one file is the
 * whole identity: the gateway's X25519 box key, the storage node's receipt signer. A running role
 * finds it by
 * --key FILE, else as $CREDENTIALS_DIRECTORY/NAME, so that a restart needs nobody. An owner's
 * master key file has the same form. For export and backup there is the envelope
 * (docs/formats/envelope.md).
 */
#ifndef CLI_KEYFILE_H
#define CLI_KEYFILE_H

#include "crypto/sign.h"
#include "data/keys.h"

/* key_load: ERR_NOT_FOUND, ERR_MALFORMED (not a key), ERR_REFUSED (others may read the file). */
err key_load(const char *path, struct secp_secret *ret_secret);
/* key_of_role: from `path`, or without one from $CREDENTIALS_DIRECTORY/name. */
err key_of_role(const char *path, const char *name, struct secp_secret *ret_secret);
/* key_save: ERR_EXISTS if the file is there. */
err key_save(const char *path, const struct secp_secret *secret);
/* key_make: a fresh random key; saved unless path is NULL. */
err key_make(const char *path, struct secp_secret *ret_secret);
/* master_load / master_save / master_make: the same for 32 bytes that are no account. */
err master_load(const char *path, struct master_key *ret_master);
err master_save(const char *path, const struct master_key *master);
err master_make(const char *path, struct master_key *ret_master);

void key_derive_box(struct x_secret *ret_box, const struct secp_secret *secret);
void key_derive_signer(struct secp_secret *ret_signer, const struct secp_secret *secret);

/* key_address_text: "0x…", checksummed as EIP-55. */
void key_address_text(char out[43], const struct address *address);

#endif
