/* subscriptions.c: eth_subscribe over connections that can take messages at any time.
 *
 * A session's fiber walks over its subscriptions in turn: what is due for one (a block, a few
 * transactions) is read from the chain, written as text and sent before the next is looked at. So a
 * session holds one round of text, whatever happens on the chain and however slow its client is.
 * A round larger than ROUND_BYTES (a block full of logs) needs a place at rpc->rounds first and is
 * then made again. */
#include "base/log.h"
#include "base/mem.h"
#include "ledger/rpc/methods.h"

#define ROUND_BYTES KIB(64)
#define ROUND_STOP_BYTES KIB(32) /* transactions: no more in this round */
#define ROUND_TIMEOUT_MS 30000   /* for a round to leave, or a place to come free */
#define CREDIT_WAIT_MS 1000      /* of a client who has none left */

enum subscription_kind {
    SUBSCRIPTION_HEADS,
    SUBSCRIPTION_LOGS,
    SUBSCRIPTION_PENDING,
    SUBSCRIPTION_SYNC
};

struct subscription {
    struct list node;
    enum subscription_kind kind;
    u8 id[16];
    bool live;  /* the answer with its id has left */
    bool whole; /* SUBSCRIPTION_PENDING: transactions, not only hashes */
    u64 next;   /* block, or position in the ring of transactions */
    struct arena arena;
    json_t *text; /* SUBSCRIPTION_LOGS: the filter as given */
    struct rpc_log_filter logs;
};

struct rpc_session {
    struct list node; /* of rpc->sessions */
    struct rpc *rpc;
    struct rpc_session_options options;
    struct list subscriptions;
    size_t count;
    struct group fiber; /* runs from the first subscription on */
    struct event wake;
    bool ending;
    bool dropped;
};

static void subscription_free(struct rpc_session *session, struct subscription *subscription)
{
    list_remove(&subscription->node);
    session->count--;
    session->rpc->counts.subscriptions--;
    json_decref(subscription->text);
    arena_free(&subscription->arena);
    mem_free(subscription);
}

/* --- sessions --- */

void rpc_session_open(struct rpc *rpc, const struct rpc_session_options *options,
                      struct rpc_session **ret_session)
{
    struct rpc_session *session = MEM_NEW(struct rpc_session);
    session->rpc = rpc;
    session->options = *options;
    list_init(&session->subscriptions);
    group_init(&session->fiber);
    event_init(&session->wake);
    list_push_back(&rpc->sessions, &session->node);
    rpc->counts.sessions++;
    *ret_session = session;
}

void rpc_session_close(struct rpc_session *session)
{
    session->ending = true;
    event_wake_all(&session->wake);
    group_wait(session->rpc->options.loop, &session->fiber);
    list_for_safe (it, &session->subscriptions) {
        subscription_free(session, list_entry(it, struct subscription, node));
    }
    list_remove(&session->node);
    session->rpc->counts.sessions--;
    mem_free(session);
}

void rpc_session_answer(struct rpc_session *session, bytes body, struct buf *out)
{
    const struct rpc_asker asker = {session, session->options.client, false};
    rpc_answer_to(session->rpc, asker, body, out);
}

void rpc_session_answered(struct rpc_session *session)
{
    list_for (it, &session->subscriptions) {
        list_entry(it, struct subscription, node)->live = true;
    }
    event_wake_all(&session->wake);
}

void rpc_sessions_wake(struct rpc *rpc)
{
    list_for (it, &rpc->sessions) {
        event_wake_all(&list_entry(it, struct rpc_session, node)->wake);
    }
}

/* --- one round --- */

/* Appends one message, behind its length. */
static void put_message(struct buf *out, const struct subscription *subscription, json_t *result)
{
    json_t *message = json_object();
    json_t *params = json_object();
    rpc_put(params, "subscription", json_data(BYTES_OF(subscription->id)));
    rpc_put(params, "result", result);
    rpc_put(message, "jsonrpc", json_string("2.0"));
    rpc_put(message, "method", json_string("eth_subscription"));
    rpc_put(message, "params", params);
    size_t begin = out->len;
    buf_put_be32(out, 0);
    json_write(out, message);
    if (!out->failed) {
        store_be32(out->data + begin, (u32)(out->len - begin - 4));
    }
    json_decref(message);
}

static bool put_head(struct rpc_request *r, struct subscription *subscription, struct buf *out)
{
    struct rpc_block_data block = {0};
    if (!rpc_load_header(r, subscription->next, &block)) {
        return false;
    }
    put_message(out, subscription, rpc_json_header(&block.header, &block.hash, false));
    return true;
}

/* The filter's own range, if it named one, still holds. */
static bool put_logs(struct rpc_request *r, struct subscription *subscription, struct buf *out)
{
    const struct rpc_log_filter *filter = &subscription->logs;
    u64 height = subscription->next;
    u64 bound;
    if ((json_read_quantity(filter->from, &bound) && height < bound) ||
        (json_read_quantity(filter->to, &bound) && height > bound)) {
        return true;
    }
    json_t *logs = json_array();
    bool fine = rpc_find_logs(r, filter, height, height, logs);
    for (size_t i = 0; fine && i < json_array_size(logs); i++) {
        put_message(out, subscription, json_incref(json_array_get(logs, i)));
    }
    json_decref(logs);
    return fine;
}

/* *next is where the next round goes on. One that has left the pool meanwhile is left out. */
static bool put_pending(struct rpc_request *r, const struct subscription *subscription,
                        struct buf *out, u64 *next)
{
    const struct rpc *rpc = r->rpc;
    const struct rpc_place nowhere = {0};
    if (rpc->recent_count > RPC_RECENT_TXS) {
        *next = max_u64(*next, rpc->recent_count - RPC_RECENT_TXS);
    }
    for (; *next < rpc->recent_count && out->len < ROUND_STOP_BYTES && !out->failed; (*next)++) {
        const struct hash *hash = &rpc->recent[*next % RPC_RECENT_TXS];
        const struct pool_tx *tx = subscription->whole ? pool_get(app_pool(r->app), hash) : NULL;
        if (!subscription->whole) {
            put_message(out, subscription, rpc_json_hash(hash));
        } else if (tx != NULL) {
            json_t *result = rpc_json_tx(r, tx->raw, &tx->sender, &nowhere);
            if (result == NULL) {
                return false;
            }
            put_message(out, subscription, result);
        }
    }
    return true;
}

static bool is_due(struct rpc_request *r, const struct subscription *subscription)
{
    if (!subscription->live) {
        return false;
    }
    switch (subscription->kind) {
    case SUBSCRIPTION_HEADS:
    case SUBSCRIPTION_LOGS:
        return subscription->next <= rpc_head(r);
    case SUBSCRIPTION_PENDING:
        return subscription->next < r->rpc->recent_count;
    case SUBSCRIPTION_SYNC:
        return false; /* a node of this ledger is never behind its own chain */
    }
    return false;
}

static struct subscription *find_due(struct rpc_request *r)
{
    list_for (it, &r->session->subscriptions) {
        struct subscription *subscription = list_entry(it, struct subscription, node);
        if (is_due(r, subscription)) {
            return subscription;
        }
    }
    return NULL;
}

/* Does not wait. If the text does not fit, the subscription stays due. */
static bool make_round(struct rpc_request *r, struct subscription *subscription, struct buf *out)
{
    u64 next = subscription->next + 1;
    bool fine = true;
    switch (subscription->kind) {
    case SUBSCRIPTION_HEADS:
        fine = put_head(r, subscription, out);
        break;
    case SUBSCRIPTION_LOGS:
        fine = put_logs(r, subscription, out);
        break;
    case SUBSCRIPTION_PENDING:
        next = subscription->next;
        fine = put_pending(r, subscription, out, &next);
        break;
    case SUBSCRIPTION_SYNC:
        break;
    }
    if (fine && !out->failed) {
        subscription->next = next;
        list_remove(&subscription->node); /* the others first, next time */
        list_push_back(&r->session->subscriptions, &subscription->node);
    }
    return fine;
}

enum round { ROUND_NONE, ROUND_MADE, ROUND_TOO_LARGE, ROUND_FAILED };

static enum round next_round(struct rpc_session *session, struct buf *out)
{
    struct rpc_request r = {
        .rpc = session->rpc, .app = session->rpc->options.app, .session = session};
    enum round round = ROUND_NONE;
    arena_init(&r.arena, RPC_REQUEST_BYTES_MAX);
    if (!rpc_enter(&r)) {
        round = ROUND_FAILED;
    }
    struct subscription *due = round == ROUND_NONE ? find_due(&r) : NULL;
    if (due != NULL) {
        bool follows_blocks = due->kind != SUBSCRIPTION_PENDING;
        bool is_behind = follows_blocks && rpc_head(&r) - due->next > RPC_SUBSCRIPTION_LAG_MAX;
        bool fine = !is_behind && make_round(&r, due, out);
        round = !fine ? ROUND_FAILED : out->failed ? ROUND_TOO_LARGE : ROUND_MADE;
    }
    rpc_view_close(&r);
    json_decref(r.data);
    arena_free(&r.arena);
    return round;
}

/* --- the fiber --- */

static err send_messages(struct rpc_session *session, bytes texts)
{
    struct loop *loop = session->rpc->options.loop;
    u64 deadline_ms = loop_now_ms(loop) + ROUND_TIMEOUT_MS;
    while (texts.len > 0 && !session->ending) {
        size_t len = load_be32(texts.data);
        TRY(session->options.send(session->options.ctx, bytes_slice(texts, 4, len)));
        texts = bytes_slice(texts, 4 + len, texts.len - 4 - len);
        if (loop_now_ms(loop) > deadline_ms) {
            return fail(ERR_TIMEOUT);
        }
    }
    return ok();
}

/* With a place, a round may be as large as an answer. NULL, or why it is over. */
static const char *large_round(struct rpc_session *session)
{
    struct rpc *rpc = session->rpc;
    struct buf texts;
    const char *over = "too slow";
    u64 deadline_ms = loop_now_ms(rpc->options.loop) + ROUND_TIMEOUT_MS;
    if (!is_ok(gate_enter(rpc->options.loop, &rpc->rounds, 1, deadline_ms))) {
        return "too many large notifications under way";
    }
    buf_init(&texts, RPC_REPLY_BYTES_MAX);
    enum round round = session->ending ? ROUND_NONE : next_round(session, &texts);
    if (round == ROUND_TOO_LARGE || round == ROUND_FAILED) {
        over = "a notification cannot be made";
    } else if (is_ok(send_messages(session, buf_bytes(&texts)))) {
        over = NULL;
    }
    buf_free(&texts);
    gate_leave(&rpc->rounds, 1);
    return over;
}

/* NULL, or why it is over. *ret_idle: there was nothing to do. */
static const char *one_round(struct rpc_session *session, bool *ret_idle)
{
    struct buf texts;
    const char *over = NULL;
    buf_init(&texts, ROUND_BYTES);
    switch (next_round(session, &texts)) {
    case ROUND_NONE:
        *ret_idle = true;
        break;
    case ROUND_MADE:
        over = is_ok(send_messages(session, buf_bytes(&texts))) ? NULL : "too slow";
        fiber_yield(session->rpc->options.loop); /* also when many rounds have nothing to say */
        break;
    case ROUND_TOO_LARGE:
        buf_free(&texts);
        return large_round(session);
    case ROUND_FAILED:
        over = "a notification cannot be made";
        break;
    }
    buf_free(&texts);
    return over;
}

/* Rounds are paid as calls are; who has no credits gets its notifications later. */
static const char *paid_round(struct rpc_session *session, bool *ret_idle)
{
    struct loop *loop = session->rpc->options.loop;
    struct rpc_client *client = session->options.client;
    if (!rpc_client_has_credit(client)) {
        err e = event_wait(loop, &session->wake, loop_now_ms(loop) + CREDIT_WAIT_MS);
        *ret_idle = is_err(e, ERR_CANCELLED);
        return NULL;
    }
    const char *over = one_round(session, ret_idle);
    if (!*ret_idle) {
        (void)!rpc_client_pay(client, 1); /* it had some */
    }
    return over;
}

static void session_fiber(void *arg)
{
    struct rpc_session *session = arg;
    struct loop *loop = session->rpc->options.loop;
    const char *over = NULL;
    while (!session->ending && over == NULL) {
        bool idle = false;
        over = paid_round(session, &idle);
        if (idle && !session->ending && over == NULL &&
            !is_ok(event_wait(loop, &session->wake, DEADLINE_NONE))) {
            break;
        }
    }
    session->dropped = true;
    if (over != NULL && !session->ending) {
        log_debug("rpc", "notifications of a client end: %s", over);
        session->options.dropped(session->options.ctx, over);
    }
}

/* --- the methods --- */

static bool read_kind(struct rpc_request *r, enum subscription_kind *ret)
{
    static const char *const names[] = {"newHeads", "logs", "newPendingTransactions", "syncing"};
    const json_t *param = rpc_param(r, 0);
    if (!json_is_string(param)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 0: the name of a subscription");
        return false;
    }
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(json_string_value(param), names[i]) == 0) {
            *ret = (enum subscription_kind)i;
            return true;
        }
    }
    rpc_refuse(r, RPC_METHOD_NOT_FOUND, "no \"%.40s\" subscription in eth namespace",
               json_string_value(param));
    return false;
}

/* The filter of logs: absent means all of them. */
static bool read_filter(struct rpc_request *r, struct subscription *subscription)
{
    const json_t *given = rpc_param(r, 1);
    subscription->text = given != NULL ? json_deep_copy(given) : json_object();
    if (!rpc_read_log_filter(r, subscription->text, &subscription->arena, &subscription->logs)) {
        return false;
    }
    if (subscription->logs.has_hash) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid filter: blockHash of logs to come");
        return false;
    }
    return true;
}

static bool read_subscription(struct rpc_request *r, struct subscription *subscription)
{
    if (!read_kind(r, &subscription->kind)) {
        return false;
    }
    subscription->next = rpc_head(r) + 1;
    switch (subscription->kind) {
    case SUBSCRIPTION_LOGS:
        return read_filter(r, subscription);
    case SUBSCRIPTION_PENDING:
        subscription->next = r->rpc->recent_count;
        return rpc_read_flag(r, 1, &subscription->whole);
    case SUBSCRIPTION_HEADS:
    case SUBSCRIPTION_SYNC:
        return true;
    }
    return false;
}

/* Who asks can take notifications, and has not too many of them. */
static bool may_subscribe(struct rpc_request *r)
{
    if (r->session == NULL) {
        rpc_refuse(r, RPC_METHOD_NOT_FOUND, "notifications not supported");
        return false;
    }
    if (r->session->count >= RPC_SUBSCRIPTIONS_MAX) {
        rpc_refuse(r, RPC_LIMIT, "more than %d subscriptions", RPC_SUBSCRIPTIONS_MAX);
        return false;
    }
    return true;
}

static bool start_fiber(struct rpc_session *session)
{
    return session->fiber.running != 0 || session->dropped ||
           is_ok(group_start(session->rpc->options.loop, &session->fiber, "rpc session",
                             session_fiber, session));
}

json_t *rpc_subscribe(struct rpc_request *r)
{
    struct rpc_session *session = r->session;
    if (!may_subscribe(r)) {
        return NULL;
    }
    struct subscription *subscription = MEM_NEW(struct subscription);
    arena_init(&subscription->arena, RPC_FILTER_BYTES_MAX);
    loop_random(r->rpc->options.loop, subscription->id, sizeof subscription->id);
    list_push_back(&session->subscriptions, &subscription->node);
    session->count++;
    r->rpc->counts.subscriptions++;
    bool fine = read_subscription(r, subscription);
    if (fine && !start_fiber(session)) {
        fine = rpc_fault(r, ERR_LIMIT);
    }
    if (!fine) {
        subscription_free(session, subscription);
        return NULL;
    }
    return json_data(BYTES_OF(subscription->id));
}

json_t *rpc_unsubscribe(struct rpc_request *r)
{
    u8 id[16];
    if (r->session == NULL) {
        return rpc_refuse(r, RPC_METHOD_NOT_FOUND, "notifications not supported");
    }
    if (json_read_fixed(rpc_param(r, 0), id, sizeof id)) {
        list_for_safe (it, &r->session->subscriptions) {
            struct subscription *subscription = list_entry(it, struct subscription, node);
            if (memcmp(subscription->id, id, sizeof id) == 0) {
                subscription_free(r->session, subscription);
                return json_true();
            }
        }
    }
    return rpc_refuse(r, RPC_SERVER, "subscription not found");
}
