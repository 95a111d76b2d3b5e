#include "transfer/store_client.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "data/capability.h"
#include "data/fragment_writer.h"

#include <stdio.h>

#define CAPABILITY_TTL_SECONDS 3600
#define ANSWER_BYTES_MAX KIB(16)
#define FRAME_PATH_MAX 64
#define EARLY_ANSWER_MS 1000
#define ANSWER_END_MS 200
/* Less is hashed faster than handed to a worker. */
#define WORKER_BYTES_MIN KIB(32)

/* One request's url and headers; lives on the caller's stack. */
struct request {
    char url[PROVIDER_URL_MAX + 128];
    char authorization[CAPABILITY_HEADER_BYTES + 1];
    struct http_header header;
};

static void make_request(struct request *request, struct loop *loop,
                         const struct store_identity *who, const struct provider_view *holder,
                         enum capability_op op, const struct segment_key *key, u8 fragment)
{
    struct capability capability = {
        .chain_id = who->chain_id,
        .holder = holder->index,
        .ops = (u8)op,
        .key = *key,
        .fragment = fragment,
        .valid_until = loop_wall_ms(loop) / 1000 + CAPABILITY_TTL_SECONDS,
    };
    loop_random(loop, capability.nonce, sizeof capability.nonce);
    capability_sign(&capability, &who->secret);
    capability_header(request->authorization, &capability);
    request->header =
        (struct http_header){bytes_str("Authorization"), bytes_str(request->authorization)};
}

static void fragment_url(struct request *request, const char *path,
                         const struct provider_view *holder, const struct segment_key *key,
                         u8 index)
{
    snprintf(request->url, sizeof request->url, "%s/v1/%s/%llu.%u.%llu/%u", holder->url, path,
             (unsigned long long)key->territory, key->gateway, (unsigned long long)key->number,
             index);
}

/* The node's verdict as a fault: the message it gave goes to the log. */
static err status_fault(const struct provider_view *holder, int status, bytes body)
{
    json_t *answer = NULL;
    const char *message = NULL;
    if (is_ok(json_parse(body, ANSWER_BYTES_MAX, &answer))) {
        message = json_read_str(json_object_get(answer, "error"), "message");
    }
    log_debug("transfer", "provider %u answered %d: %s", holder->index, status,
              message ? message : "");
    json_decref(answer);
    switch (status) {
    case 404:
        return fail(ERR_NOT_FOUND);
    case 409:
        return fail(ERR_CONFLICT);
    case 503:
        return fail(ERR_BUSY);
    case 507:
        return fail(ERR_NO_SPACE);
    }
    return fail(status < 500 ? ERR_REFUSED : ERR_NETWORK);
}

/* Reads a whole small answer; a status other than 200 becomes a fault. */
static err read_answer(struct http_call *call, const struct provider_view *holder,
                       struct arena *arena, bytes *ret_body)
{
    int status;
    TRY(http_call_status(call, &status));
    u8 *body = arena_alloc(arena, ANSWER_BYTES_MAX);
    size_t len = 0;
    err e = body != NULL ? ok() : fail(ERR_LIMIT);
    for (size_t n = 1; is_ok(e) && n != 0;) {
        n = 0;
        e = len == ANSWER_BYTES_MAX ? fail(ERR_MALFORMED)
                                    : http_call_read(call, body + len, ANSWER_BYTES_MAX - len, &n);
        len += n;
    }
    *ret_body = bytes_make(body, len);
    return status == 200 ? e : status_fault(holder, status, *ret_body);
}

static err check_receipt(bytes body, const struct store_identity *who,
                         const struct provider_view *holder, const struct segment_seal *seal,
                         u8 index, struct holder_receipt *ret_receipt)
{
    struct reader in;
    struct holder_receipt receipt;
    reader_init(&in, body);
    receipt_read(&in, &receipt);
    TRY(reader_done(&in));
    struct receipt_terms terms = segment_seal_terms(seal, who->chain_id, index, receipt.deadline);
    struct hash digest;
    struct address signer;
    receipt_digest(&digest, &terms);
    if (receipt.index != index || receipt.provider != holder->index ||
        !secp_recover_address(&signer, &receipt.signature, &digest) ||
        !address_eq(&signer, &holder->signer)) {
        log_warn("transfer", "provider %u gave a receipt that does not check", holder->index);
        return fail(ERR_INTEGRITY);
    }
    *ret_receipt = receipt;
    return ok();
}

/* ---- upload ---- */

struct store_upload {
    struct http_client *http;
    struct http_call *call;
    const struct store_identity *who;
    struct provider_view holder;
    u8 index;
};

err store_put_open(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key, u8 index,
                   u64 deadline_ms, struct store_upload **ret_upload)
{
    struct request request;
    make_request(&request, http_client_loop(http), who, holder, CAPABILITY_WRITE, key, index);
    fragment_url(&request, "fragment", holder, key, index);
    struct http_call *call;
    TRY(http_call_open(http,
                       &(struct http_call_options){.method = "PUT",
                                                   .url = request.url,
                                                   .headers = &request.header,
                                                   .header_count = 1,
                                                   .body_length = HTTP_UNKNOWN_LENGTH,
                                                   .deadline_ms = deadline_ms},
                       &call));
    struct store_upload *upload = MEM_NEW(struct store_upload);
    *upload = (struct store_upload){http, call, who, *holder, index};
    *ret_upload = upload;
    return ok();
}

/* A node that does not want the body answers early and closes: its reason says more than that the
 * connection broke. */
static err early_answer(struct store_upload *upload, err broken)
{
    struct arena arena;
    bytes body;
    int status;
    struct loop *loop = http_client_loop(upload->http);
    http_call_set_deadline(upload->call, loop_now_ms(loop) + EARLY_ANSWER_MS);
    if (!is_ok(http_call_status(upload->call, &status)) || status == 200) {
        return broken;
    }
    arena_init(&arena, 2 * ANSWER_BYTES_MAX);
    err e = read_answer(upload->call, &upload->holder, &arena, &body);
    arena_free(&arena);
    return is_ok(e) ? broken : e;
}

err store_put_write(struct store_upload *upload, bytes in, u64 deadline_ms)
{
    http_call_set_deadline(upload->call, deadline_ms);
    err e = http_call_write(upload->call, in);
    return is_err(e, ERR_CLOSED) || is_err(e, ERR_NETWORK) ? early_answer(upload, e) : e;
}

void store_put_abort(struct store_upload *upload)
{
    if (upload != NULL) {
        http_call_close(upload->call);
        mem_free(upload);
    }
}

/* The seal as base64 text in arena. */
static err seal_text(struct arena *arena, const struct segment_seal *seal, bytes *ret_text)
{
    struct buf record;
    buf_init(&record, SEAL_BYTES_MAX);
    segment_seal_write(&record, seal);
    size_t len = base64_encoded_len(record.len);
    char *text = arena_alloc(arena, len + 1);
    err e = buf_done(&record);
    if (is_ok(e) && text != NULL) {
        base64_encode(text, len + 1, buf_bytes(&record));
        *ret_text = bytes_make(text, len);
    }
    buf_free(&record);
    return is_ok(e) && text == NULL ? fail(ERR_LIMIT) : e;
}

err store_put_finish(struct store_upload *upload, const struct segment_seal *seal, u64 deadline_ms,
                     struct holder_receipt *ret_receipt)
{
    struct arena arena;
    bytes text;
    bytes body;
    arena_init(&arena, 2 * ANSWER_BYTES_MAX);
    http_call_set_deadline(upload->call, deadline_ms);
    err e = seal_text(&arena, seal, &text);
    if (is_ok(e)) {
        const struct http_header trailer = {bytes_str("Cairn-Seal"), text};
        e = http_call_finish(upload->call, &trailer, 1);
        e = is_ok(e) || is_err(e, ERR_CANCELLED) ? e : early_answer(upload, e);
    }
    if (is_ok(e)) {
        e = read_answer(upload->call, &upload->holder, &arena, &body);
    }
    if (is_ok(e)) {
        e = check_receipt(body, upload->who, &upload->holder, seal, upload->index, ret_receipt);
    }
    arena_free(&arena);
    store_put_abort(upload);
    return e;
}

/* A whole call with a small body and a small answer. */
static err exchange(struct http_client *http, const char *method, const struct request *request,
                    const struct provider_view *holder, bytes body, u64 deadline_ms,
                    struct arena *arena, bytes *ret_body)
{
    int status;
    TRY(http_fetch(http,
                   &(struct http_call_options){.method = method,
                                               .url = request->url,
                                               .headers = &request->header,
                                               .header_count = 1,
                                               .body_length = body.len,
                                               .deadline_ms = deadline_ms},
                   body, arena, &status, ret_body));
    return status == 200 ? ok() : status_fault(holder, status, *ret_body);
}

err store_renew(struct http_client *http, const struct store_identity *who,
                const struct provider_view *holder, const struct segment_seal *seal, u8 index,
                u64 deadline_ms, struct holder_receipt *ret_receipt)
{
    struct request request;
    make_request(&request, http_client_loop(http), who, holder, CAPABILITY_WRITE, &seal->key,
                 index);
    fragment_url(&request, "receipt", holder, &seal->key, index);
    struct arena arena;
    struct buf record;
    bytes body;
    arena_init(&arena, 2 * ANSWER_BYTES_MAX);
    buf_init(&record, SEAL_BYTES_MAX);
    segment_seal_write(&record, seal);
    err e =
        exchange(http, "POST", &request, holder, buf_bytes(&record), deadline_ms, &arena, &body);
    if (is_ok(e)) {
        e = check_receipt(body, who, holder, seal, index, ret_receipt);
    }
    buf_free(&record);
    arena_free(&arena);
    return e;
}

/* ---- download ---- */

struct store_download {
    struct loop *loop;
    struct http_call *call;
    u32 provider;
    struct hash root;
    u32 fragment_length;
    u32 at;  /* next byte of the fragment */
    u32 end; /* of the range asked for */
    bool answered;
};

err store_get_open(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key, u8 index,
                   const struct hash *root, u32 fragment_length, u32 from, u32 length,
                   u64 deadline_ms, struct store_download **ret_download)
{
    assert_that(from % UNIT_BYTES == 0 && length <= fragment_length &&
                from <= fragment_length - length);
    struct request request;
    make_request(&request, http_client_loop(http), who, holder, CAPABILITY_READ, key, index);
    fragment_url(&request, "fragment", holder, key, index);
    size_t used = strlen(request.url);
    snprintf(request.url + used, sizeof request.url - used, "?from=%u&length=%u", from, length);
    struct http_call *call;
    TRY(http_call_open(http,
                       &(struct http_call_options){.method = "GET",
                                                   .url = request.url,
                                                   .headers = &request.header,
                                                   .header_count = 1,
                                                   .deadline_ms = deadline_ms},
                       &call));
    err e = http_call_finish(call, NULL, 0);
    if (!is_ok(e)) {
        http_call_close(call);
        return e;
    }
    struct store_download *download = MEM_NEW(struct store_download);
    *download = (struct store_download){.loop = http_client_loop(http),
                                        .call = call,
                                        .provider = holder->index,
                                        .root = *root,
                                        .fragment_length = fragment_length,
                                        .at = from,
                                        .end = from + length};
    *ret_download = download;
    return ok();
}

/* Fills out completely; the answer ending before that is a lie about the length. */
static err read_exactly(struct http_call *call, void *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n;
        TRY(http_call_read(call, (u8 *)out + done, len - done, &n));
        if (n == 0) {
            return fail(ERR_INTEGRITY);
        }
        done += n;
    }
    return ok();
}

static err read_status(struct store_download *download)
{
    int status;
    TRY(http_call_status(download->call, &status));
    download->answered = true;
    if (status == 200) {
        return ok();
    }
    const struct provider_view holder = {.index = download->provider};
    return status_fault(&holder, status, bytes_make(NULL, 0));
}

struct frame_check {
    const struct store_download *download;
    bytes data;
    struct hash path[FRAME_PATH_MAX];
    u16 path_len;
    bool good;
};

static void check_frame(void *arg)
{
    struct frame_check *check = arg;
    const struct store_download *download = check->download;
    check->good = fragment_range_verify(&download->root, download->fragment_length, download->at,
                                        check->data, check->path, check->path_len);
}

/* One frame, unchecked. */
static err read_frame(struct store_download *download, u8 *out, struct frame_check *ret_check)
{
    u8 head[6];
    TRY(read_exactly(download->call, head, sizeof head));
    u32 len = load_be32(head);
    u16 path_len = load_be16(head + 4);
    u32 expected = (u32)min_u64(UNIT_BYTES, download->fragment_length - download->at);
    if (len != expected || path_len > FRAME_PATH_MAX) {
        return fail(ERR_INTEGRITY);
    }
    if (path_len != 0) {
        TRY(read_exactly(download->call, ret_check->path, path_len * sizeof(struct hash)));
    }
    TRY(read_exactly(download->call, out, len));
    ret_check->download = download;
    ret_check->data = bytes_make(out, len);
    ret_check->path_len = path_len;
    return ok();
}

err store_get_next(struct store_download *download, u8 *out, u64 deadline_ms, size_t *ret_len)
{
    struct frame_check check;
    if (download->at == download->end) {
        *ret_len = 0;
        return ok();
    }
    http_call_set_deadline(download->call, deadline_ms);
    if (!download->answered) {
        TRY(read_status(download));
    }
    TRY(read_frame(download, out, &check));
    if (check.data.len >= WORKER_BYTES_MIN) {
        worker_run(download->loop, check_frame, &check);
    } else {
        check_frame(&check);
    }
    if (!check.good) {
        return fail(ERR_INTEGRITY);
    }
    *ret_len = min_size(check.data.len, download->end - download->at);
    download->at += (u32)*ret_len;
    return ok();
}

/* The end of the answer may be a moment behind its last byte; without it the connection could not
 * be used again. */
static void await_end(struct store_download *download)
{
    u8 byte;
    size_t len;
    if (download->answered && download->at == download->end) {
        http_call_set_deadline(download->call, loop_now_ms(download->loop) + ANSWER_END_MS);
        IGNORE(http_call_read(download->call, &byte, 1, &len));
    }
}

void store_get_close(struct store_download *download)
{
    if (download != NULL) {
        await_end(download);
        http_call_close(download->call);
        mem_free(download);
    }
}

/* ---- the rest ---- */

err store_get_seal(struct http_client *http, const struct store_identity *who,
                   const struct provider_view *holder, const struct segment_key *key,
                   const struct hash *id, u64 deadline_ms, struct segment_seal *ret_seal)
{
    struct request request;
    make_request(&request, http_client_loop(http), who, holder, CAPABILITY_READ, key,
                 CAPABILITY_ALL_FRAGMENTS);
    snprintf(request.url, sizeof request.url, "%s/v1/segment/%llu.%u.%llu", holder->url,
             (unsigned long long)key->territory, key->gateway, (unsigned long long)key->number);
    struct arena arena;
    bytes body;
    struct segment_seal seal;
    arena_init(&arena, 2 * ANSWER_BYTES_MAX);
    err e =
        exchange(http, "GET", &request, holder, bytes_make(NULL, 0), deadline_ms, &arena, &body);
    if (is_ok(e)) {
        struct reader in;
        struct hash found;
        reader_init(&in, body);
        segment_seal_read(&in, &seal);
        e = reader_done(&in);
        if (is_ok(e)) {
            segment_seal_id(&seal, &found);
            e = hash_eq(&found, id) ? ok() : fail(ERR_INTEGRITY);
        }
    }
    arena_free(&arena);
    TRY(e);
    *ret_seal = seal;
    return ok();
}

err store_send_commit(struct http_client *http, const struct store_identity *who,
                      const struct provider_view *holder, bytes raw_tx, u64 deadline_ms)
{
    struct request request;
    const struct segment_key none = {0};
    make_request(&request, http_client_loop(http), who, holder, CAPABILITY_WRITE, &none,
                 CAPABILITY_ALL_FRAGMENTS);
    snprintf(request.url, sizeof request.url, "%s/v1/commit", holder->url);
    struct arena arena;
    bytes body;
    arena_init(&arena, 2 * ANSWER_BYTES_MAX);
    err e = exchange(http, "POST", &request, holder, raw_tx, deadline_ms, &arena, &body);
    arena_free(&arena);
    return e;
}
