/* bft.h: accountable Tendermint, one height at a time. A pure step machine.
 *
 * n seats with equal votes, n = 1..11, f = (n - 1) / 3, quorum ⌊2n/3⌋ + 1. Events come in with the
 * time, effects go out; nothing here touches a clock, a disk, a socket or a key. The host checks
 * signatures before a vote comes in, validates proposals and says what it found, signs what the
 * engine casts, and keeps the log: an engine that is fed the same events again is in the same
 * state.
 *
 * The rules are those of the Tendermint paper (arXiv 1807.04938, its lines are named in the source)
 * with the change of "Accountable Tendermint": prevotes carry the proposal's valid_round, and a
 * polka is a quorum of prevotes that agree in it too (evidence.h). A nil polka never unlocks. One
 * more rule keeps the correct from looking guilty: a block that is locked now gets no prevote that
 * points to a round before the last one in which another block was precommitted. Only a faulty
 * proposer would ask for it (found by cairn-sim consensus seed 3039).
 *
 *   propose ──proposal or timeout──► prevote ──polka, nil polka or timeout──► precommit
 *      ▲                                                                         │
 *      └───────── next round: timeout, or f + 1 seats are there already ─────────┘
 *
 * A proposal of an older block carries the polka that made it valid, so votes of old rounds need
 * not be kept for it. A block is decided by a quorum of precommits of any round whose votes are
 * still kept. Memory is bounded by construction: BFT_ROUNDS_KEPT rounds, two votes per seat, kind
 * and round.
 */
#ifndef LEDGER_CONSENSUS_BFT_H
#define LEDGER_CONSENSUS_BFT_H

#include "ledger/consensus/evidence.h"

#define BFT_ROUNDS_KEPT 16
#define BFT_ROUNDS_AHEAD 2 /* votes of later rounds only tell where their seats are */
#define BFT_EFFECTS_MAX 64
#define BFT_TIMEOUT_MAX_MS 5000 /* so that a healed network goes on soon */
#define BFT_NOBODY UINT32_MAX

struct bft_options {
    u64 chain_id;
    struct seats seats;
    u32 own;                 /* index of the own seat; BFT_NOBODY: watches only */
    u8 proposers[SEATS_MAX]; /* a permutation of the seats: the order in which they propose */
    u32 propose_ms;          /* timeouts of round 0 */
    u32 vote_ms;             /* prevote and precommit */
    u32 propose_more_ms;     /* per round */
    u32 vote_more_ms;        /* per round */
};
/* bft_options_default: 1000 + 500 r ms to propose, 500 + 250 r ms to vote; seats in their order. */
struct bft_options bft_options_default(u64 chain_id, const struct seats *seats, u32 own);

enum bft_step { BFT_PROPOSE, BFT_PREVOTE, BFT_PRECOMMIT, BFT_DECIDED };

/* A polka: why a block may be proposed again. A proposal with a valid_round carries it, because
 * whoever hears the proposal may not have heard the prevotes, or keep them no longer. */
struct bft_polka {
    u32 round;
    struct hash block_id;
    u32 valid_round; /* in the prevotes */
    struct {
        u8 seat; /* ascending */
        struct secp_signature signature;
    } items[SEATS_MAX];
    size_t count; /* 0: none */
};

enum bft_event_kind {
    BFT_EV_TIME,     /* the deadline has come */
    BFT_EV_PROPOSAL, /* a signed proposal whose block the host has and has validated */
    BFT_EV_VOTE,     /* a vote with a good signature, also every own one */
};
struct bft_event {
    enum bft_event_kind kind;
    u64 now_ms; /* monotonic; never falls */
    u32 seat;   /* who signed */
    /* BFT_EV_PROPOSAL */
    u32 round;
    struct hash block_id; /* not zero */
    u32 valid_round;      /* VOTE_NO_ROUND: none */
    bool is_valid;
    struct bft_polka polka; /* its signatures are good (bft_polka_fits) */
    /* BFT_EV_VOTE */
    struct vote vote;
    struct secp_signature signature;
};

enum bft_effect_kind {
    BFT_FX_ROUND,    /* a round begins (for the host's log and its gossip) */
    BFT_FX_PROPOSE,  /* it is the own seat's turn: propose block_id (zero: a new block) */
    BFT_FX_CAST,     /* sign the vote, log it, send it, and feed it back */
    BFT_FX_DECIDE,   /* block_id is decided, by `certificate` */
    BFT_FX_EVIDENCE, /* seat has signed both votes, which no correct seat does */
};
struct bft_effect {
    enum bft_effect_kind kind;
    u32 round;
    struct hash block_id;
    u32 valid_round;
    struct vote vote;
    u32 seat;
    enum guilt guilt;
    struct vote other; /* the second of the two */
    struct secp_signature signature;
    struct secp_signature other_signature;
};
struct bft_effects {
    struct bft_effect items[BFT_EFFECTS_MAX];
    size_t count;
};

struct bft_ballot {
    bool is_cast;
    struct vote vote;
    struct secp_signature signature;
};
struct bft_proposal {
    bool is_known;
    bool is_valid;
    struct hash block_id;
    u32 valid_round;
    struct bft_polka polka; /* for gossip */
};
struct bft_round {
    bool is_used;
    u32 round;
    struct bft_proposal proposal;
    struct bft_ballot prevotes[SEATS_MAX];
    struct bft_ballot precommits[SEATS_MAX];
    bool prevotes_timed;   /* L34 has run */
    bool precommits_timed; /* L47 has run */
    bool polka_seen;       /* L36 has run */
};

struct bft {
    struct bft_options options;
    u64 height;
    u32 round;
    enum bft_step step;
    struct hash locked_id; /* zero: none */
    u32 locked_round;
    u32 foreign_round; /* the last round in which another block than locked_id was precommitted */
    struct hash valid_id; /* zero: none */
    u32 valid_round;
    struct bft_polka valid_polka; /* what made it valid: goes with the proposal of valid_id */
    u64 propose_deadline_ms;      /* UINT64_MAX: not running */
    u64 prevote_deadline_ms;
    u64 precommit_deadline_ms;
    struct bft_round rounds[BFT_ROUNDS_KEPT];
    u32 seen_round[SEATS_MAX]; /* the latest round a seat has voted in; VOTE_NO_ROUND: none */
    u32 reported;              /* seats that evidence was given of, one bit each */
};

/* bft_init: before the first step of a height; bft_start() begins round 0. */
void bft_init(struct bft *bft, const struct bft_options *options, u64 height);
void bft_start(struct bft *bft, u64 now_ms, struct bft_effects *ret_effects);
/* bft_step: effects in the order in which they should be done. Events of other heights, of seats
 * that are none and of rounds too far away are ignored. */
void bft_step(struct bft *bft, const struct bft_event *event, struct bft_effects *ret_effects);
/* bft_deadline: when BFT_EV_TIME should come next; UINT64_MAX: not at all. */
u64 bft_deadline(const struct bft *bft);
/* bft_proposer: whose turn a round is. */
u32 bft_proposer(const struct bft *bft, u32 round);
/* bft_polka_fits: whether a polka is the one that a proposal of block_id with this valid_round
 * needs, of a quorum of different seats. The host checks the signatures, over bft_polka_vote(). */
bool bft_polka_fits(const struct bft_polka *polka, const struct seats *seats,
                    const struct hash *block_id, u32 valid_round);
struct vote bft_polka_vote(const struct bft_polka *polka, u64 chain_id, u64 height);
/* bft_certificate: the precommits for block_id of a round, if they are a quorum. */
MUST_USE bool bft_certificate(const struct bft *bft, u32 round, const struct hash *block_id,
                              struct certificate *ret_certificate);
/* bft_round_of: the votes that are kept of a round, for gossip; NULL: none. */
const struct bft_round *bft_round_of(const struct bft *bft, u32 round);

#endif
