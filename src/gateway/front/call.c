/* call.c: one request from its head to its answer. */
#include "base/log.h"
#include "base/mem.h"
#include "gateway/front/front.h"
#include "gateway/s3/text.h"
#include "net/http_parse.h"

#include <stdio.h>

#define RETRY_AFTER_S 1

/* ---- answers ---- */

void front_header(struct front_call *call, const char *name, bytes value)
{
    /* Stored headers may have come through another gateway's journal: they are not trusted. */
    if (value.data != NULL && http_is_token(bytes_str(name)) && http_is_field_value(value)) {
        http_set_header(call->exchange, name, value);
    }
}

void front_header_str(struct front_call *call, const char *name, const char *value)
{
    front_header(call, name, bytes_str(value));
}

void front_header_u64(struct front_call *call, const char *name, u64 value)
{
    char text[S3_DECIMAL_BYTES];
    s3_write_decimal(text, value);
    front_header_str(call, name, text);
}

void front_header_checksum(struct front_call *call, const struct s3_checksum *checksum)
{
    if (checksum->algorithm == S3_ALGORITHM_NONE) {
        return;
    }
    char text[S3_CHECKSUM_TEXT_BYTES];
    s3_checksum_write(text, checksum);
    front_header_str(call, s3_algorithm_header(checksum->algorithm), text);
    front_header_str(call, "x-amz-checksum-type", s3_checksum_type_text(checksum->type));
}

/* set_common: what every answer has. Date and Server are made by the HTTP server. */
static void set_common(struct front_call *call)
{
    front_header_str(call, "x-amz-request-id", call->request_id);
    front_header_str(call, "x-amz-id-2", call->host_id);
    front_header_str(call, "Accept-Ranges", "bytes");
}

enum s3_code front_reply_empty(struct front_call *call, int status)
{
    call->status = status;
    IGNORE(http_respond(call->exchange, status, bytes_str(""))); /* the client may be gone */
    return S3_OK;
}

void front_xml_init(struct buf *xml) { buf_init(xml, FRONT_XML_BYTES_MAX); }

static void send_xml(struct front_call *call, int status, const struct buf *xml)
{
    call->status = status;
    if (call->kept_busy) {
        front_finish_busy(call, buf_bytes(xml));
        return;
    }
    front_header_str(call, "Content-Type", "application/xml");
    IGNORE(http_respond(call->exchange, status, buf_bytes(xml))); /* the client may be gone */
}

enum s3_code front_reply_xml(struct front_call *call, struct buf *xml)
{
    enum s3_code code = S3_OK;
    if (is_ok(buf_done(xml))) {
        send_xml(call, 200, xml);
    } else {
        code = front_fault(call, fail(ERR_LIMIT), "answer");
    }
    buf_free(xml);
    return code;
}

static bool is_bodiless(const struct front_call *call, int status)
{
    return status == 304 || bytes_eq_str(call->http->method, "HEAD");
}

static void set_error_headers(struct front_call *call, int status)
{
    http_clear_headers(call->exchange);
    set_common(call);
    if (status == 503) {
        front_header_u64(call, "Retry-After", RETRY_AFTER_S);
    }
    if (status == 405) {
        front_header_str(call, "Allow", s3_method_list());
    }
}

/* answer_error: `status` overrides that of the code unless it is 0. */
static void answer_error(struct front_call *call, int status)
{
    struct buf xml;
    enum s3_code code = call->error.code;
    int answer_status = status != 0 ? status : s3_code_status(code);
    if (!call->kept_busy) {
        set_error_headers(call, answer_status);
    }
    if (is_bodiless(call, answer_status)) {
        front_reply_empty(call, answer_status);
        return;
    }
    bytes path = call->request.path.data != NULL ? call->request.path : call->http->target;
    front_xml_init(&xml);
    s3_error_write(&xml, &call->error, path, bytes_str(call->request_id), bytes_str(call->host_id));
    send_xml(call, answer_status, &xml);
    buf_free(&xml);
}

/* ---- faults and verdicts ---- */

u64 front_deadline(const struct front_call *call)
{
    const struct front *front = call->front;
    u64 timeout_ms = call->patient ? front->patient_timeout_ms : front->service_timeout_ms;
    return loop_now_ms(front->loop) + timeout_ms;
}

u64 front_now_ms(const struct front_call *call) { return loop_wall_ms(call->front->loop); }

enum s3_code front_fault(struct front_call *call, err fault, const char *step)
{
    enum s3_code code = s3_code_of_fault(fault);
    if (is_err(fault, ERR_TIMEOUT) || is_err(fault, ERR_CLOSED)) {
        code = S3_ERR_SERVICE_UNAVAILABLE; /* ours, not the client's */
    }
    if (is_err(fault, ERR_MALFORMED)) {
        code = S3_ERR_INTERNAL;
    }
    log_warn("s3", "request %s: %s: %s", call->request_id, step, err_text(fault));
    return s3_refuse(&call->error, code);
}

enum s3_code front_body_fault(struct front_call *call, err fault)
{
    if (is_err(fault, ERR_LIMIT)) {
        return s3_refuse(&call->error, S3_ERR_MAX_MESSAGE_LENGTH);
    }
    return s3_refuse(&call->error, s3_code_of_fault(fault));
}

enum s3_code front_verdict(struct front_call *call, enum service_verdict verdict)
{
    struct s3_error *error = &call->error;
    switch (verdict) {
    case SERVICE_OK:
        return S3_OK;
    case SERVICE_NO_SUCH_BUCKET:
        return s3_refuse(error, S3_ERR_NO_SUCH_BUCKET);
    case SERVICE_NO_SUCH_KEY:
        return s3_refuse(error, S3_ERR_NO_SUCH_KEY);
    case SERVICE_NO_SUCH_UPLOAD:
        return s3_refuse(error, S3_ERR_NO_SUCH_UPLOAD);
    case SERVICE_BUCKET_EXISTS:
        return s3_refuse(error, S3_ERR_BUCKET_ALREADY_EXISTS);
    case SERVICE_BUCKET_OWNED:
        return s3_refuse(error, S3_ERR_BUCKET_ALREADY_OWNED);
    case SERVICE_BUCKET_NOT_EMPTY:
        return s3_refuse(error, S3_ERR_BUCKET_NOT_EMPTY);
    case SERVICE_PRECONDITION_FAILED:
        return s3_refuse(error, S3_ERR_PRECONDITION_FAILED);
    case SERVICE_CONFLICT:
        return s3_refuse(error, S3_ERR_CONDITIONAL_CONFLICT);
    case SERVICE_QUOTA_EXCEEDED:
        return s3_refuse(error, S3_ERR_QUOTA_EXCEEDED);
    case SERVICE_SLOW_DOWN:
        return s3_refuse(error, S3_ERR_SLOW_DOWN);
    case SERVICE_NO_PROVIDERS:
        return s3_refuse_message(error, S3_ERR_SERVICE_UNAVAILABLE,
                                 "Too few storage nodes can take new data. Please try again.");
    case SERVICE_ACCESS_DENIED:
        return s3_refuse(error, S3_ERR_ACCESS_DENIED);
    case SERVICE_UNAVAILABLE:
        return s3_refuse(error, S3_ERR_SERVICE_UNAVAILABLE);
    case SERVICE_NO_SPACE:
        return s3_refuse(error, S3_ERR_INSUFFICIENT_STORAGE);
    }
    return s3_refuse(error, S3_ERR_INTERNAL);
}

enum s3_code front_step(struct front_call *call, err fault, enum service_verdict verdict,
                        const char *step)
{
    return is_ok(fault) ? front_verdict(call, verdict) : front_fault(call, fault, step);
}

struct s3_owner front_owner(const struct front_call *call)
{
    return (struct s3_owner){bytes_str(call->user.id), bytes_str(call->user.display_name)};
}

/* ---- who and what ---- */

static bool find_secret(void *ctx, bytes access_key, struct s3_secret *ret_secret)
{
    struct front_call *call = ctx;
    const struct front_service *service = &call->front->service;
    if (!is_ok(service->user_find(service->ctx, access_key, &call->user))) {
        return false;
    }
    size_t len = strlen(call->user.secret_key);
    bool usable = len > 0 && len <= sizeof ret_secret->b;
    if (usable) {
        memcpy(ret_secret->b, call->user.secret_key, len);
        ret_secret->len = len;
    }
    mem_wipe(call->user.secret_key, sizeof call->user.secret_key);
    call->has_user = usable;
    return usable;
}

static enum s3_code parse_request(struct front_call *call)
{
    const struct http_request *http = call->http;
    struct s3_header *headers = ARENA_ARRAY(call->arena, struct s3_header, http->header_count + 1);
    if (headers == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    for (size_t i = 0; i < http->header_count; i++) {
        headers[i] = (struct s3_header){http->headers[i].name, http->headers[i].value};
    }
    struct s3_request_input input = {
        .method = http->method,
        .target = http->target,
        .host = http->host,
        .headers = headers,
        .header_count = http->header_count,
        .encrypted = http->encrypted,
        .domains = call->front->domains,
        .domain_count = call->front->domain_count,
    };
    return s3_request_parse(call->arena, &input, &call->request, &call->error);
}

static enum s3_code authenticate(struct front_call *call)
{
    struct s3_auth_config config = {
        .region = call->front->region,
        .now_s = call->now_s,
        .lookup = find_secret,
        .ctx = call,
        .unsigned_needs_tls = call->front->unsigned_needs_tls,
    };
    S3_TRY(s3_auth_check(call->arena, &call->request, &config, &call->auth, &call->error));
    /* Nothing here is public: there are no policies and no ACLs beyond the owner's. */
    return call->has_user ? S3_OK : s3_refuse(&call->error, S3_ERR_ACCESS_DENIED);
}

/* ---- which operation ---- */

static enum s3_code dispatch_object(struct front_call *call)
{
    enum s3_op op = call->request.op;
    return op == S3_OP_PUT_OBJECT                  ? front_put_object(call)
           : op == S3_OP_GET_OBJECT                ? front_get_object(call)
           : op == S3_OP_HEAD_OBJECT               ? front_get_object(call)
           : op == S3_OP_DELETE_OBJECT             ? front_delete_object(call)
           : op == S3_OP_COPY_OBJECT               ? front_copy_object(call)
           : op == S3_OP_CREATE_MULTIPART_UPLOAD   ? front_create_upload(call)
           : op == S3_OP_UPLOAD_PART               ? front_upload_part(call)
           : op == S3_OP_UPLOAD_PART_COPY          ? front_copy_part(call)
           : op == S3_OP_COMPLETE_MULTIPART_UPLOAD ? front_complete_upload(call)
           : op == S3_OP_ABORT_MULTIPART_UPLOAD    ? front_abort_upload(call)
           : op == S3_OP_LIST_PARTS                ? front_list_parts(call)
                                                   : front_misc(call);
}

static enum s3_code dispatch(struct front_call *call)
{
    enum s3_op op = call->request.op;
    return op == S3_OP_LIST_BUCKETS             ? front_list_buckets(call)
           : op == S3_OP_CREATE_BUCKET          ? front_create_bucket(call)
           : op == S3_OP_HEAD_BUCKET            ? front_head_bucket(call)
           : op == S3_OP_DELETE_BUCKET          ? front_delete_bucket(call)
           : op == S3_OP_DELETE_OBJECTS         ? front_delete_objects(call)
           : op == S3_OP_LIST_OBJECTS           ? front_list_objects(call)
           : op == S3_OP_LIST_OBJECTS_V2        ? front_list_objects(call)
           : op == S3_OP_LIST_OBJECT_VERSIONS   ? front_list_objects(call)
           : op == S3_OP_LIST_MULTIPART_UPLOADS ? front_list_uploads(call)
                                                : dispatch_object(call);
}

/* refuse_preflight: browsers ask before they sign; no bucket has CORS. */
static enum s3_code refuse_preflight(struct front_call *call)
{
    if (s3_header_find(&call->request, "Origin").data == NULL) {
        return s3_refuse_message(&call->error, S3_ERR_BAD_REQUEST,
                                 "Insufficient information. Origin request header needed.");
    }
    return s3_refuse(&call->error, S3_ERR_ACCESS_FORBIDDEN);
}

static enum s3_code serve(struct front_call *call)
{
    S3_TRY(parse_request(call));
    if (call->request.op == S3_OP_PREFLIGHT) {
        return refuse_preflight(call);
    }
    S3_TRY(authenticate(call));
    return dispatch(call);
}

static void call_init(struct front_call *call, struct front *front, struct http_exchange *exchange)
{
    u8 random[24];
    memset(call, 0, sizeof *call);
    call->front = front;
    call->exchange = exchange;
    call->http = http_request_of(exchange);
    call->arena = http_arena_of(exchange);
    call->now_s = (i64)(loop_wall_ms(front->loop) / 1000);
    s3_error_init(&call->error, call->arena);
    loop_random(front->loop, random, sizeof random);
    hex_encode(call->request_id, sizeof call->request_id, bytes_make(random, 8));
    hex_encode(call->host_id, sizeof call->host_id, bytes_make(random + 8, 16));
}

static void call_end(struct front_call *call)
{
    const struct front_counters *counters = &call->front->counters;
    s3_auth_wipe(&call->auth);
    mem_wipe(&call->user, sizeof call->user);
    ++*counters->requests;
    *counters->refused += call->status >= 400 && call->status < 500;
    *counters->failed += call->status >= 500;
    log_debug("s3", "%s %s %s: %d %s", call->request_id, call->http->peer,
              call->request.op != S3_OP_NONE ? s3_op_name(call->request.op) : "-", call->status,
              call->error.code != S3_OK ? s3_code_name(call->error.code) : "");
}

void front_serve(void *ctx, struct http_exchange *exchange)
{
    struct front_call call;
    call_init(&call, ctx, exchange);
    set_common(&call);
    enum s3_code code = serve(&call);
    bool can_answer = !http_responded(exchange) || (call.kept_busy && call.status == 0);
    if (code != S3_OK && can_answer) {
        call.error.code = code;
        answer_error(&call, 0);
    }
    call_end(&call);
}

/* ---- refusals of the HTTP server ---- */

static enum s3_code code_of_status(int status)
{
    switch (status) {
    case 408:
        return S3_ERR_REQUEST_TIMEOUT;
    case 431:
        return S3_ERR_REQUEST_HEADER_TOO_LARGE;
    case 500:
        return S3_ERR_INTERNAL;
    case 501:
    case 505:
        return S3_ERR_NOT_IMPLEMENTED;
    case 503:
        return S3_ERR_SLOW_DOWN;
    default:
        return S3_ERR_BAD_REQUEST;
    }
}

void front_refuse(void *ctx, struct http_exchange *exchange, int status, const char *reason)
{
    struct front_call call;
    call_init(&call, ctx, exchange);
    enum s3_code code = code_of_status(status);
    bool explained = code == S3_ERR_BAD_REQUEST || code == S3_ERR_NOT_IMPLEMENTED;
    s3_refuse_message(&call.error, code, explained ? reason : NULL);
    answer_error(&call, status == 505 || status == 408 ? status : 0);
    call_end(&call);
}
