/* consensus.h: the engine of many seats in a hostile world; between the files of its scenario.
 *
 * Hosts are modelled, the engine is the real one: a host logs every event before the engine sees
 * it, makes the log durable before anything becomes visible, asks a signer that remembers what it
 * signed, gossips what it keeps, and catches up by certificates. Some seats are faulty: twins (two
 * correct nodes with one key), liars (conflicting proposals and votes to different nodes), or
 * silent ones.
 */
#ifndef SIM_CONSENSUS_H
#define SIM_CONSENSUS_H

#include "ledger/consensus/bft.h"
#include "sim/scenario.h"
#include "sim/sim.h"

#define CONSENSUS_NODES_MAX (2 * SEATS_MAX) /* each seat may have a twin */
#define CONSENSUS_HEIGHTS_MAX 400
#define CONSENSUS_LOG_MAX 8192 /* events of one height */

enum fault { FAULT_NONE, FAULT_TWIN, FAULT_LIAR, FAULT_SILENT };

enum message_kind { MESSAGE_PROPOSAL, MESSAGE_VOTE, MESSAGE_STATUS, MESSAGE_DECIDED };
struct message {
    enum message_kind kind;
    u32 from; /* node */
    u64 height;
    u32 seat;
    u32 round;
    u32 valid_round;
    struct hash block_id;
    struct bft_polka polka; /* of a proposal */
    struct vote vote;
    struct secp_signature signature;
    struct certificate certificate;
};

struct signed_record {
    u64 height;
    u32 round;
    enum vote_kind kind;
    struct vote vote;
};

struct node {
    u32 index;
    u32 seat;
    enum fault fault;
    bool up;
    u64 height; /* under way */
    struct bft bft;
    struct hash decided[CONSENSUS_HEIGHTS_MAX];
    struct certificate certificates[CONSENSUS_HEIGHTS_MAX];
    /* Survive a crash: the signer's record, and the log up to `durable`. */
    struct signed_record signed_last;
    bool has_signed;
    struct bft_event log[CONSENSUS_LOG_MAX];
    size_t logged;
    size_t durable;
    struct vote own_votes[64]; /* of this height, for the checker */
    size_t own_count;
    struct sim_event timer;
    struct sim_event gossip;
    struct sim_event restart;
};

struct consensus_world {
    struct node nodes[CONSENSUS_NODES_MAX];
    size_t node_count;
    size_t seat_count;
    struct seats seats;
    enum fault faults[SEATS_MAX];
    size_t faulty;
    u64 latency_min_ms;
    u64 latency_max_ms;
    u64 loss_per_mille;
    u64 duplicate_per_mille;
    bool cut[CONSENSUS_NODES_MAX][CONSENSUS_NODES_MAX]; /* from, to */
    bool real_signatures;
    struct secp_secret secrets[SEATS_MAX]; /* if they are real */
    u64 height_max;                        /* the highest that a correct node has decided */
    bool chaos;
    bool disagreed;
    u64 proofs; /* evidence that correct nodes found */
    u64 blocks_made;
    struct sim_event fault_event;
    struct scenario_counters *counters;
};

extern struct consensus_world *consensus;

/* consensus_check.c: whatever is signed, decided or reported goes through these. */
void check_signed(struct node *node, const struct vote *vote);
void check_seen(const struct vote *vote, u32 seat);
void check_decided(const struct node *node, const struct certificate *certificate);
void check_evidence(const struct node *node, const struct bft_effect *effect);
void check_reset(void);

/* consensus_host.c */
void host_start(struct node *node);
void host_receive(struct node *node, const struct message *message);
void host_crash(struct node *node, bool power);
void host_restart(struct node *node);
/* host_sign: with the seat's key, whatever the signer would say. */
void host_sign(u32 seat, const struct vote *vote, struct secp_signature *ret_signature);
void host_block_id(const struct node *node, bool is_valid, struct hash *ret_id);
bool block_is_valid(const struct hash *block_id);
static inline bool is_correct(const struct node *node) { return node->fault == FAULT_NONE; }

/* consensus_liar.c: what a liar does with what it hears. */
void liar_receive(struct node *node, const struct message *message);

/* scenario_consensus.c: the network. */
void net_send(const struct node *from, struct node *to, const struct message *message);
void net_broadcast(const struct node *from, const struct message *message);

#endif
