/* consensus.h: the header that the seats agree on and sign, and the proof that they did.
 *
 * Every height has two headers. Seats vote before execution, on the consensus header of h: order
 * and hash of the transactions, time, proposer, seats, parameters, and the hash of the *Ethereum*
 * header of h - 1, which holds the state root after it. So a wrong execution shows one height
 * later, with both hashes, and a light client gets from seats' signatures to a state root.
 *
 * The id of a header is keccak256 of its record. A seat signs the digest of a vote, a fixed layout
 * that C, Solidity and test generators share (docs/formats/block.md); a certificate is a quorum of
 * precommits for one id. With one seat it holds one signature.
 */
#ifndef LEDGER_BLOCK_CONSENSUS_H
#define LEDGER_BLOCK_CONSENSUS_H

#include "crypto/sign.h"
#include "ledger/block/block.h"

#define SEATS_MAX 11
#define CONSENSUS_RECORD_BYTES_MAX 4096
#define DECIDED_BYTES_MAX (BLOCK_BODY_BYTES_MAX + 2 * CONSENSUS_RECORD_BYTES_MAX)
#define VOTE_NO_ROUND UINT32_MAX

struct consensus_header {
    u64 chain_id;
    u64 height;
    u64 time_ms;                 /* since 1970 */
    struct hash parent_id;       /* id of the consensus header of height - 1; zero after genesis */
    struct hash parent_hash;     /* of the Ethereum header of height - 1 */
    struct hash txs_root;        /* Ethereum's transactionsRoot */
    struct hash sidecar_root;    /* zero: no sidecar */
    struct hash seats_hash;      /* of the seats that decide this height */
    struct hash next_seats_hash; /* of the seats that decide the next one */
    struct hash params_hash;     /* of the block parameters in force */
    struct address proposer;
};

void consensus_header_encode(struct buf *out, const struct consensus_header *header);
err consensus_header_decode(bytes in, struct consensus_header *ret_header);
void consensus_header_id(struct hash *out, const struct consensus_header *header);

/* consensus_eth_time: seconds in the Ethereum header for a block time. */
static inline u64 consensus_eth_time(u64 time_ms) { return time_ms / 1000; }

struct seats {
    struct address items[SEATS_MAX]; /* ascending */
    size_t count;
};
void seats_hash(struct hash *out, const struct seats *seats);
/* seats_quorum: ⌊2n/3⌋ + 1. */
size_t seats_quorum(const struct seats *seats);

enum vote_kind { VOTE_PREVOTE = 1, VOTE_PRECOMMIT = 2 };
struct vote {
    enum vote_kind kind;
    u64 chain_id;
    u64 height;
    u32 round;
    struct hash block_id; /* zero: nil */
    u32 valid_round;      /* prevotes; VOTE_NO_ROUND for none and for precommits */
};
void vote_digest(struct hash *out, const struct vote *vote);

struct certificate {
    u64 height;
    u32 round;
    struct hash block_id;
    struct {
        u8 seat; /* index into the seats; ascending */
        struct secp_signature signature;
    } items[SEATS_MAX];
    size_t count;
};
void certificate_encode(struct buf *out, const struct certificate *certificate);
err certificate_decode(bytes in, struct certificate *ret_certificate);
/* certificate_valid: a quorum of different seats signed precommits for block_id. */
bool certificate_valid(const struct certificate *certificate, u64 chain_id,
                       const struct seats *seats);

/* A decided block: what is written to the log before execution and sent to nodes that catch up. */
struct decided {
    struct consensus_header header;
    struct certificate certificate;
    struct block_txs txs;
};
/* decided_encode / decided_decode: one record; transactions borrow from `in`. Decoding checks form
 * only: the caller checks the certificate, and txs_root with decided_consistent(). */
void decided_encode(struct buf *out, const struct decided *decided);
err decided_decode(struct arena *arena, bytes in, struct decided *ret_decided);
/* decided_consistent: certificate, header and transactions belong together. */
err decided_consistent(const struct decided *decided, bool *ret_consistent);
/* consensus_part_encode / decode: header and certificate, as state keeps them per height. */
void consensus_part_encode(struct buf *out, const struct consensus_header *header,
                           const struct certificate *certificate);
err consensus_part_decode(bytes in, struct consensus_header *ret_header,
                          struct certificate *ret_certificate);

#endif
