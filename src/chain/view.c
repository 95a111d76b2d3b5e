/* view.c: module records by proof.
 *
 * A slot under a storage root is a fact for ever, whichever head the root was proven at. So there
 * is one `struct storage` per root with the slots that were ever proven under it, shared by all
 * fibers and counted; it only grows. An account's newest known root is remembered with the height
 * at which it was proven: the next views at that head start from there, later ones ask first
 * whether the root has moved.
 *
 * A view reads at one head from its beginning to its end, however the chain moves on, so that what
 * it reads fits together and it comes to an end. Slots that the caller's function misses are
 * collected and fetched by one eth_getProof per account, then the function runs again, until it
 * misses none. If the node no longer has that head, everything begins anew at a later
 * one. */
#include "chain/internal.h"

#include "base/log.h"
#include "base/mem.h"

#define SLOTS_PER_FETCH_MAX 256
#define VIEW_ROUNDS_MAX 64
#define VIEW_MISSES_MAX 1024
#define VIEW_ACCOUNTS_MAX 16
#define STORAGE_SLOTS_MAX 65536
#define HEIGHT_NONE UINT64_MAX
/* A proof of 256 slots: per slot seldom more than 8 nodes of 532 bytes, in hexadecimal. */
#define PROOF_ANSWER_BYTES_MAX MIB(8)

struct storage {
    size_t references;
    struct hash root;
    struct map slots; /* slot → struct word */
};

/* What is known about an account, shared by all views. */
struct view_account {
    struct address address;
    u64 height;              /* of the newest head at which its root was proven; HEIGHT_NONE */
    struct storage *storage; /* of that root; NULL: none */
    bool moves;              /* the root was another one when it was last looked at */
    u64 fetching;            /* a fiber is asking for the root at this height; HEIGHT_NONE */
    struct event fetched;
};

/* An account in one view. */
struct view_binding {
    struct view_account *account;
    struct storage *storage; /* of its root at the view's head; NULL: not known yet */
};

struct view_miss {
    size_t binding;
    struct hash slot;
};

struct view_run {
    struct chain *chain;
    struct chain_head head;
    u64 deadline_ms;
    struct view_binding bindings[VIEW_ACCOUNTS_MAX];
    size_t binding_count;
    struct view_miss misses[VIEW_MISSES_MAX];
    size_t miss_count;
    bool is_done; /* the function had all it asked for: its result is the view's */
};

/* ---- storages and accounts ---- */

static struct storage *storage_new(const struct hash *root)
{
    struct storage *storage = MEM_NEW(struct storage);
    storage->references = 1;
    storage->root = *root;
    map_init(&storage->slots);
    return storage;
}

static void storage_unref(struct storage *storage)
{
    if (storage == NULL || --storage->references > 0) {
        return;
    }
    map_each (entry, &storage->slots) {
        mem_free(entry->value);
    }
    map_free(&storage->slots);
    mem_free(storage);
}

static struct storage *storage_ref(struct storage *storage)
{
    storage->references++;
    return storage;
}

static struct view_account *account_of(struct chain *chain, const struct address *address)
{
    struct view_account *account = map_get(&chain->accounts, BYTES_OF(*address));
    if (account == NULL) {
        account = MEM_NEW(struct view_account);
        account->address = *address;
        account->height = HEIGHT_NONE;
        account->fetching = HEIGHT_NONE;
        event_init(&account->fetched);
        map_put(&chain->accounts, BYTES_OF(*address), account);
    }
    return account;
}

void chain_views_free(struct chain *chain)
{
    map_each (entry, &chain->accounts) {
        struct view_account *account = entry->value;
        storage_unref(account->storage);
        mem_free(account);
    }
    map_free(&chain->accounts);
}

/* The root of an account was proven at a height: the view's storage for it. */
static struct storage *account_rooted(struct view_account *account, u64 height,
                                      const struct hash *root)
{
    struct storage *known = account->storage;
    bool same = known != NULL && hash_eq(&known->root, root);
    struct storage *storage = same ? storage_ref(known) : storage_new(root);
    if (account->height == HEIGHT_NONE || height > account->height) {
        account->moves = known != NULL && !same;
        account->height = height;
        account->storage = storage_ref(storage);
        storage_unref(known);
    }
    return storage;
}

/* A storage that has become too large is left to the views that read from it. */
static void account_shrink(struct view_account *account)
{
    if (account->storage != NULL && account->storage->slots.count > STORAGE_SLOTS_MAX) {
        storage_unref(account->storage);
        account->storage = NULL;
        account->height = HEIGHT_NONE;
    }
}

/* ---- reading ---- */

static struct view_binding *binding_of(struct view_run *run, const struct address *address)
{
    for (size_t i = 0; i < run->binding_count; i++) {
        if (address_eq(&run->bindings[i].account->address, address)) {
            return &run->bindings[i];
        }
    }
    if (run->binding_count == VIEW_ACCOUNTS_MAX) {
        return NULL;
    }
    struct view_binding *binding = &run->bindings[run->binding_count++];
    *binding = (struct view_binding){.account = account_of(run->chain, address)};
    return binding;
}

/* Takes the shared knowledge about the account, if it is of the view's head. */
static bool bind(struct view_run *run, struct view_binding *binding)
{
    if (binding->storage == NULL && binding->account->height == run->head.height) {
        binding->storage = storage_ref(binding->account->storage);
    }
    return binding->storage != NULL;
}

static void note_miss(struct view_run *run, const struct view_binding *binding,
                      const struct hash *slot)
{
    size_t at = (size_t)(binding - run->bindings);
    if (run->miss_count == VIEW_MISSES_MAX) {
        return; /* the next round asks for the rest */
    }
    for (size_t i = 0; i < run->miss_count; i++) {
        if (run->misses[i].binding == at && hash_eq(&run->misses[i].slot, slot)) {
            return;
        }
    }
    run->misses[run->miss_count++] = (struct view_miss){.binding = at, .slot = *slot};
}

/* Answers ERR_BUSY for a slot that is not proven at the head, and remembers it for the fetch. */
static err load(void *ctx, const struct address *account, const struct hash *slot,
                struct word *ret_word)
{
    struct view_run *run = ctx;
    struct view_binding *binding = binding_of(run, account);
    if (binding == NULL) {
        return fail(ERR_LIMIT);
    }
    const struct word *word =
        bind(run, binding) ? map_get(&binding->storage->slots, BYTES_OF(*slot)) : NULL;
    if (word == NULL) {
        note_miss(run, binding, slot);
        return fail(ERR_BUSY);
    }
    *ret_word = *word;
    return ok();
}

/* ---- fetching ---- */

struct proof_call {
    struct proof_query query;
    struct account account;
    struct hash root;
    struct word words[SLOTS_PER_FETCH_MAX];
};

static err read_proof(void *ctx, const json_t *answer)
{
    struct proof_call *call = ctx;
    return check_proof(&call->query, answer, &call->account, &call->root, call->words);
}

static json_t *proof_params(const struct proof_query *query, u64 height)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < query->slot_count; i++) {
        json_array_append_new(keys, json_data(BYTES_OF(query->slots[i])));
    }
    return json_pack("[o, o, o]", json_data(BYTES_OF(query->account)), keys, json_quantity(height));
}

/* ERR_BUSY: the node has not got that height, any more or yet. */
static err prove(struct chain *chain, u64 height, struct proof_call *call, u64 deadline_ms)
{
    struct rpc_error error;
    const struct rpc_request request = {
        .method = "eth_getProof",
        .params = proof_params(&call->query, height),
        .answer_bytes_max = PROOF_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .read = read_proof,
        .ctx = call,
    };
    err e = rpc_call(&chain->rpc, &request, &error);
    if (is_err(e, ERR_REFUSED)) {
        log_debug("chain", "eth_getProof at %llu: %s", (unsigned long long)height, error.message);
        return fail(ERR_BUSY);
    }
    return e;
}

static void keep_words(struct storage *storage, const struct proof_call *call)
{
    for (size_t i = 0; i < call->query.slot_count; i++) {
        struct word *word = MEM_NEW(struct word);
        *word = call->words[i];
        mem_free(map_put(&storage->slots, BYTES_OF(call->query.slots[i]), word));
    }
}

/* Some slots (maybe none) of one account, and its root. */
static err fetch(struct view_run *run, struct view_binding *binding, const struct hash *slots,
                 size_t count)
{
    struct proof_call *call = MEM_NEW(struct proof_call);
    struct view_account *account = binding->account;
    call->query = (struct proof_query){.state_root = &run->head.state_root,
                                       .account = account->address,
                                       .slots = slots,
                                       .slot_count = count};
    err e = prove(run->chain, run->head.height, call, run->deadline_ms);
    if (is_ok(e)) {
        struct storage *storage = account_rooted(account, run->head.height, &call->root);
        keep_words(storage, call);
        if (binding->storage == NULL) {
            binding->storage = storage_ref(storage);
        } else if (binding->storage != storage) {
            keep_words(binding->storage, call); /* the same root, another object */
        }
        storage_unref(storage);
        account_shrink(account);
    }
    mem_free(call);
    return e;
}

/* The first look at an account at the view's head. Only one fiber takes it for all that read at the
 * same head; the others wait for what it finds. */
static err fetch_first(struct view_run *run, struct view_binding *binding, const struct hash *slots,
                       size_t count)
{
    struct view_account *account = binding->account;
    while (account->fetching == run->head.height) {
        TRY(event_wait(run->chain->loop, &account->fetched, run->deadline_ms));
    }
    if (bind(run, binding)) {
        return ok(); /* the next round asks for what is still missing */
    }
    account->fetching = run->head.height;
    err e = fetch(run, binding, slots, count);
    if (account->fetching == run->head.height) {
        account->fetching = HEIGHT_NONE;
    }
    event_wake_all(&account->fetched);
    return e;
}

/* Of an account whose root seldom moves, what is known may still hold: then the root is enough. */
static bool worth_asking(const struct view_binding *binding, const struct hash *slot)
{
    const struct view_account *account = binding->account;
    return binding->storage != NULL || account->storage == NULL || account->moves ||
           map_get(&account->storage->slots, BYTES_OF(*slot)) == NULL;
}

/* All misses of one account, in calls of SLOTS_PER_FETCH_MAX. */
static err fetch_account(struct view_run *run, size_t at)
{
    struct hash slots[SLOTS_PER_FETCH_MAX];
    struct view_binding *binding = &run->bindings[at];
    size_t count = 0;
    bool missed = false;
    for (size_t i = 0; i < run->miss_count; i++) {
        const struct view_miss *miss = &run->misses[i];
        if (miss->binding != at) {
            continue;
        }
        missed = true;
        if (worth_asking(binding, &miss->slot)) {
            slots[count++] = miss->slot;
        }
        if (count == SLOTS_PER_FETCH_MAX) {
            TRY(binding->storage == NULL ? fetch_first(run, binding, slots, count)
                                         : fetch(run, binding, slots, count));
            count = 0;
        }
    }
    if (missed && binding->storage == NULL) {
        return fetch_first(run, binding, slots, count);
    }
    return count > 0 ? fetch(run, binding, slots, count) : ok();
}

static err fetch_misses(struct view_run *run)
{
    for (size_t i = 0; i < run->binding_count; i++) {
        TRY(fetch_account(run, i));
    }
    return ok();
}

/* ---- views ---- */

static void release(struct view_run *run)
{
    for (size_t i = 0; i < run->binding_count; i++) {
        storage_unref(run->bindings[i].storage);
    }
    run->binding_count = 0;
}

/* Runs the function at the head of this moment. ERR_BUSY without is_done: the node has not got that
 * head. A result is worth nothing while slots are missing, whatever the function made of that. */
static err view_once(struct view_run *run, chain_view_fn *fn, void *ctx)
{
    const struct slot_source source = {.ctx = run, .load = load};
    run->head = run->chain->head;
    for (unsigned round = 0; round < VIEW_ROUNDS_MAX; round++) {
        run->miss_count = 0;
        err e = fn(ctx, &source);
        if (run->miss_count == 0) {
            run->is_done = true;
            return e;
        }
        TRY(fetch_misses(run));
    }
    log_error("chain", "a view read from more slots than %u rounds can fetch", VIEW_ROUNDS_MAX);
    return fail(ERR_LIMIT);
}

err chain_view(struct chain *chain, chain_view_fn *fn, void *ctx, u64 deadline_ms)
{
    struct view_run *run = MEM_NEW(struct view_run);
    run->chain = chain;
    run->deadline_ms = deadline_ms;
    err e = view_once(run, fn, ctx);
    while (is_err(e, ERR_BUSY) && !run->is_done) {
        release(run);
        e = chain_wait(chain, run->head.height, deadline_ms);
        if (is_ok(e)) {
            e = view_once(run, fn, ctx);
        }
    }
    release(run);
    mem_free(run);
    return e;
}

/* ---- accounts ---- */

/* The account at the head of this moment. */
static err prove_account(struct chain *chain, const struct address *address, u64 deadline_ms,
                         struct account *ret_account)
{
    struct proof_call *call = MEM_NEW(struct proof_call);
    err e;
    do {
        const struct chain_head head = chain->head;
        call->query = (struct proof_query){.state_root = &head.state_root, .account = *address};
        e = prove(chain, head.height, call, deadline_ms);
        if (is_err(e, ERR_BUSY)) {
            e = chain_wait(chain, head.height, deadline_ms);
            e = is_ok(e) ? fail(ERR_BUSY) : e;
        }
    } while (is_err(e, ERR_BUSY));
    if (is_ok(e)) {
        *ret_account = call->account;
    }
    mem_free(call);
    return e;
}

err chain_balance(struct chain *chain, const struct address *account, struct u256 *ret_wei,
                  u64 deadline_ms)
{
    struct account found;
    TRY(prove_account(chain, account, deadline_ms, &found));
    *ret_wei = found.balance;
    return ok();
}

err chain_nonce(struct chain *chain, const struct address *account, u64 *ret_nonce, u64 deadline_ms)
{
    struct account found;
    TRY(prove_account(chain, account, deadline_ms, &found));
    *ret_nonce = found.nonce;
    return ok();
}
