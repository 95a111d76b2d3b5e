#include "ledger/consensus/single.h"

#include "base/assert.h"

#define MS_PER_SECOND 1000u

void single_init(struct single *single, const struct single_options *options,
                 const struct single_head *head, const struct consensus_header *logged,
                 const struct certificate *certificate, u64 mono_ms)
{
    struct address own;
    secp_address_of_secret(&own, &options->secret);
    assert_that(options->seats.count == 1 && address_eq(&own, &options->seats.items[0]));
    assert_that(options->interval_ms > 0 && options->interval_ms <= options->empty_interval_ms);
    *single = (struct single){
        .options = *options, .head = *head, .state = SINGLE_WAITING, .last_mono_ms = mono_ms};
    if (logged != NULL) {
        assert_that(logged->height == head->height + 1 && certificate != NULL);
        single->header = *logged;
        single->certificate = *certificate;
        single->state = SINGLE_LOGGING; /* and it is logged: the next event executes it */
        single->replays = true;
    }
}

/* When, on the monotonic clock, the next block may begin. */
static u64 due_at(const struct single *single)
{
    const struct single_options *options = &single->options;
    u64 wait = single->transactions_waiting ? options->interval_ms : options->empty_interval_ms;
    return single->last_mono_ms + wait;
}

/* The time of the next block: the clock's, unless that is not in a later second than the parent's.
 */
static u64 next_time(const struct single *single, u64 wall_ms)
{
    u64 least = (consensus_eth_time(single->head.time_ms) + 1) * MS_PER_SECOND;
    return max_u64(wall_ms, least);
}

static struct single_effect effect_with_block(const struct single *single,
                                              enum single_effect_kind kind)
{
    return (struct single_effect){.kind = kind,
                                  .height = single->header.height,
                                  .time_ms = single->header.time_ms,
                                  .header = single->header,
                                  .certificate = single->certificate};
}

/* The clock may still be in the parent's second: then the block waits for the next one, but no
 * longer than a second of real time, in case the clock was set back. */
static bool is_due(const struct single *single, const struct single_event *event)
{
    if (event->mono_ms < due_at(single)) {
        return false;
    }
    return next_time(single, event->wall_ms) <= event->wall_ms ||
           event->mono_ms >= single->last_mono_ms + MS_PER_SECOND;
}

static struct single_effect step_waiting(struct single *single, const struct single_event *event)
{
    if (!is_due(single, event)) {
        single->wake_mono_ms = 0;
        if (event->mono_ms >= due_at(single)) {
            u64 ahead = next_time(single, event->wall_ms) - event->wall_ms;
            single->wake_mono_ms =
                min_u64(event->mono_ms + ahead, single->last_mono_ms + MS_PER_SECOND);
        }
        return (struct single_effect){.kind = SINGLE_FX_NONE};
    }
    single->state = SINGLE_PREPARING;
    single->last_mono_ms = event->mono_ms;
    single->wake_mono_ms = 0;
    single->header.height = single->head.height + 1;
    single->header.time_ms = next_time(single, event->wall_ms);
    return (struct single_effect){.kind = SINGLE_FX_PREPARE,
                                  .height = single->header.height,
                                  .time_ms = single->header.time_ms};
}

/* Signs the block; the signature leaves the engine only towards the log. */
static void sign(struct single *single)
{
    struct certificate certificate = {.height = single->header.height, .count = 1};
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = single->options.chain_id,
                        .height = single->header.height,
                        .valid_round = VOTE_NO_ROUND};
    struct hash digest;
    consensus_header_id(&vote.block_id, &single->header);
    certificate.block_id = vote.block_id;
    vote_digest(&digest, &vote);
    secp_sign(&certificate.items[0].signature, &single->options.secret, &digest);
    single->certificate = certificate;
}

static struct single_effect step_prepared(struct single *single, const struct hash *txs_root)
{
    struct hash seats;
    seats_hash(&seats, &single->options.seats);
    single->header = (struct consensus_header){
        .chain_id = single->options.chain_id,
        .height = single->header.height,
        .time_ms = single->header.time_ms,
        .parent_id = single->head.id,
        .parent_hash = single->head.block_hash,
        .txs_root = *txs_root,
        .seats_hash = seats,
        .next_seats_hash = seats,
        .params_hash = single->head.params_hash,
        .proposer = single->options.seats.items[0],
    };
    sign(single);
    single->state = SINGLE_LOGGING;
    return effect_with_block(single, SINGLE_FX_LOG);
}

static struct single_effect step_logged(struct single *single)
{
    single->state = SINGLE_EXECUTING;
    single->replays = false;
    return effect_with_block(single, SINGLE_FX_EXECUTE);
}

static void check_committed(const struct single *single, const struct single_head *head)
{
    struct hash id;
    consensus_header_id(&id, &single->header);
    assert_that(head->height == single->header.height);
    assert_that(head->time_ms == single->header.time_ms && hash_eq(&head->id, &id));
}

struct single_effect single_step(struct single *single, const struct single_event *event)
{
    struct single_effect none = {.kind = SINGLE_FX_NONE};
    switch (event->kind) {
    case SINGLE_EV_WAITING:
        single->transactions_waiting = event->transactions_waiting;
        break;
    case SINGLE_EV_TIME:
        break;
    case SINGLE_EV_PREPARED:
        assert_that(single->state == SINGLE_PREPARING);
        return step_prepared(single, &event->txs_root);
    case SINGLE_EV_LOGGED:
        assert_that(single->state == SINGLE_LOGGING && !single->replays);
        return step_logged(single);
    case SINGLE_EV_COMMITTED:
        assert_that(single->state == SINGLE_EXECUTING);
        check_committed(single, &event->head);
        single->head = event->head;
        single->transactions_waiting = event->transactions_waiting;
        single->state = SINGLE_WAITING;
        break;
    }
    if (single->replays) {
        return step_logged(single);
    }
    return single->state == SINGLE_WAITING ? step_waiting(single, event) : none;
}

u64 single_deadline(const struct single *single)
{
    if (single->replays) {
        return 0;
    }
    if (single->state != SINGLE_WAITING) {
        return UINT64_MAX;
    }
    return max_u64(due_at(single), single->wake_mono_ms);
}
