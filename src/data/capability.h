/* capability.h: what a storage node demands before it does anything: who may do what, until when.
 *
 * A capability is a record signed with a secp256k1 account key: it names the chain, the holder that
 * shall obey, the operations, the segment and fragment they are for, and a second after which it is
 * worthless. It travels as one header value, `Authorization: Cairn BASE64`, in clear: it is of no
 * use at another holder, for another fragment or later. The nonce lets a holder tell two requests
 * apart and refuse a second use where that matters (writes).
 *
 * Checking has three parts, because each needs other knowledge: capability_parse() the layout,
 * capability_verify() the signature, capability_allows() the request. Whether the signer is
 * somebody (a registered gateway, an assigned watcher, the operator) is for the holder to ask the
 * chain. Layout: docs/formats/capability.md.
 */
#ifndef DATA_CAPABILITY_H
#define DATA_CAPABILITY_H

#include "data/segment.h"

#define CAPABILITY_BYTES 147
#define CAPABILITY_HEADER_BYTES 202 /* "Cairn " and base64, without a final zero */
#define CAPABILITY_TTL_SECONDS_MAX 86400
#define CAPABILITY_ALL_FRAGMENTS 0xff

enum capability_op {
    CAPABILITY_READ = 1,
    CAPABILITY_WRITE = 2,
    CAPABILITY_INVENTORY = 4, /* key and fragment are not looked at */
    CAPABILITY_ADMIN = 8,     /* likewise */
};
#define CAPABILITY_OPS_ALL 15

struct capability {
    u64 chain_id;
    struct address who; /* signer */
    u32 holder;         /* provider index, from 1 */
    u8 ops;             /* mask of enum capability_op, not 0 */
    struct segment_key key;
    u8 fragment;     /* index, or CAPABILITY_ALL_FRAGMENTS */
    u64 valid_until; /* unix seconds, inclusive */
    u8 nonce[16];    /* random */
    struct secp_signature signature;
};

enum capability_verdict {
    CAPABILITY_OK,
    CAPABILITY_MALFORMED,
    CAPABILITY_BAD_SIGNATURE, /* or signed by another than `who` */
    CAPABILITY_WRONG_CHAIN,
    CAPABILITY_WRONG_HOLDER,
    CAPABILITY_EXPIRED,
    CAPABILITY_TOO_LONG, /* valid for more than CAPABILITY_TTL_SECONDS_MAX from now */
    CAPABILITY_WRONG_OP,
    CAPABILITY_WRONG_FRAGMENT, /* other segment or fragment */
};

/* capability_verdict_name: "ok", "expired"… for logs and error bodies. */
const char *capability_verdict_name(enum capability_verdict verdict);

/* capability_sign: fills who and signature from the other fields and the secret. */
void capability_sign(struct capability *capability, const struct secp_secret *secret);
/* capability_verify: CAPABILITY_OK or CAPABILITY_BAD_SIGNATURE. */
MUST_USE enum capability_verdict capability_verify(const struct capability *capability);

struct capability_request {
    u64 chain_id;
    u32 holder; /* who is asked */
    enum capability_op op;
    struct segment_key key;
    u8 fragment;
    u64 now; /* unix seconds */
};

/* capability_allows: the first reason against the request, in the order of the enum. Does not look
 * at the signature. */
MUST_USE enum capability_verdict capability_allows(const struct capability *capability,
                                                   const struct capability_request *request);

/* capability_encode / capability_decode: the record of CAPABILITY_BYTES. decode gives CAPABILITY_OK
 * or CAPABILITY_MALFORMED. */
void capability_encode(u8 out[CAPABILITY_BYTES], const struct capability *capability);
MUST_USE enum capability_verdict capability_decode(struct capability *ret, bytes in);

/* capability_header: the header's value with a final zero. */
void capability_header(char out[CAPABILITY_HEADER_BYTES + 1], const struct capability *capability);
/* capability_parse: CAPABILITY_OK or CAPABILITY_MALFORMED; the scheme is matched without case. */
MUST_USE enum capability_verdict capability_parse(struct capability *ret, bytes header_value);

#endif
