/* api_write.c: fragments, receipts and commit copies coming in. */
#include "storage/api_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/exec/native.h"
#include "ledger/exec/tx.h"
#include "ledger/modules/layout.h"

#define UPLOAD_WAIT_MS 5000
#define TRAILER_NAME "Cairn-Seal"

/* ---- PUT /v1/fragment ---- */

/* The body into the writer. A fault of the client leaves the exchange unanswered: the server closes
 * it. *ret_fault is the shelf's. */
static bool receive(struct api_request *request, struct shelf_writer *writer, err *ret_fault)
{
    *ret_fault = ok();
    for (;;) {
        u8 *at;
        size_t cap;
        size_t len = 0;
        *ret_fault = shelf_writer_room(writer, &at, &cap);
        if (!is_ok(*ret_fault)) {
            return false;
        }
        err e = http_read_body(request->exchange, at, cap, &len);
        shelf_writer_took(writer, is_ok(e) ? len : 0);
        if (!is_ok(e)) {
            return false;
        }
        if (len == 0) {
            return true;
        }
    }
}

/* A seal record: as base64 in the trailer, or raw in a body. */
static bool read_seal(bytes record, struct segment_seal *ret_seal)
{
    struct reader reader;
    reader_init(&reader, record);
    segment_seal_read(&reader, ret_seal);
    return is_ok(reader_done(&reader));
}

static bool read_trailer(struct api_request *request, struct segment_seal *ret_seal)
{
    u8 record[SEAL_BYTES_MAX];
    size_t len;
    bytes text = http_find_trailer(request->exchange, TRAILER_NAME);
    if (text.data == NULL || !base64_decode(record, sizeof record, text, &len) ||
        !read_seal(bytes_make(record, len), ret_seal)) {
        api_fail(request, 400, "BadSeal", "the trailer Cairn-Seal is missing or no seal",
                 "a chunked body that ends with it");
        return false;
    }
    return true;
}

/* That the seal is about this fragment and, if the chain knows the segment, about that segment. */
static bool seal_fits(struct api_request *request, const struct segment_seal *seal)
{
    const struct segment_key *key = &request->key.segment;
    const struct redundancy_info *info = redundancy_find((u8)seal->class_number);
    struct hash id;
    if (seal->key.territory != key->territory || seal->key.gateway != key->gateway ||
        seal->key.number != key->number || request->key.index >= redundancy_n(info)) {
        api_fail(request, 400, "BadSeal", "the seal is for another fragment", NULL);
        return false;
    }
    segment_seal_id(seal, &id);
    if (request->grant.has_id && !hash_eq(&id, &request->grant.id)) {
        api_fail(request, 409, "OtherSegment", "the chain knows this segment by another id", NULL);
        return false;
    }
    return true;
}

static bool bytes_fit(struct api_request *request, const struct segment_seal *seal, u32 length,
                      const struct hash *root)
{
    if (length != segment_seal_shape(seal).fragment_length) {
        api_fail(request, 400, "BadLength", "the bytes are not as many as the seal says", NULL);
        return false;
    }
    if (!hash_eq(root, &seal->roots[request->key.index])) {
        api_fail(request, 400, "BadRoot", "the bytes do not have the root that the seal says",
                 NULL);
        return false;
    }
    return true;
}

static bool quota_left(struct api_request *request)
{
    struct api *api = request->api;
    u64 open = shelf_open_bytes(api->options.shelf, &request->capability.who);
    if (open < api->options.open_bytes_max) {
        return true;
    }
    api_fail(request, 429, "OpenReceipts", "too many bytes of this signer wait for their commit",
             "commit, or wait until the receipts are past their deadline");
    return false;
}

/* Ends the writer in any case. */
static void finish_put(struct api_request *request, struct shelf_writer *writer)
{
    struct api *api = request->api;
    u32 length = shelf_writer_length(writer);
    struct shelf_entry entry = {.index = request->key.index, .who = request->capability.who};
    struct hash root;
    err e = ok();
    bool fine = length > 0 && read_trailer(request, &entry.seal) && seal_fits(request, &entry.seal);
    if (length == 0) {
        api_fail(request, 400, "BadLength", "a fragment is not empty", NULL);
    }
    if (fine) {
        e = shelf_writer_root(writer, &root);
        fine = is_ok(e) && bytes_fit(request, &entry.seal, length, &root);
    }
    if (!fine) {
        shelf_writer_abort(writer);
    } else {
        entry.added = api->options.rights.time(api->options.rights.ctx);
        entry.deadline = api_receipt_deadline(api);
        e = shelf_writer_commit(writer, &entry);
    }
    if (!is_ok(e)) {
        api_fail_fault(request, e);
    } else if (fine) {
        ++*api->puts;
        *api->put_bytes += length;
        api_respond_receipt(request, &entry.seal, entry.index, entry.deadline);
    }
}

static void put_in_gate(struct api_request *request)
{
    struct shelf_writer *writer;
    err e = shelf_writer_open(request->api->options.shelf, &request->key, &writer);
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    if (receive(request, writer, &e)) {
        finish_put(request, writer);
        return;
    }
    shelf_writer_abort(writer);
    if (!is_ok(e)) {
        api_fail_fault(request, e);
    }
}

void api_put_fragment(struct api_request *request)
{
    struct api *api = request->api;
    struct loop *loop = api->options.loop;
    if (!api_authorise(request, CAPABILITY_WRITE, RIGHT_WRITE, false) || !quota_left(request)) {
        return;
    }
    if (api_faulty(api, FAULT_REFUSE)) {
        api_fail_fault(request, fail(ERR_NO_SPACE));
        return;
    }
    if (!is_ok(gate_enter(loop, &api->uploads, 1, loop_now_ms(loop) + UPLOAD_WAIT_MS))) {
        api_fail(request, 503, "TooManyUploads", "too many uploads at once", "try again");
        return;
    }
    put_in_gate(request);
    gate_leave(&api->uploads, 1);
}

/* ---- POST /v1/receipt ---- */

static err find_same(struct api_request *request, const struct segment_seal *seal)
{
    struct shelf_entry entry;
    struct hash wanted;
    struct hash here;
    TRY(shelf_find(request->api->options.shelf, &request->key, &entry));
    segment_seal_id(seal, &wanted);
    segment_seal_id(&entry.seal, &here);
    return hash_eq(&wanted, &here) ? ok() : fail(ERR_CONFLICT);
}

static err move_deadline(struct api_request *request, u64 deadline)
{
    const struct shelf_change change = {
        .kind = SHELF_RENEW, .key = request->key, .deadline = deadline};
    size_t applied;
    TRY(shelf_change(request->api->options.shelf, &change, 1, &applied));
    return applied == 1 ? ok() : fail(ERR_NOT_FOUND);
}

void api_renew_receipt(struct api_request *request)
{
    struct segment_seal seal;
    bytes body;
    u64 deadline = api_receipt_deadline(request->api);
    if (!api_authorise(request, CAPABILITY_WRITE, RIGHT_WRITE, false)) {
        return;
    }
    if (!is_ok(http_read_body_all(request->exchange, SEAL_BYTES_MAX, &body)) ||
        !read_seal(body, &seal)) {
        api_fail(request, 400, "BadSeal", "the body is no seal", NULL);
        return;
    }
    if (!seal_fits(request, &seal)) {
        return;
    }
    err e = find_same(request, &seal);
    if (is_ok(e)) {
        e = move_deadline(request, deadline);
    }
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    ++*request->api->renewals;
    api_respond_receipt(request, &seal, request->key.index, deadline);
}

/* ---- DELETE /v1/fragment ---- */

/* A receipt that is out may still be committed, so the bytes stay until its deadline; the node
 * drops them then. */
void api_delete_fragment(struct api_request *request)
{
    struct shelf *shelf = request->api->options.shelf;
    struct shelf_entry entry;
    const struct shelf_change change = {.kind = SHELF_ABANDON, .key = request->key};
    if (!api_authorise(request, CAPABILITY_WRITE, RIGHT_WRITE, false)) {
        return;
    }
    err e = shelf_find(shelf, &request->key, &entry);
    if (is_ok(e) && entry.state == ENTRY_HELD) {
        api_fail(request, 409, "OnChain", "the chain lists this node as the holder",
                 "release the segment instead");
        return;
    }
    if (is_ok(e)) {
        e = shelf_change(shelf, &change, 1, NULL);
    }
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    IGNORE(http_respond(request->exchange, 204, bytes_make(NULL, 0)));
}

/* ---- POST /v1/commit ---- */

/* A transaction of the asker to the segment module of this chain. */
static bool commit_sound(struct api_request *request, bytes raw)
{
    struct tx tx;
    struct address sender;
    struct address module = native_address(MODULE_SEGMENT);
    enum tx_verdict verdict = tx_decode(http_arena_of(request->exchange), raw, &tx);
    if (verdict != TX_VALID) {
        api_fail(request, 400, "BadTransaction", tx_verdict_text(verdict), NULL);
        return false;
    }
    if (!tx.has_chain_id || tx.chain_id != request->api->options.chain_id ||
        !address_eq(&tx.to, &module)) {
        api_fail(request, 400, "BadTransaction", "not a commit on this chain", NULL);
        return false;
    }
    if (!tx_sender(&tx, &sender) || !address_eq(&sender, &request->capability.who)) {
        api_fail(request, 403, "BadTransaction", "signed by another than the capability", NULL);
        return false;
    }
    return true;
}

void api_post_commit(struct api_request *request)
{
    struct api *api = request->api;
    bytes raw;
    struct hash hash;
    if (!api_authorise(request, CAPABILITY_WRITE, RIGHT_COMMIT, true)) {
        return;
    }
    err e = http_read_body_all(request->exchange, COPY_BYTES_MAX, &raw);
    if (is_err(e, ERR_LIMIT)) {
        api_fail(request, 413, "TooLarge", "a transaction has at most 128 KiB", NULL);
    }
    if (!is_ok(e) || !commit_sound(request, raw)) {
        return;
    }
    tx_hash(&hash, raw);
    e = shelf_copy_put(api->options.shelf, &hash, loop_wall_ms(api->options.loop), raw);
    if (is_err(e, ERR_LIMIT)) {
        api_fail(request, 503, "TooManyCopies", "too many commits wait here", "try another holder");
        return;
    }
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    ++*api->copies;
    IGNORE(http_respond(request->exchange, 200, bytes_make(NULL, 0)));
}
