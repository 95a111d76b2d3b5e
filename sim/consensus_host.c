/* consensus_host.c: what a node does around its engine. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "sim/consensus.h"

#define GOSSIP_MS 400
#define INVALID_MARK 0xbb

static u64 mix(u64 x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void host_block_id(const struct node *node, bool is_valid, struct hash *ret_id)
{
    u64 word = mix(++consensus->blocks_made * 64 + node->index + 1);
    for (size_t i = 0; i < 4; i++) {
        store_be64(ret_id->b + 8 * i, mix(word + i));
    }
    ret_id->b[31] = is_valid ? 1 : INVALID_MARK;
}

bool block_is_valid(const struct hash *block_id) { return block_id->b[31] != INVALID_MARK; }

/* --- signatures: real ones in some seeds, else a keyed hash that only the seat can make --- */

static u64 tag_of(u32 seat, const struct vote *vote)
{
    u64 tag = mix(sim->seed * 31 + seat + 7);
    tag = mix(tag ^ vote->height) + (u64)vote->kind;
    tag = mix(tag ^ ((u64)vote->round << 32 | vote->valid_round));
    tag = mix(tag ^ load_be64(vote->block_id.b));
    return mix(tag ^ load_be64(vote->block_id.b + 24));
}

void host_sign(u32 seat, const struct vote *vote, struct secp_signature *ret_signature)
{
    *ret_signature = (struct secp_signature){{0}};
    if (consensus->real_signatures) {
        struct hash digest;
        vote_digest(&digest, vote);
        secp_sign(ret_signature, &consensus->secrets[seat], &digest);
    } else {
        store_be64(ret_signature->b, tag_of(seat, vote));
    }
}

static bool signature_good(u32 seat, const struct vote *vote,
                           const struct secp_signature *signature)
{
    if (seat >= consensus->seat_count) {
        return false;
    }
    if (consensus->real_signatures) {
        struct hash digest;
        struct address signer;
        vote_digest(&digest, vote);
        return secp_recover_address(&signer, signature, &digest) &&
               address_eq(&signer, &consensus->seats.items[seat]);
    }
    return load_be64(signature->b) == tag_of(seat, vote);
}

static bool certificate_good(const struct certificate *certificate)
{
    u32 seats = 0;
    for (size_t i = 0; i < certificate->count; i++) {
        struct vote vote = {.kind = VOTE_PRECOMMIT,
                            .chain_id = 1,
                            .height = certificate->height,
                            .round = certificate->round,
                            .block_id = certificate->block_id,
                            .valid_round = VOTE_NO_ROUND};
        u32 seat = certificate->items[i].seat;
        if (seat >= consensus->seat_count || (seats & 1u << seat) != 0 ||
            !signature_good(seat, &vote, &certificate->items[i].signature)) {
            return false;
        }
        seats |= 1u << seat;
    }
    return certificate->count >= seats_quorum(&consensus->seats);
}

static bool polka_good(const struct bft_polka *polka, u64 height)
{
    struct vote vote = bft_polka_vote(polka, 1, height);
    for (size_t i = 0; i < polka->count; i++) {
        if (!signature_good(polka->items[i].seat, &vote, &polka->items[i].signature)) {
            return false;
        }
    }
    return true;
}

/* --- the signer: remembers the last vote, refuses to go back --- */

static bool signer_allows(const struct node *node, const struct vote *vote)
{
    const struct signed_record *last = &node->signed_last;
    if (!node->has_signed || vote->height != last->height) {
        return !node->has_signed || vote->height > last->height;
    }
    if (vote->round != last->round) {
        return vote->round > last->round;
    }
    if (vote->kind != last->kind) {
        return vote->kind > last->kind;
    }
    return hash_eq(&vote->block_id, &last->vote.block_id) &&
           vote->valid_round == last->vote.valid_round;
}

/* --- events and effects --- */

static void step(struct node *node, const struct bft_event *event);

static void set_timer(struct node *node);

static void log_event(struct node *node, const struct bft_event *event)
{
    scenario_check(node->logged < CONSENSUS_LOG_MAX);
    node->log[node->logged++] = *event;
}

static void cast(struct node *node, const struct vote *vote)
{
    struct message message = {
        .kind = MESSAGE_VOTE, .from = node->index, .height = vote->height, .seat = node->seat};
    if (!signer_allows(node, vote)) {
        return;
    }
    node->signed_last = (struct signed_record){
        .height = vote->height, .round = vote->round, .kind = vote->kind, .vote = *vote};
    node->has_signed = true;
    node->durable = node->logged; /* the log first, then the vote is visible */
    check_signed(node, vote);
    message.vote = *vote;
    host_sign(node->seat, vote, &message.signature);
    const struct bft_event own = {.kind = BFT_EV_VOTE,
                                  .now_ms = sim->now_ms,
                                  .seat = node->seat,
                                  .vote = *vote,
                                  .signature = message.signature};
    net_broadcast(node, &message);
    step(node, &own);
}

static void propose(struct node *node, const struct bft_effect *effect)
{
    struct message message = {.kind = MESSAGE_PROPOSAL,
                              .from = node->index,
                              .height = node->height,
                              .seat = node->seat,
                              .round = effect->round,
                              .valid_round = effect->valid_round,
                              .block_id = effect->block_id};
    if (hash_is_zero(&message.block_id)) {
        host_block_id(node, true, &message.block_id);
    } else {
        message.polka = node->bft.valid_polka;
    }
    const struct bft_event own = {.kind = BFT_EV_PROPOSAL,
                                  .now_ms = sim->now_ms,
                                  .seat = node->seat,
                                  .round = message.round,
                                  .block_id = message.block_id,
                                  .valid_round = message.valid_round,
                                  .is_valid = true,
                                  .polka = message.polka};
    log_event(node, &own);
    node->durable = node->logged;
    net_broadcast(node, &message);
    struct bft_effects effects;
    bft_step(&node->bft, &own, &effects);
    for (size_t i = 0; i < effects.count && node->up; i++) {
        if (effects.items[i].kind == BFT_FX_CAST) {
            cast(node, &effects.items[i].vote);
        }
    }
}

static void begin_height(struct node *node)
{
    struct bft_options options = bft_options_default(1, &consensus->seats, node->seat);
    struct bft_event start = {.kind = BFT_EV_TIME, .now_ms = sim->now_ms};
    struct bft_effects effects;
    node->logged = 0;
    node->durable = 0;
    node->own_count = 0;
    bft_init(&node->bft, &options, node->height);
    log_event(node, &start);
    bft_start(&node->bft, sim->now_ms, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        if (effects.items[i].kind == BFT_FX_PROPOSE) {
            propose(node, &effects.items[i]);
        }
    }
}

static void decide(struct node *node, const struct certificate *certificate)
{
    check_decided(node, certificate);
    node->decided[node->height] = certificate->block_id;
    node->certificates[node->height] = *certificate;
    node->height++;
    if (node->height < CONSENSUS_HEIGHTS_MAX) {
        begin_height(node);
    }
}

static void do_effect(struct node *node, const struct bft_effect *effect)
{
    struct certificate certificate;
    switch (effect->kind) {
    case BFT_FX_ROUND:
        break;
    case BFT_FX_PROPOSE:
        propose(node, effect);
        break;
    case BFT_FX_CAST:
        cast(node, &effect->vote);
        break;
    case BFT_FX_DECIDE:
        if (!bft_certificate(&node->bft, effect->round, &effect->block_id, &certificate)) {
            scenario_fail("decided without a certificate");
        }
        node->durable = node->logged;
        decide(node, &certificate);
        break;
    case BFT_FX_EVIDENCE:
        check_evidence(node, effect);
        break;
    }
}

/* Effects of a height that has ended meanwhile are dropped. */
static void step(struct node *node, const struct bft_event *event)
{
    struct bft_effects effects;
    u64 height = node->height;
    log_event(node, event);
    bft_step(&node->bft, event, &effects);
    for (size_t i = 0; i < effects.count && node->up && node->height == height; i++) {
        do_effect(node, &effects.items[i]);
    }
}

static void on_timer(struct sim_event *event)
{
    struct node *node = (struct node *)((char *)event - offsetof(struct node, timer));
    const struct bft_event time = {.kind = BFT_EV_TIME, .now_ms = sim->now_ms};
    if (node->height < CONSENSUS_HEIGHTS_MAX) {
        step(node, &time);
    }
    set_timer(node);
}

static void set_timer(struct node *node)
{
    u64 deadline = bft_deadline(&node->bft);
    sim_cancel(&node->timer);
    if (node->up && deadline != UINT64_MAX && node->height < CONSENSUS_HEIGHTS_MAX) {
        sim_at(&node->timer, deadline > sim->now_ms ? deadline - sim->now_ms : 0, on_timer);
    }
}

/* --- gossip --- */

static void send_ballots(struct node *node, struct node *to, const struct bft_ballot *ballots)
{
    for (u32 seat = 0; seat < consensus->seat_count; seat++) {
        if (ballots[seat].is_cast) {
            struct message message = {.kind = MESSAGE_VOTE,
                                      .from = node->index,
                                      .height = node->height,
                                      .seat = seat,
                                      .vote = ballots[seat].vote,
                                      .signature = ballots[seat].signature};
            net_send(node, to, &message);
        }
    }
}

static void send_round(struct node *node, struct node *to, u32 number)
{
    const struct bft_round *round = bft_round_of(&node->bft, number);
    if (round == NULL) {
        return;
    }
    if (round->proposal.is_known) {
        struct message message = {.kind = MESSAGE_PROPOSAL,
                                  .from = node->index,
                                  .height = node->height,
                                  .seat = bft_proposer(&node->bft, number),
                                  .round = number,
                                  .valid_round = round->proposal.valid_round,
                                  .block_id = round->proposal.block_id,
                                  .polka = round->proposal.polka};
        net_send(node, to, &message);
    }
    send_ballots(node, to, round->prevotes);
    send_ballots(node, to, round->precommits);
}

static void on_gossip(struct sim_event *event)
{
    struct node *node = (struct node *)((char *)event - offsetof(struct node, gossip));
    struct node *to = &consensus->nodes[sim_below(consensus->node_count)];
    struct message status = {.kind = MESSAGE_STATUS, .from = node->index, .height = node->height};
    if (to != node && node->height < CONSENSUS_HEIGHTS_MAX) {
        u32 round = node->bft.round;
        net_send(node, to, &status);
        send_round(node, to, round);
        if (round > 0) {
            send_round(node, to, round - 1);
        }
        if (node->bft.valid_round != VOTE_NO_ROUND && node->bft.valid_round + 1 < round) {
            send_round(node, to, node->bft.valid_round);
        }
    }
    sim_at(&node->gossip, GOSSIP_MS / 2 + sim_below(GOSSIP_MS), on_gossip);
}

/* --- messages --- */

/* Whether the engine would learn nothing from it: so it need not be logged. A different vote of the
 * same seat and round is evidence, and new. */
static bool vote_is_old(const struct node *node, u32 seat, const struct vote *vote)
{
    const struct bft_round *round = bft_round_of(&node->bft, vote->round);
    if (round == NULL) {
        u32 seen = node->bft.seen_round[seat];
        return seen != VOTE_NO_ROUND && seen >= vote->round;
    }
    const struct bft_ballot *kept =
        vote->kind == VOTE_PREVOTE ? &round->prevotes[seat] : &round->precommits[seat];
    bool reported = (node->bft.reported & 1u << seat) != 0;
    return kept->is_cast && (reported || (hash_eq(&kept->vote.block_id, &vote->block_id) &&
                                          kept->vote.valid_round == vote->valid_round));
}

static bool proposal_is_old(const struct node *node, const struct message *message)
{
    const struct bft_round *round = bft_round_of(&node->bft, message->round);
    return round != NULL && round->proposal.is_known;
}

static void take_vote(struct node *node, const struct message *message)
{
    const struct bft_event event = {.kind = BFT_EV_VOTE,
                                    .now_ms = sim->now_ms,
                                    .seat = message->seat,
                                    .vote = message->vote,
                                    .signature = message->signature};
    if (!signature_good(message->seat, &message->vote, &message->signature)) {
        return;
    }
    if (is_correct(node)) {
        check_seen(&message->vote, message->seat);
    }
    if (message->vote.height == node->height && !vote_is_old(node, message->seat, &message->vote)) {
        step(node, &event);
    }
}

static void take_proposal(struct node *node, const struct message *message)
{
    struct bft_event event = {.kind = BFT_EV_PROPOSAL,
                              .now_ms = sim->now_ms,
                              .seat = message->seat,
                              .round = message->round,
                              .block_id = message->block_id,
                              .valid_round = message->valid_round,
                              .is_valid = block_is_valid(&message->block_id)};
    if (polka_good(&message->polka, message->height)) {
        event.polka = message->polka;
    }
    if (message->height == node->height && !proposal_is_old(node, message)) {
        step(node, &event);
    }
}

/* Somebody behind gets the certificate of his height. */
static void answer_status(struct node *node, const struct message *message)
{
    if (message->height >= node->height || message->height == 0) {
        return;
    }
    struct message reply = {.kind = MESSAGE_DECIDED,
                            .from = node->index,
                            .height = message->height,
                            .block_id = node->decided[message->height],
                            .certificate = node->certificates[message->height]};
    net_send(node, &consensus->nodes[message->from], &reply);
}

static void take_certificate(struct node *node, const struct message *message)
{
    const struct certificate *certificate = &message->certificate;
    if (message->height == node->height && certificate->height == node->height &&
        certificate_good(certificate)) {
        decide(node, certificate);
    }
}

void host_receive(struct node *node, const struct message *message)
{
    if (!node->up || node->fault == FAULT_SILENT || node->height >= CONSENSUS_HEIGHTS_MAX) {
        return;
    }
    switch (message->kind) {
    case MESSAGE_PROPOSAL:
        take_proposal(node, message);
        break;
    case MESSAGE_VOTE:
        take_vote(node, message);
        break;
    case MESSAGE_STATUS:
        answer_status(node, message);
        break;
    case MESSAGE_DECIDED:
        take_certificate(node, message);
        break;
    }
    if (node->fault == FAULT_LIAR) {
        liar_receive(node, message);
    }
    if (node->up) {
        set_timer(node);
    }
}

/* --- life --- */

void host_start(struct node *node)
{
    node->up = true;
    node->height = 1;
    if (node->fault != FAULT_SILENT) {
        begin_height(node);
        set_timer(node);
        sim_at(&node->gossip, sim_below(GOSSIP_MS), on_gossip);
    }
}

void host_crash(struct node *node, bool power)
{
    node->up = false;
    sim_cancel(&node->timer);
    sim_cancel(&node->gossip);
    if (power && node->logged > node->durable) {
        node->logged = node->durable + sim_below(node->logged - node->durable + 1);
    }
}

/* What a log leads to, besides the engine's state. */
struct replay {
    struct vote casts[64];
    size_t cast_count;
    struct bft_effect proposal; /* BFT_FX_PROPOSE: due, and not made before the crash */
};

static void note_effects(struct replay *replay, const struct bft_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct bft_effect *effect = &effects->items[i];
        if (effect->kind == BFT_FX_CAST && replay->cast_count < COUNT_OF(replay->casts)) {
            replay->casts[replay->cast_count++] = effect->vote;
        }
        if (effect->kind == BFT_FX_PROPOSE) {
            replay->proposal = *effect;
        }
    }
}

static void replay_log(struct node *node, struct replay *replay)
{
    for (size_t i = 0; i < node->logged; i++) {
        const struct bft_event *event = &node->log[i];
        struct bft_effects effects;
        if (i == 0) {
            bft_start(&node->bft, event->now_ms, &effects);
        } else {
            bft_step(&node->bft, event, &effects);
        }
        if (event->kind == BFT_EV_PROPOSAL && event->seat == node->seat &&
            replay->proposal.kind == BFT_FX_PROPOSE && replay->proposal.round == event->round) {
            replay->proposal.kind = BFT_FX_ROUND; /* it was made */
        }
        note_effects(replay, &effects);
    }
}

/* The log again, then what it led to: what was cast is cast again, and the signer says the same. */
static void resume(struct node *node)
{
    struct bft_options options = bft_options_default(1, &consensus->seats, node->seat);
    struct replay replay = {.proposal = {.kind = BFT_FX_ROUND}};
    u64 height = node->height;
    bft_init(&node->bft, &options, node->height);
    replay_log(node, &replay);
    if (replay.proposal.kind == BFT_FX_PROPOSE && replay.proposal.round == node->bft.round) {
        propose(node, &replay.proposal);
    }
    for (size_t i = 0; i < replay.cast_count && node->height == height; i++) {
        cast(node, &replay.casts[i]);
    }
}

void host_restart(struct node *node)
{
    node->up = true;
    sim_at(&node->gossip, sim_below(GOSSIP_MS), on_gossip);
    if (node->logged == 0) {
        begin_height(node);
    } else {
        resume(node);
    }
    set_timer(node);
}
