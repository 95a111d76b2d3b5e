/* ledger.c: the ports of a real gateway: chain, storage nodes, spool. */
#include "gateway/service/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/native.h"
#include "transfer/spool.h"

#define COPY_TIMEOUT_MS 3000
#define SEND_AGAIN_MS 3000
#define NONCE_TAKEN_MS 4000 /* the nonce is used and no receipt turns up */
#define FILL_MAX 64         /* the ledger's pool takes as many of one account */

static struct segment_put_options put_options(struct gateway *gateway)
{
    return (struct segment_put_options){
        .loop = gateway->loop,
        .chain = gateway->chain,
        .directory = gateway->directory,
        .http = gateway->http,
        .who = &gateway->who,
        .spool_dir = gateway->spool_dir,
        .fibers = &gateway->holders,
    };
}

/* ---- segments ---- */

static err lane_open(void *ctx, const struct segment_key *key, enum redundancy class_number,
                     u64 deadline_ms, struct segment_put **ret_put)
{
    struct segment_put_options options = put_options(ctx);
    options.key = *key;
    options.class_number = class_number;
    return segment_put_open(&options, deadline_ms, ret_put);
}

static void lane_sealed(void *ctx, const struct segment_entry *entry,
                        const struct segment_seal *seal)
{
    struct gateway *gateway = ctx;
    segment_source_hint(gateway->source, entry, seal);
}

static void spool_done(void *ctx, const struct segment_key *key)
{
    struct gateway *gateway = ctx;
    spool_remove(gateway->spool_dir, key);
}

/* reissue: lost holders are replaced from the spool, which may be lost, too. */
static err reissue(void *ctx, const struct segment_seal *seal, u64 deadline_ms,
                   struct segment_entry *entry)
{
    struct segment_put_options options = put_options(ctx);
    options.key = seal->key;
    options.class_number = seal->class_number;
    err e = segment_put_reissue(&options, seal, deadline_ms, entry);
    if (!is_err(e, ERR_NETWORK) || !is_ok(respool(ctx, seal, deadline_ms))) {
        return e;
    }
    return segment_put_reissue(&options, seal, deadline_ms, entry);
}

static void entry_of_rebuild(const struct rebuild_result *result, struct segment_entry *ret)
{
    *ret = (struct segment_entry){
        .number = result->seal.key.number,
        .epoch = result->epoch,
        .class_number = result->seal.class_number,
        .length = result->seal.length,
        .receipt_count = result->count,
    };
    memcpy(ret->roots, result->seal.roots, sizeof ret->roots);
    memcpy(ret->receipts, result->receipts, result->count * sizeof ret->receipts[0]);
}

/* place: from the spool, or if that is gone, rebuilt from the holders that are there. */
static err place(void *ctx, const struct segment_seal *seal, const struct segment_record *record,
                 u64 deadline_ms, struct segment_entry *ret_late)
{
    struct gateway *gateway = ctx;
    struct segment_put_options options = put_options(gateway);
    struct placement_holder holders[FRAGMENTS_MAX];
    u8 missing[FRAGMENTS_MAX];
    size_t holder_count = 0;
    u8 missing_count = 0;
    for (u8 i = 0; i < record->n; i++) {
        if (record->holders[i].provider != 0) {
            holders[holder_count++] = (struct placement_holder){record->holders[i].provider, 0};
        } else if (record->holders[i].position == 0) {
            missing[missing_count++] = i;
        }
    }
    options.key = seal->key;
    options.class_number = seal->class_number;
    err e = segment_put_resend(&options, seal, holders, holder_count, missing, missing_count,
                               deadline_ms, ret_late);
    if (!is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    struct rebuild_result *result = MEM_NEW(struct rebuild_result);
    e = segment_rebuild(gateway->source, &seal->key, missing, missing_count, deadline_ms, result);
    if (is_ok(e)) {
        entry_of_rebuild(result, ret_late);
    }
    mem_free(result);
    return e;
}

struct ticket_view {
    u64 territory;
    u32 gateway;
    struct ticket_record record;
};

static err read_tickets(void *ctx, const struct slot_source *slots)
{
    struct ticket_view *view = ctx;
    return ticket_load(slots, view->territory, view->gateway, &view->record);
}

static err next_ticket(void *ctx, u64 territory, u64 deadline_ms, u64 *ret_next)
{
    struct gateway *gateway = ctx;
    struct ticket_view view = {.territory = territory, .gateway = gateway->number};
    TRY(chain_view(gateway->chain, read_tickets, &view, deadline_ms));
    *ret_next = ticket_next(&view.record);
    return ok();
}

struct segment_view {
    struct segment_key key;
    struct segment_record *record;
    bool found;
};

static err read_segment(void *ctx, const struct slot_source *slots)
{
    struct segment_view *view = ctx;
    return segment_load(slots, &view->key, view->record, &view->found);
}

static err segment_of(void *ctx, const struct segment_key *key, u64 deadline_ms,
                      struct segment_record *ret_record, bool *ret_found)
{
    struct gateway *gateway = ctx;
    struct segment_view view = {.key = *key, .record = ret_record};
    TRY(chain_view(gateway->chain, read_segment, &view, deadline_ms));
    *ret_found = view.found;
    return ok();
}

struct head_view {
    struct hash bucket;
    struct bucket_record record;
    bool found;
};

static err read_head_of(void *ctx, const struct slot_source *slots)
{
    struct head_view *view = ctx;
    return bucket_load(slots, &view->bucket, &view->record, &view->found);
}

static err head_of(void *ctx, const struct hash *bucket, u64 deadline_ms, struct hash *ret_head,
                   bool *ret_found)
{
    struct gateway *gateway = ctx;
    struct head_view view = {.bucket = *bucket};
    TRY(chain_view(gateway->chain, read_head_of, &view, deadline_ms));
    *ret_found = view.found && !view.record.removed;
    *ret_head = view.record.head.hash;
    return ok();
}

/* ---- transactions ---- */

static err sign(void *ctx, bytes input, u64 gas, struct arena *arena, u64 deadline_ms,
                bytes *ret_raw, struct hash *ret_tx)
{
    struct gateway *gateway = ctx;
    const struct chain_call call = {
        .to = native_address(MODULE_SEGMENT), .input = input, .gas_limit = gas};
    u64 nonce; /* in ret_raw, too */
    return chain_sign_hold(gateway->account, &call, arena, deadline_ms, ret_raw, ret_tx, &nonce);
}

static void unsign(void *ctx, u64 nonce)
{
    struct gateway *gateway = ctx;
    chain_account_release(gateway->account, nonce);
    chain_account_resync(gateway->account);
}

static void hold(void *ctx, u64 nonce)
{
    struct gateway *gateway = ctx;
    chain_account_hold(gateway->account, nonce);
}

static void release(void *ctx, u64 nonce)
{
    struct gateway *gateway = ctx;
    chain_account_release(gateway->account, nonce);
}

/* A transfer of nothing to oneself. If somebody has that nonce by now, there is no gap. */
static err fill_one(struct gateway *gateway, u64 nonce, u64 deadline_ms)
{
    const struct chain_call call = {.to = chain_account_address(gateway->account),
                                    .gas_limit = GAS_TX};
    struct arena arena;
    bytes raw;
    struct hash tx;
    arena_init(&arena, KIB(64));
    err e = chain_sign_at(gateway->account, &call, nonce, &arena, &raw, &tx);
    if (is_ok(e)) {
        chain_account_hold(gateway->account, nonce);
        e = chain_submit_raw(gateway->chain, raw, deadline_ms);
        chain_account_release(gateway->account, nonce);
    }
    arena_free(&arena);
    return is_err(e, ERR_CONFLICT) ? ok() : e;
}

static err fill(void *ctx, u64 first, u64 end, u64 deadline_ms)
{
    struct gateway *gateway = ctx;
    for (u64 nonce = first; nonce < end && nonce - first < FILL_MAX; nonce++) {
        if (!chain_account_holds(gateway->account, nonce)) {
            TRY(fill_one(gateway, nonce, deadline_ms));
        }
    }
    return ok();
}

static err submit(void *ctx, bytes raw, u64 deadline_ms)
{
    struct gateway *gateway = ctx;
    return chain_submit_raw(gateway->chain, raw, deadline_ms);
}

static err receipt_of(void *ctx, const struct hash *tx, struct arena *arena, u64 deadline_ms,
                      struct chain_receipt *ret_receipt)
{
    struct gateway *gateway = ctx;
    return chain_receipt_of(gateway->chain, tx, arena, deadline_ms, ret_receipt);
}

static u64 height_of(void *ctx)
{
    struct gateway *gateway = ctx;
    return chain_head(gateway->chain).height;
}

static err nonce_of(void *ctx, u64 deadline_ms, u64 *ret_nonce)
{
    struct gateway *gateway = ctx;
    struct address self = chain_account_address(gateway->account);
    return chain_nonce(gateway->chain, &self, ret_nonce, deadline_ms);
}

/* A transaction that is in no log: until it is in a block, or given up. */
struct sending {
    bytes raw;
    struct hash tx;
    u64 nonce;
    u64 taken_ms; /* since when its nonce is known to be used; 0: it is not */
};

/* sign_in_turn: the ledger is asked for the gas first: whoever commits waits behind the gate. */
static err sign_in_turn(struct gateway *gateway, const struct chain_call *call, struct arena *arena,
                        u64 deadline_ms, struct sending *ret)
{
    struct chain_call limited = *call;
    TRY(chain_estimate(gateway->account, call, deadline_ms, &limited.gas_limit));
    TRY(gate_enter(gateway->loop, &gateway->signing, 1, deadline_ms));
    err e = chain_sign_hold(gateway->account, &limited, arena, deadline_ms, &ret->raw, &ret->tx,
                            &ret->nonce);
    gate_leave(&gateway->signing, 1);
    return e;
}

static err submit_sending(struct gateway *gateway, struct sending *sending, u64 deadline_ms)
{
    err e = chain_submit_raw(gateway->chain, sending->raw, deadline_ms);
    if (is_err(e, ERR_CONFLICT) && sending->taken_ms == 0) {
        sending->taken_ms = loop_now_ms(gateway->loop);
        chain_account_resync(gateway->account); /* the next one should not take a used one, too */
    } else if (is_ok(e) || is_err(e, ERR_BUSY)) {
        sending->taken_ms = 0;
    }
    return is_err(e, ERR_REFUSED) || is_err(e, ERR_CANCELLED) ? e : ok();
}

/* deliver: submitted now and then, for a ledger node that restarts forgets what waits. */
static err deliver(struct gateway *gateway, struct sending *sending, struct arena *arena,
                   u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    for (;;) {
        TRY(submit_sending(gateway, sending, deadline_ms));
        u64 round = min_u64(deadline_ms, gateway_in(gateway, SEND_AGAIN_MS));
        err e = chain_await(gateway->chain, &sending->tx, arena, round, ret_receipt);
        u64 now_ms = loop_now_ms(gateway->loop);
        if (!is_err(e, ERR_TIMEOUT) || now_ms >= deadline_ms) {
            return e;
        }
        if (sending->taken_ms != 0 && now_ms - sending->taken_ms >= NONCE_TAKEN_MS) {
            return fail(ERR_CONFLICT);
        }
    }
}

static err send(struct gateway *gateway, const struct chain_call *call, struct arena *arena,
                u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct sending sending = {.taken_ms = 0};
    TRY(sign_in_turn(gateway, call, arena, deadline_ms, &sending));
    err e = deliver(gateway, &sending, arena, deadline_ms, ret_receipt);
    chain_account_release(gateway->account, sending.nonce);
    if (!is_ok(e)) {
        chain_account_resync(gateway->account);
        return e;
    }
    return ret_receipt->success ? ok() : fail(ERR_REFUSED);
}

err ledger_send(struct gateway *gateway, u32 module, const char *signature,
                const struct abi_value *args, struct arena *arena, u64 deadline_ms,
                struct chain_receipt *ret_receipt)
{
    struct buf input;
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    module_encode(&input, signature, args);
    err e = buf_done(&input);
    if (is_ok(e)) {
        const struct chain_call call = {.to = native_address(module), .input = buf_bytes(&input)};
        e = send(gateway, &call, arena, deadline_ms, ret_receipt);
    }
    buf_free(&input);
    return e;
}

static err call_segments(void *ctx, bytes input, u64 deadline_ms)
{
    struct gateway *gateway = ctx;
    const struct chain_call call = {.to = native_address(MODULE_SEGMENT), .input = input};
    struct arena arena;
    struct chain_receipt receipt;
    arena_init(&arena, MIB(4));
    err e = send(gateway, &call, &arena, deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

/* ---- copies ---- */

struct copying {
    struct gateway *gateway;
    bytes raw;
    const u32 *providers;
    size_t count;
    size_t next;
    size_t acknowledged;
    u64 deadline_ms;
};

static err copy_to(struct copying *copying, u32 provider)
{
    struct gateway *gateway = copying->gateway;
    struct provider_view holder;
    TRY(directory_get(gateway->directory, provider, &holder));
    return store_send_commit(gateway->http, &gateway->who, &holder, copying->raw,
                             min_u64(copying->deadline_ms, gateway_in(gateway, COPY_TIMEOUT_MS)));
}

/* copy_run: until one holder has acknowledged; the next is asked when one does not. */
static void copy_run(void *arg)
{
    struct copying *copying = arg;
    while (copying->next < copying->count &&
           loop_now_ms(copying->gateway->loop) < copying->deadline_ms) {
        err e = copy_to(copying, copying->providers[copying->next++]);
        copying->acknowledged += is_ok(e);
        if (is_ok(e) || is_err(e, ERR_CANCELLED)) {
            return;
        }
    }
}

static size_t copies(void *ctx, bytes raw, const u32 *providers, size_t count, u64 deadline_ms)
{
    struct gateway *gateway = ctx;
    struct copying copying = {.gateway = gateway,
                              .raw = raw,
                              .providers = providers,
                              .count = count,
                              .deadline_ms = deadline_ms};
    struct group group;
    group_init(&group);
    for (unsigned i = 0; i < COMMIT_COPIES; i++) {
        IGNORE(group_start(gateway->loop, &group, "copy", copy_run, &copying)); /* counted below */
    }
    group_wait(gateway->loop, &group);
    return copying.acknowledged;
}

struct ports ledger_ports(struct gateway *gateway)
{
    return (struct ports){
        .ctx = gateway,
        .lane_open = lane_open,
        .lane_write = segment_put_write,
        .lane_seal = segment_put_seal,
        .lane_late = segment_put_late,
        .lane_passed = segment_put_passed,
        .lane_free = segment_put_free,
        .lane_sealed = lane_sealed,
        .ticket_next = next_ticket,
        .sign = sign,
        .unsign = unsign,
        .hold = hold,
        .release = release,
        .fill = fill,
        .submit = submit,
        .copies = copies,
        .receipt = receipt_of,
        .height = height_of,
        .nonce = nonce_of,
        .segment = segment_of,
        .head = head_of,
        .reissue = reissue,
        .place = place,
        .call = call_segments,
        .spool_done = spool_done,
    };
}
