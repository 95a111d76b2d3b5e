/* catchup.c: the index follows the journals: at the start, after a loss, and when the ledger shows
 * a head that is not ours.
 *
 * A journal is walked from its newest record back to the record that the index has, or to the base
 * of the newest snapshot, or to its beginning; then what was found is applied in order. Every
 * record is checked against the hash that named it. A bucket that is interrupted half-way has a
 * zero head in the index, so it is begun anew.
 */
#include "gateway/service/buckets.h"

#include "base/log.h"
#include "base/mem.h"

#define RECORDS_KEPT_BYTES_MAX MIB(8) /* read once; the others are read again when applied */
#define APPLY_BYTES MIB(2)            /* operations in one transaction */
#define WALK_RECORDS_MAX 1000000
#define BUCKETS_MAX 100000
#define TABLE_READ_BYTES KIB(256)
#define VIEW_TIMEOUT_MS 30000
#define REBUILD_TIMEOUT_MS 3600000
#define GONE_MS 60000

struct step {
    struct journal_head head;
    u64 sequence;
    u8 *kept; /* the record, if there was room */
    size_t kept_len;
};

struct walk {
    struct gateway *gateway;
    const struct territory *territory;
    struct index_bucket bucket;
    struct secp_secret label;
    u32 label_version;
    struct step *steps; /* newest first */
    size_t step_count;
    size_t step_cap;
    size_t kept_bytes;
    bool has_snapshot;
    struct locator snapshot_at;
    u64 snapshot_cost; /* of the table and what it keeps */
    struct journal_snapshot snapshot;
    u8 *snapshot_table; /* what snapshot.table borrows */
    bool from_index;    /* ended at the index's own head: nothing is cleared */
    bool table_begun;   /* the bucket has been cleared for the table */
    u64 table_entries;  /* of the table, so far */
    u64 deadline_ms;
};

/* ---- records ---- */

static err fetch(struct walk *walk, const struct locator *locator, struct arena *arena,
                 bytes *ret_record)
{
    struct segment_key key = {.territory = walk->bucket.territory,
                              .gateway = locator->gateway,
                              .number = locator->number};
    struct segment_get *get;
    u8 *out = arena_alloc(arena, locator->length);
    size_t len = 0;
    if (out == NULL || locator->length > JOURNAL_RECORD_BYTES_MAX) {
        return fail(ERR_MALFORMED);
    }
    TRY(segment_get_open(walk->gateway->source, &key, locator->offset, locator->length,
                         walk->deadline_ms, &get));
    err e = ok();
    while (is_ok(e) && len < locator->length) {
        size_t got = 0;
        e = segment_get_next(get, out + len, locator->length - len, walk->deadline_ms, &got);
        if (is_ok(e) && got == 0) {
            e = fail(ERR_INTEGRITY);
        }
        len += got;
    }
    segment_get_close(get);
    *ret_record = bytes_make(out, len);
    return e;
}

/* label_for: the key of the version that a record was written under. */
static const struct secp_secret *label_for(struct walk *walk, u32 version)
{
    if (walk->label_version != version) {
        label_secret_derive(&walk->label, &walk->territory->key, &walk->bucket.id, version);
        walk->label_version = version;
    }
    return &walk->label;
}

static err open_record(struct walk *walk, bytes in, const struct journal_head *head,
                       struct arena *arena, struct journal_record *ret_record, bytes *ret_body)
{
    struct journal_record peeked;
    TRY(journal_record_peek(in, &peeked));
    if (!hash_eq(&peeked.bucket, &walk->bucket.id)) {
        return fail(ERR_INTEGRITY);
    }
    return journal_record_open(in, &head->hash, label_for(walk, peeked.label_version), arena,
                               ret_record, ret_body);
}

/* ---- back ---- */

static void note_step(struct walk *walk, const struct journal_head *head, u64 sequence, bytes in)
{
    if (walk->step_count == walk->step_cap) {
        walk->step_cap = max_size(64, walk->step_cap * 2);
        walk->steps = mem_resize(walk->steps, walk->step_cap * sizeof *walk->steps);
    }
    struct step *step = &walk->steps[walk->step_count++];
    *step = (struct step){.head = *head, .sequence = sequence};
    if (walk->kept_bytes + in.len <= RECORDS_KEPT_BYTES_MAX) {
        step->kept = mem_alloc(in.len);
        step->kept_len = in.len;
        memcpy(step->kept, in.data, in.len);
        walk->kept_bytes += in.len;
    }
}

static err note_snapshot(struct walk *walk, const struct journal_head *head, bytes body)
{
    struct journal_snapshot found;
    TRY(journal_snapshot_read(&found, body));
    if (found.base_sequence == 0) {
        return fail(ERR_INTEGRITY);
    }
    walk->snapshot = found;
    walk->snapshot_table = mem_alloc(found.table.len);
    memcpy(walk->snapshot_table, found.table.data, found.table.len);
    walk->snapshot.table = bytes_make(walk->snapshot_table, found.table.len);
    walk->snapshot_at = head->locator;
    walk->has_snapshot = true;
    return ok();
}

/* step_back: reads one record; *head becomes its predecessor's. */
static err step_back(struct walk *walk, struct journal_head *head, u64 *sequence)
{
    struct arena arena;
    struct journal_record record;
    bytes in;
    bytes body;
    arena_init(&arena, 2 * JOURNAL_RECORD_BYTES_MAX + KIB(64));
    err e = fetch(walk, &head->locator, &arena, &in);
    if (is_ok(e)) {
        e = open_record(walk, in, head, &arena, &record, &body);
    }
    if (is_ok(e) && *sequence != 0 && record.sequence + 1 != *sequence) {
        e = fail(ERR_INTEGRITY);
    }
    if (is_ok(e) && record.kind == JOURNAL_SNAPSHOT && !walk->has_snapshot) {
        e = note_snapshot(walk, head, body);
    }
    if (is_ok(e)) {
        note_step(walk, head, record.sequence, in);
        *sequence = record.sequence;
        *head = record.previous;
    }
    arena_free(&arena);
    return e;
}

static err walk_back(struct walk *walk, const struct journal_head *newest)
{
    struct journal_head head = *newest;
    u64 sequence = 0;
    while (!hash_is_zero(&head.hash)) {
        if (hash_eq(&head.hash, &walk->bucket.head.hash)) {
            walk->from_index = true;
            return ok();
        }
        if (walk->has_snapshot && sequence <= walk->snapshot.base_sequence + 1) {
            return hash_eq(&head.hash, &walk->snapshot.base.hash) ? ok() : fail(ERR_INTEGRITY);
        }
        if (walk->step_count == WALK_RECORDS_MAX || walk->gateway->closing) {
            return fail(walk->gateway->closing ? ERR_CANCELLED : ERR_LIMIT);
        }
        TRY(step_back(walk, &head, &sequence));
    }
    return sequence <= 1 ? ok() : fail(ERR_INTEGRITY);
}

/* ---- forward ---- */

struct apply_job {
    struct index *index;
    struct index_update update;
    err result;
};

static void apply_run(void *arg)
{
    struct apply_job *job = arg;
    job->result = index_apply(job->index, &job->update, NULL);
}

static err apply(struct walk *walk, struct index_update_record *records, size_t count)
{
    struct apply_job job = {.index = walk->gateway->index,
                            .update = {.records = records, .record_count = count}};
    worker_run(walk->gateway->loop, apply_run, &job);
    return job.result;
}

/* apply_table_part: operations of the table, or what it keeps of another record; the head stays
 * zero until all of it is there. */
static err apply_table_part(struct walk *walk, bytes ops, const struct journal_kept *kept)
{
    struct index_update_record record = {
        .bucket = walk->bucket.id, .clear = !walk->table_begun, .ops = ops, .kept = kept};
    walk->table_begun = true;
    return apply(walk, &record, 1);
}

/* apply_kept: the live objects of an older record, which the table only names. */
static err apply_kept(struct walk *walk, const struct journal_kept *kept)
{
    struct arena arena;
    struct journal_record record;
    bytes in;
    bytes body;
    arena_init(&arena, 2 * JOURNAL_RECORD_BYTES_MAX + KIB(64));
    walk->snapshot_cost += journal_record_cost(kept->head.locator.length);
    err e = walk->gateway->closing ? fail(ERR_CANCELLED)
                                   : fetch(walk, &kept->head.locator, &arena, &in);
    if (is_ok(e)) {
        e = open_record(walk, in, &kept->head, &arena, &record, &body);
    }
    if (is_ok(e) && (record.kind != JOURNAL_COMMIT || record.sequence != kept->sequence ||
                     record.sequence > walk->snapshot.base_sequence)) {
        e = fail(ERR_INTEGRITY);
    }
    if (is_ok(e)) {
        e = apply_table_part(walk, body, kept);
    }
    arena_free(&arena);
    return e;
}

/* apply_whole: the whole operations at the beginning of `in`; the rest waits for more of the table.
 * *ret_len: how much that was. */
static err apply_whole(struct walk *walk, bytes in, size_t *ret_len)
{
    bytes rest = in;
    size_t applied = 0;
    size_t at = 0;
    struct journal_op op;
    while (rest.len > 0 && is_ok(journal_op_next(&rest, &op))) {
        walk->table_entries++;
        if (op.kind == JOURNAL_KEPT) {
            struct journal_kept kept;
            TRY(journal_kept_read(&kept, op.value));
            if (at > applied) {
                TRY(apply_table_part(walk, bytes_slice(in, applied, at - applied), NULL));
            }
            TRY(apply_kept(walk, &kept));
            applied = in.len - rest.len;
        }
        at = in.len - rest.len;
    }
    *ret_len = at;
    bool something = at > applied || !walk->table_begun;
    return something ? apply_table_part(walk, bytes_slice(in, applied, at - applied), NULL) : ok();
}

static err read_table(struct walk *walk, struct object_reader *reader, struct buf *waiting)
{
    for (;;) {
        size_t got;
        u8 *at = buf_extend(waiting, TABLE_READ_BYTES);
        TRY(buf_done(waiting));
        TRY(object_read(reader, at, TABLE_READ_BYTES, walk->deadline_ms, &got));
        waiting->len -= TABLE_READ_BYTES - got;
        if (got > 0 && waiting->len < APPLY_BYTES) {
            continue;
        }
        size_t whole = 0;
        TRY(apply_whole(walk, buf_bytes(waiting), &whole));
        buf_consume(waiting, whole);
        if (got == 0) {
            bool complete = waiting->len == 0 && walk->table_entries == walk->snapshot.entries;
            return complete ? ok() : fail(ERR_INTEGRITY);
        }
    }
}

static err load_table(struct walk *walk)
{
    struct arena arena;
    struct manifest manifest;
    struct object_reader *reader;
    struct buf waiting;
    arena_init(&arena, MIB(32));
    err e = manifest_read(&manifest, &arena, walk->snapshot.table);
    if (is_ok(e)) {
        walk->snapshot_cost = manifest.size;
        e = object_open(walk->gateway, &walk->bucket.id, &manifest, 0, manifest.size,
                        walk->deadline_ms, &reader);
    }
    if (is_ok(e)) {
        buf_init(&waiting, MANIFEST_BYTES_MAX + 2 * APPLY_BYTES);
        e = read_table(walk, reader, &waiting);
        buf_free(&waiting);
        object_close(reader);
    }
    arena_free(&arena);
    TRY(e);
    struct index_update_record base = {.bucket = walk->bucket.id,
                                       .head = walk->snapshot.base,
                                       .sequence = walk->snapshot.base_sequence,
                                       .snapshot = walk->snapshot_at,
                                       .snapshot_cost = walk->snapshot_cost};
    return apply(walk, &base, 1);
}

/* table_bytes: of the table that a snapshot record names: a lower bound of its cost. */
static u64 table_bytes(bytes body)
{
    struct journal_snapshot snapshot;
    struct manifest manifest;
    struct arena arena;
    arena_init(&arena, MIB(32));
    bool known = is_ok(journal_snapshot_read(&snapshot, body)) &&
                 is_ok(manifest_read(&manifest, &arena, snapshot.table));
    arena_free(&arena);
    return known ? manifest.size : 0;
}

static err apply_step(struct walk *walk, const struct step *step)
{
    struct arena arena;
    struct journal_record record;
    bytes in = bytes_make(step->kept, step->kept_len);
    bytes body;
    arena_init(&arena, 2 * JOURNAL_RECORD_BYTES_MAX + KIB(64));
    err e = step->kept != NULL ? ok() : fetch(walk, &step->head.locator, &arena, &in);
    if (is_ok(e)) {
        e = open_record(walk, in, &step->head, &arena, &record, &body);
    }
    if (is_ok(e)) {
        struct index_update_record update = {
            .bucket = walk->bucket.id, .head = step->head, .sequence = step->sequence, .ops = body};
        if (record.kind != JOURNAL_COMMIT) {
            update.ops = bytes_make(NULL, 0);
        }
        if (record.kind == JOURNAL_SNAPSHOT) {
            update.snapshot = step->head.locator;
            update.snapshot_cost = table_bytes(body);
        }
        e = apply(walk, &update, 1);
    }
    arena_free(&arena);
    return e;
}

static err walk_forward(struct walk *walk)
{
    if (!walk->from_index && walk->has_snapshot) {
        TRY(load_table(walk));
    } else if (!walk->from_index) {
        TRY(apply_table_part(walk, bytes_make(NULL, 0), NULL));
    }
    for (size_t i = walk->step_count; i > 0; i--) {
        const struct step *step = &walk->steps[i - 1];
        bool covered = !walk->from_index && walk->has_snapshot &&
                       step->sequence <= walk->snapshot.base_sequence;
        if (walk->gateway->closing) {
            return fail(ERR_CANCELLED);
        }
        if (!covered) {
            TRY(apply_step(walk, step));
        }
    }
    return ok();
}

static void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->step_count; i++) {
        mem_free(walk->steps[i].kept);
    }
    mem_free(walk->steps);
    mem_free(walk->snapshot_table);
    secp_secret_wipe(&walk->label);
    mem_free(walk);
}

static err rebuild(struct gateway *gateway, const struct territory *territory,
                   const struct index_bucket *bucket, const struct bucket_head *newest,
                   u64 deadline_ms)
{
    struct walk *walk = MEM_NEW(struct walk);
    struct journal_head head = {.hash = newest->hash, .locator = newest->locator};
    walk->gateway = gateway;
    walk->territory = territory;
    walk->bucket = *bucket;
    walk->deadline_ms = deadline_ms;
    err e = walk_back(walk, &head);
    if (is_ok(e)) {
        e = walk_forward(walk);
    }
    size_t records = walk->step_count;
    walk_free(walk);
    if (is_ok(e)) {
        log_info("gateway", "bucket %s: %zu journal records read", bucket->name, records);
    } else {
        log_warn("gateway", "bucket %s cannot be read from its journal: %s", bucket->name,
                 err_text(e));
    }
    return e;
}

/* ---- buckets ---- */

/* is_ahead: the index has answered commits that the ledger does not show yet: the ledger's head is
 * where one of them begins, or ends. */
static bool is_ahead(const struct gateway *gateway, const struct hash *bucket,
                     const struct hash *chain_head)
{
    list_for (it, &gateway->settle.entries) {
        const struct unsettled *entry = list_entry(it, struct unsettled, node);
        for (size_t i = 0; i < entry->head_count; i++) {
            const struct head_move *move = &entry->heads[i].move;
            if (hash_eq(&move->bucket, bucket) && !entry->heads[i].lost &&
                (hash_eq(&move->old_head, chain_head) || hash_eq(&move->head.hash, chain_head))) {
                return true;
            }
        }
    }
    return false;
}

struct owned_view {
    struct address owner;
    u32 i;
    u32 count;
    struct hash bucket;
    struct bucket_record record;
    bool found;
    u8 name[BUCKET_NAME_BYTES_MAX];
    size_t name_len;
};

static err read_owned_count(void *ctx, const struct slot_source *slots)
{
    struct owned_view *view = ctx;
    return bucket_owned_count(slots, &view->owner, &view->count);
}

static err read_owned(void *ctx, const struct slot_source *slots)
{
    struct owned_view *view = ctx;
    TRY(bucket_owned(slots, &view->owner, view->i, &view->bucket));
    err record = bucket_load(slots, &view->bucket, &view->record, &view->found);
    err name = bucket_name(slots, &view->bucket, view->name, &view->name_len);
    TRY(record);
    return name;
}

/* skip_gone: removed here a moment ago; the view may be older than that. */
static bool skip_gone(struct gateway *gateway, const struct hash *bucket)
{
    u64 *when = map_get(&gateway->gone, BYTES_OF(*bucket));
    if (when == NULL) {
        return false;
    }
    if (loop_now_ms(gateway->loop) - *when < GONE_MS) {
        return true;
    }
    mem_free(map_remove(&gateway->gone, BYTES_OF(*bucket)));
    return false;
}

static err is_known(struct gateway *gateway, const struct hash *bucket, bool *ret_known)
{
    struct index_view *view;
    struct index_bucket found;
    TRY(index_view_open(gateway->index, &view));
    err e = index_bucket_by_id(view, bucket, &found);
    index_view_close(view);
    *ret_known = is_ok(e);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

/* forget: what cannot be read whole is not shown at all; it is tried again later. */
static err forget(struct gateway *gateway, const struct hash *bucket, err fault)
{
    if (is_err(fault, ERR_CANCELLED)) {
        return fault;
    }
    TRY(bucket_forget(gateway, bucket));
    return fault;
}

static err catchup_bucket(struct gateway *gateway, const struct territory *territory,
                          const struct owned_view *view, bool only_new, u64 deadline_ms)
{
    struct index_bucket bucket;
    bool known;
    if (view->record.removed) {
        return bucket_forget(gateway, &view->bucket);
    }
    if (skip_gone(gateway, &view->bucket) ||
        map_get(&territory->dropping, BYTES_OF(view->bucket)) != NULL) {
        return ok();
    }
    TRY(is_known(gateway, &view->bucket, &known));
    TRY(bucket_adopt(gateway, territory, &view->bucket, &view->record,
                     bytes_make(view->name, view->name_len), &bucket));
    /* While commits run the index may be further than the view, so heads that differ then mean
     * nothing; they are looked at when the gateway starts. */
    if ((only_new && known) || hash_eq(&bucket.head.hash, &view->record.head.hash) ||
        is_ahead(gateway, &view->bucket, &view->record.head.hash)) {
        return ok();
    }
    err e = rebuild(gateway, territory, &bucket, &view->record.head, deadline_ms);
    return is_ok(e) ? e : forget(gateway, &view->bucket, e);
}

static err catchup_territory(struct gateway *gateway, const struct territory *territory,
                             bool only_new)
{
    struct owned_view *view = MEM_NEW(struct owned_view);
    err first_fault = ok();
    view->owner = territory->owner;
    err e =
        chain_view(gateway->chain, read_owned_count, view, gateway_in(gateway, VIEW_TIMEOUT_MS));
    for (view->i = 0; is_ok(e) && view->i < min_u64(view->count, BUCKETS_MAX); view->i++) {
        e = chain_view(gateway->chain, read_owned, view, gateway_in(gateway, VIEW_TIMEOUT_MS));
        if (is_ok(e) && view->found && view->record.territory == territory->id) {
            err one = catchup_bucket(gateway, territory, view, only_new,
                                     gateway_in(gateway, REBUILD_TIMEOUT_MS));
            first_fault = is_ok(first_fault) ? one : first_fault;
        }
    }
    mem_free(view);
    TRY(e);
    return first_fault;
}

static err catchup(struct gateway *gateway, bool only_new)
{
    err first_fault = ok();
    map_each (it, &gateway->territories) {
        err e = catchup_territory(gateway, it->value, only_new);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

err catchup_all(struct gateway *gateway) { return catchup(gateway, false); }

err catchup_new(struct gateway *gateway) { return catchup(gateway, true); }
