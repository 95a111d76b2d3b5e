/* consensus_liar.c: a seat that says different things to different nodes. */
#include "sim/consensus.h"

static void send_vote(struct node *node, struct node *to, enum vote_kind kind, u32 round,
                      const struct hash *block_id, u32 valid_round)
{
    struct message message = {.kind = MESSAGE_VOTE,
                              .from = node->index,
                              .height = node->height,
                              .seat = node->seat,
                              .vote = {.kind = kind,
                                       .chain_id = 1,
                                       .height = node->height,
                                       .round = round,
                                       .block_id = *block_id,
                                       .valid_round = valid_round}};
    host_sign(node->seat, &message.vote, &message.signature);
    net_send(node, to, &message);
}

static struct hash some_id(const struct node *node, const struct hash *heard)
{
    struct hash id = {{0}};
    if (sim_chance(2, 3)) {
        return *heard;
    }
    if (sim_chance(1, 2)) {
        host_block_id(node, sim_chance(1, 2), &id);
    }
    return id;
}

static void send_votes(struct node *node, u32 round, const struct hash *heard)
{
    for (size_t i = 0; i < consensus->node_count; i++) {
        struct hash id = some_id(node, heard);
        enum vote_kind kind = sim_chance(1, 2) ? VOTE_PREVOTE : VOTE_PRECOMMIT;
        bool has_valid =
            kind == VOTE_PREVOTE && round > 0 && !hash_is_zero(&id) && sim_chance(1, 4);
        send_vote(node, &consensus->nodes[i], kind, round, &id,
                  has_valid ? (u32)sim_below(round) : VOTE_NO_ROUND);
    }
}

/* Two proposals for a round of its own, each to some of the nodes. */
static void send_proposals(struct node *node, u32 round)
{
    struct hash ids[2];
    host_block_id(node, true, &ids[0]);
    host_block_id(node, sim_chance(3, 4), &ids[1]);
    for (size_t i = 0; i < consensus->node_count; i++) {
        struct message message = {
            .kind = MESSAGE_PROPOSAL,
            .from = node->index,
            .height = node->height,
            .seat = node->seat,
            .round = round,
            .valid_round = round > 0 && sim_chance(1, 3) ? (u32)sim_below(round) : VOTE_NO_ROUND,
            .block_id = ids[sim_below(2)]};
        net_send(node, &consensus->nodes[i], &message);
    }
}

void liar_receive(struct node *node, const struct message *message)
{
    if (message->height != node->height || !sim_chance(1, 6)) {
        return;
    }
    u32 round = node->bft.round + (u32)sim_below(2);
    if (bft_proposer(&node->bft, round) == node->seat) {
        send_proposals(node, round);
    }
    if (message->kind == MESSAGE_PROPOSAL) {
        send_votes(node, message->round, &message->block_id);
    } else if (message->kind == MESSAGE_VOTE) {
        send_votes(node, message->vote.round, &message->vote.block_id);
    }
}
