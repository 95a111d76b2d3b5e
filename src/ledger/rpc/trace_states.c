/* trace_states.c: prestateTracer: the accounts and slots that an execution looked at, as they were
 * before it; with diffMode those that it changed, before and after. */
#include "ledger/rpc/seen.h"
#include "ledger/rpc/tracers.h"

#define SEEN_MAX 65536 /* accounts and slots */

struct state_trace {
    struct seen seen;
    bool is_open;
};

void state_trace_begin(struct trace *trace)
{
    struct state_trace *states = trace->states;
    if (states->is_open) {
        seen_free(&states->seen);
    }
    states->is_open = false;
}

/* What is seen is opened when the first thing is, so that a trace that is dropped holds nothing. */
static struct seen *seen_of(struct trace *trace)
{
    struct state_trace *states = trace->states;
    if (!states->is_open) {
        seen_init(&states->seen, &trace->r->arena, SEEN_MAX);
        states->is_open = true;
    }
    return &states->seen;
}

static struct seen_account *see(struct trace *trace, const struct address *address)
{
    struct seen_account *account = seen_account(seen_of(trace), address);
    trace->is_full |= trace->states->seen.is_full;
    return account;
}

static void on_account(void *ctx, const struct address *address) { (void)see(ctx, address); }

static void on_enter(void *ctx, const struct evm_enter *enter)
{
    (void)see(ctx, &enter->from);
    struct seen_account *to = see(ctx, &enter->to);
    if (to != NULL && (enter->kind == EVM_CREATE || enter->kind == EVM_CREATE2)) {
        to->is_created = true;
    }
}

static void on_slot(void *ctx, const struct address *address, const struct hash *slot)
{
    struct trace *trace = ctx;
    seen_slot(seen_of(trace), address, slot);
    trace->is_full |= trace->states->seen.is_full;
}

bool state_trace_new(struct trace *trace)
{
    trace->states = arena_alloc(&trace->r->arena, sizeof *trace->states);
    trace->tracer.account = on_account;
    trace->tracer.slot = on_slot;
    trace->tracer.enter = on_enter;
    return trace->states != NULL;
}

/* --- values --- */

/* One account before and after, and what of it is shown. */
struct account_pair {
    const struct seen_account *seen;
    struct account was;
    struct account is;
    bytes code_was;
    bytes code_is;
};

static err load_pair(struct trace *trace, struct app_dry *before, struct account_pair *pair)
{
    struct journal *was = &before->journal;
    struct journal *is = &trace->dry->journal;
    TRY(journal_account(was, &pair->seen->address, &pair->was));
    TRY(journal_account(is, &pair->seen->address, &pair->is));
    TRY(journal_code(was, &pair->seen->address, &pair->code_was));
    return journal_code(is, &pair->seen->address, &pair->code_is);
}

static bool is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

static void put_word(json_t *slots, const struct hash *slot, const struct word *word)
{
    char key[67] = "0x";
    hex_encode(key + 2, sizeof key - 2, BYTES_OF(*slot));
    rpc_put(slots, key, json_data(BYTES_OF(*word)));
}

/* Slots before (all, or with a diff those that changed and were not zero) and, in `ret_after`,
 * those that changed and are not zero. *ret_changed: any of them changed. */
static err load_slots(struct trace *trace, struct app_dry *before, const struct seen_account *seen,
                      json_t *ret_before, json_t *ret_after, bool *ret_changed)
{
    *ret_changed = false;
    for (const struct seen_slot *it = seen->first_slot; it != NULL; it = it->next) {
        const struct hash *slot = &it->slot;
        struct word was;
        struct word is;
        TRY(journal_load(&before->journal, &seen->address, slot, &was));
        TRY(journal_load(&trace->dry->journal, &seen->address, slot, &is));
        bool changed = memcmp(&was, &is, sizeof was) != 0;
        *ret_changed |= changed;
        if (!trace->options.is_diff || (changed && !is_zero(&was))) {
            put_word(ret_before, slot, &was);
        }
        if (changed && !is_zero(&is)) {
            put_word(ret_after, slot, &is);
        }
    }
    return ok();
}

static json_t *json_before(const struct trace *trace, const struct account_pair *pair)
{
    json_t *object = json_object();
    rpc_put(object, "balance", rpc_json_u256(pair->was.balance));
    if (pair->was.nonce > 0) {
        rpc_put(object, "nonce", json_integer((json_int_t)pair->was.nonce));
    }
    if (pair->code_was.len > 0 && !trace->options.no_code) {
        rpc_put(object, "code", json_data(pair->code_was));
    }
    return object;
}

static json_t *json_after(const struct trace *trace, const struct account_pair *pair)
{
    json_t *object = json_object();
    if (u256_cmp(pair->was.balance, pair->is.balance) != 0) {
        rpc_put(object, "balance", rpc_json_u256(pair->is.balance));
    }
    if (pair->was.nonce != pair->is.nonce) {
        rpc_put(object, "nonce", json_integer((json_int_t)pair->is.nonce));
    }
    if (!bytes_eq(pair->code_was, pair->code_is) && !trace->options.no_code) {
        rpc_put(object, "code", json_data(pair->code_is));
    }
    return object;
}

static void put_slots(json_t *object, json_t *slots, bool hidden)
{
    if (json_object_size(slots) > 0 && !hidden) {
        rpc_put(object, "storage", slots);
    } else {
        json_decref(slots);
    }
}

static void put_account(json_t *object, const struct address *address, json_t *account)
{
    char key[2 + 2 * sizeof address->b + 1] = "0x";
    hex_encode(key + 2, sizeof key - 2, BYTES_OF(*address));
    rpc_put(object, key, account);
}

/* One account into `pre` and `post`. Without diffMode there is no post, and all is shown; with it,
 * what did not change is not there, and neither are contracts before they were created and accounts
 * that are gone. */
static err add_account(struct trace *trace, struct app_dry *before, const struct seen_account *seen,
                       json_t *pre, json_t *post)
{
    struct account_pair pair = {.seen = seen};
    bool slots_changed;
    bool hidden = trace->options.no_slots;
    TRY(load_pair(trace, before, &pair));
    json_t *slots_before = json_object();
    json_t *slots_after = json_object();
    err e = load_slots(trace, before, pair.seen, slots_before, slots_after, &slots_changed);
    bool changed = slots_changed || !account_eq(&pair.was, &pair.is);
    bool is_new = pair.seen->is_created && account_is_empty(&pair.was);
    bool shows_before = is_ok(e) && (!trace->options.is_diff || (changed && !is_new));
    bool shows_after = is_ok(e) && post != NULL && changed && !account_is_empty(&pair.is);
    if (shows_before) {
        json_t *object = json_before(trace, &pair);
        put_slots(object, json_incref(slots_before), hidden);
        put_account(pre, &pair.seen->address, object);
    }
    if (shows_after) {
        json_t *object = json_after(trace, &pair);
        put_slots(object, json_incref(slots_after), hidden);
        put_account(post, &pair.seen->address, object);
    }
    json_decref(slots_before);
    json_decref(slots_after);
    return e;
}

static err add_all(struct trace *trace, struct app_dry *before, json_t *pre, json_t *post)
{
    for (const struct seen_account *it = seen_of(trace)->first; it != NULL; it = it->next) {
        TRY(add_account(trace, before, it, pre, post));
    }
    return ok();
}

json_t *state_trace_result(struct trace *trace, const struct exec_result *result,
                           struct app_dry *before)
{
    (void)see(trace, &trace->subject.from);
    (void)see(trace, &trace->dry->env.coinbase);
    if (result->is_create) {
        (void)see(trace, &result->created);
    }
    json_t *pre = json_object();
    json_t *post = trace->options.is_diff ? json_object() : NULL;
    if (!rpc_fine(trace->r, add_all(trace, before, pre, post))) {
        json_decref(pre);
        json_decref(post);
        return NULL;
    }
    if (post == NULL) {
        return pre;
    }
    json_t *object = json_object();
    rpc_put(object, "pre", pre);
    rpc_put(object, "post", post);
    return object;
}
