#include "gateway/s3/auth.h"

#include "base/mem.h"
#include "codec/percent.h"
#include "crypto/hash.h"
#include "gateway/s3/text.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define ECDSA_ALGORITHM "AWS4-ECDSA-P256-SHA256"
#define ECHO_MAX 256 /* bytes of a client's value repeated in a message */

/* "%.*s" of a borrowed range. */
#define SHOW(b) (int)min_size((b).len, ECHO_MAX), (const char *)(b).data

/* What the client claims; slices of the Authorization header or of decoded parameters. */
struct claim {
    bool presigned;
    bytes access_key;
    bytes scope; /* date/region/service/terminator */
    bytes date;  /* of the scope, 8 digits */
    bytes region;
    bytes service;
    bytes terminator;
    bytes signed_headers;
    bytes signature;
    i64 time_s; /* x-amz-date or Date */
    u64 expires_s;
    bytes payload_hash; /* text that is signed */
};

/* Everything a check works on. */
struct check {
    struct arena *arena;
    const struct s3_request *request;
    const struct s3_auth_config *config;
    struct s3_error *error;
};

/* ---- small tools ---- */

/* cut_last: takes what stands behind the last "/" off *in; false if there is none. */
static bool cut_last(bytes *in, bytes *ret_last)
{
    for (size_t i = in->len; i > 0; i--) {
        if (in->data[i - 1] == '/') {
            *ret_last = bytes_slice(*in, i, in->len - i);
            *in = bytes_slice(*in, 0, i - 1);
            return true;
        }
    }
    return false;
}

/* ---- refusals ---- */

static enum s3_code claim_code(const struct claim *claim)
{
    return claim->presigned ? S3_ERR_AUTH_QUERY_PARAMETERS : S3_ERR_AUTH_HEADER_MALFORMED;
}

static const char *claim_prefix(const struct claim *claim)
{
    return claim->presigned ? "Error parsing the X-Amz-Credential parameter"
                            : "The authorization header is malformed";
}

static enum s3_code refuse_header(const struct check *check, const char *what)
{
    return s3_refuse_text(check->error, S3_ERR_AUTH_HEADER_MALFORMED,
                          "The authorization header is malformed; %s", what);
}

static enum s3_code refuse_mechanism(const struct check *check)
{
    return s3_refuse_text(check->error, S3_ERR_INVALID_REQUEST,
                          "The authorization mechanism you have provided is not supported. Please "
                          "use " ALGORITHM ".");
}

/* ---- credential and scope ---- */

static bool all_digits(bytes in, size_t len)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] < '0' || in.data[i] > '9') {
            return false;
        }
    }
    return in.len == len;
}

/* parse_credential: from the right, because an access key may hold slashes. */
static enum s3_code parse_credential(const struct check *check, struct claim *claim,
                                     bytes credential)
{
    bytes left = credential;
    if (!cut_last(&left, &claim->terminator) || !cut_last(&left, &claim->service) ||
        !cut_last(&left, &claim->region) || !cut_last(&left, &claim->date) || left.len == 0 ||
        left.len > S3_ACCESS_KEY_BYTES_MAX) {
        return s3_refuse_text(check->error, claim_code(claim),
                              "%s; the Credential is mal-formed; expecting "
                              "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
                              claim_prefix(claim));
    }
    claim->access_key = left;
    claim->scope = bytes_slice(credential, left.len + 1, credential.len - left.len - 1);
    if (!all_digits(claim->date, 8)) {
        return s3_refuse_text(check->error, claim_code(claim),
                              "%s; incorrect date format \"%.*s\". This date in the credential "
                              "must be in the format \"yyyyMMdd\".",
                              claim_prefix(claim), SHOW(claim->date));
    }
    return S3_OK;
}

static enum s3_code check_region(const struct check *check, const struct claim *claim)
{
    if (bytes_eq_str(claim->region, check->config->region)) {
        return S3_OK;
    }
    s3_refuse_text(check->error, claim_code(claim),
                   "%s; the region '%.*s' is wrong; expecting '%s'", claim_prefix(claim),
                   SHOW(claim->region), check->config->region);
    s3_error_add_str(check->error, "Region", check->config->region);
    return claim_code(claim);
}

static enum s3_code check_scope(const struct check *check, const struct claim *claim)
{
    if (!bytes_eq_str(claim->terminator, "aws4_request")) {
        return s3_refuse_text(
            check->error, claim_code(claim),
            "%s; incorrect terminal \"%.*s\". This endpoint uses \"aws4_request\".",
            claim_prefix(claim), SHOW(claim->terminator));
    }
    if (!bytes_eq_str(claim->service, "s3")) {
        return s3_refuse_text(check->error, claim_code(claim),
                              "%s; incorrect service \"%.*s\". This endpoint belongs to \"s3\".",
                              claim_prefix(claim), SHOW(claim->service));
    }
    S3_TRY(check_region(check, claim));
    char day[S3_BASIC_DATE_BYTES];
    s3_date_write_basic(day, claim->time_s);
    if (!bytes_eq(claim->date, bytes_make(day, 8))) {
        return s3_refuse_text(check->error, claim_code(claim),
                              "%s; Invalid credential date \"%.*s\". This date is not the same as "
                              "X-Amz-Date: \"%.8s\".",
                              claim_prefix(claim), SHOW(claim->date), day);
    }
    return S3_OK;
}

/* ---- time ---- */

static void add_server_time(const struct check *check)
{
    char now[S3_ISO_DATE_BYTES];
    s3_date_write_iso(now, (u64)check->config->now_s * 1000);
    s3_error_add_str(check->error, "ServerTime", now);
}

static enum s3_code check_skew(const struct check *check, const struct claim *claim)
{
    i64 skew = claim->time_s - check->config->now_s;
    if (skew <= S3_SKEW_MAX_S && skew >= -S3_SKEW_MAX_S) {
        return S3_OK;
    }
    char text[S3_BASIC_DATE_BYTES];
    s3_date_write_basic(text, claim->time_s);
    s3_refuse(check->error, S3_ERR_REQUEST_TIME_SKEWED);
    s3_error_add_str(check->error, "RequestTime", text);
    add_server_time(check);
    s3_error_add_u64(check->error, "MaxAllowedSkewMilliseconds", (u64)S3_SKEW_MAX_S * 1000);
    return S3_ERR_REQUEST_TIME_SKEWED;
}

static enum s3_code check_validity(const struct check *check, const struct claim *claim)
{
    i64 now_s = check->config->now_s;
    if (claim->time_s > now_s + S3_SKEW_MAX_S) {
        s3_refuse_text(check->error, S3_ERR_ACCESS_DENIED, "Request is not valid yet");
        add_server_time(check);
        return S3_ERR_ACCESS_DENIED;
    }
    i64 end_s = claim->time_s + (i64)claim->expires_s;
    if (now_s <= end_s) {
        return S3_OK;
    }
    char end[S3_ISO_DATE_BYTES] = "";
    if (end_s >= 0) {
        s3_date_write_iso(end, (u64)end_s * 1000);
    }
    s3_refuse_text(check->error, S3_ERR_ACCESS_DENIED, "Request has expired");
    s3_error_add_u64(check->error, "X-Amz-Expires", claim->expires_s);
    s3_error_add_str(check->error, "Expires", end);
    add_server_time(check);
    return S3_ERR_ACCESS_DENIED;
}

/* ---- the header form ---- */

/* parse_component: one "name=value" of the Authorization header. */
static enum s3_code parse_component(const struct check *check, bytes piece, bytes *ret_credential,
                                    struct claim *claim)
{
    bytes value = piece;
    bytes name = s3_cut(&value, '=');
    bytes *slot = bytes_eq_str(name, "Credential")      ? ret_credential
                  : bytes_eq_str(name, "SignedHeaders") ? &claim->signed_headers
                  : bytes_eq_str(name, "Signature")     ? &claim->signature
                                                        : NULL;
    if (slot == NULL || slot->data != NULL || name.len == piece.len) {
        return s3_refuse_text(check->error, S3_ERR_AUTH_HEADER_MALFORMED,
                              "The authorization header is malformed; the authorization "
                              "component \"%.*s\" is malformed.",
                              SHOW(piece));
    }
    *slot = value;
    return S3_OK;
}

static enum s3_code read_header_time(const struct check *check, struct claim *claim)
{
    bytes text = s3_header_find(check->request, "x-amz-date");
    if (text.data == NULL) {
        text = s3_header_find(check->request, "Date");
    }
    if (text.data == NULL || !(s3_date_read_basic(&claim->time_s, text) ||
                               s3_date_read_http(&claim->time_s, text, check->config->now_s))) {
        return s3_refuse_text(check->error, S3_ERR_ACCESS_DENIED,
                              "AWS authentication requires a valid Date or x-amz-date header");
    }
    return S3_OK;
}

static enum s3_code parse_header(const struct check *check, bytes header, struct claim *claim)
{
    bytes left = header;
    bytes algorithm = s3_cut(&left, ' ');
    if (bytes_eq_str(algorithm, "AWS")) {
        return refuse_mechanism(check);
    }
    if (bytes_eq_str(algorithm, ECDSA_ALGORITHM)) {
        return s3_refuse_text(check->error, S3_ERR_NOT_IMPLEMENTED,
                              ECDSA_ALGORITHM " is not implemented. Please use " ALGORITHM ".");
    }
    if (!bytes_eq_str(algorithm, ALGORITHM)) {
        return s3_refuse_argument(check->error, "Unsupported Authorization Type", "Authorization",
                                  header);
    }
    bytes credential = {NULL, 0};
    left = s3_trim(left);
    while (left.len > 0) {
        S3_TRY(parse_component(check, s3_trim(s3_cut(&left, ',')), &credential, claim));
    }
    if (credential.data == NULL) {
        return refuse_header(check, "missing Credential.");
    }
    if (claim->signed_headers.data == NULL) {
        return refuse_header(check, "missing SignedHeaders.");
    }
    if (claim->signature.data == NULL) {
        return refuse_header(check, "missing Signature.");
    }
    S3_TRY(read_header_time(check, claim));
    return parse_credential(check, claim, credential);
}

/* ---- the query form ---- */

static enum s3_code read_expires(const struct check *check, bytes text, struct claim *claim)
{
    if (text.len > 0 && text.data[0] == '-' &&
        all_digits(bytes_slice(text, 1, text.len - 1), text.len - 1)) {
        return s3_refuse_text(check->error, S3_ERR_AUTH_QUERY_EXPIRES,
                              "X-Amz-Expires must be non-negative");
    }
    if (!parse_u64(&claim->expires_s, text)) {
        return s3_refuse_text(check->error, S3_ERR_AUTH_QUERY_PARAMETERS,
                              "X-Amz-Expires should be a number");
    }
    if (claim->expires_s == 0 || claim->expires_s > S3_PRESIGN_MAX_S) {
        return s3_refuse_text(check->error, S3_ERR_AUTH_QUERY_EXPIRES,
                              "X-Amz-Expires must be less than a week (in seconds); that is, the "
                              "given X-Amz-Expires must be between 1 and %d seconds",
                              S3_PRESIGN_MAX_S);
    }
    return S3_OK;
}

static enum s3_code parse_presigned(const struct check *check, struct claim *claim)
{
    const struct s3_request *request = check->request;
    bytes algorithm = s3_query_find(request, "X-Amz-Algorithm");
    bytes credential = s3_query_find(request, "X-Amz-Credential");
    bytes date = s3_query_find(request, "X-Amz-Date");
    bytes expires = s3_query_find(request, "X-Amz-Expires");
    claim->signed_headers = s3_query_find(request, "X-Amz-SignedHeaders");
    claim->signature = s3_query_find(request, "X-Amz-Signature");
    if (algorithm.len == 0 || credential.len == 0 || date.len == 0 || expires.len == 0 ||
        claim->signed_headers.len == 0 || claim->signature.len == 0) {
        return s3_refuse(check->error, S3_ERR_AUTH_QUERY_PARAMETERS);
    }
    if (bytes_eq_str(algorithm, ECDSA_ALGORITHM)) {
        return s3_refuse_text(check->error, S3_ERR_NOT_IMPLEMENTED,
                              ECDSA_ALGORITHM " is not implemented. Please use " ALGORITHM ".");
    }
    if (!bytes_eq_str(algorithm, ALGORITHM)) {
        return s3_refuse_text(check->error, S3_ERR_AUTH_QUERY_PARAMETERS,
                              "X-Amz-Algorithm only supports \"" ALGORITHM "\"");
    }
    S3_TRY(parse_credential(check, claim, credential));
    if (!s3_date_read_basic(&claim->time_s, date)) {
        return s3_refuse_text(
            check->error, S3_ERR_AUTH_QUERY_PARAMETERS,
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    }
    return read_expires(check, expires, claim);
}

/* ---- payload ---- */

static enum s3_code read_payload(const struct check *check, bytes text, struct s3_auth *auth)
{
    static const struct {
        const char *name;
        enum s3_payload payload;
    } known[] = {
        {"UNSIGNED-PAYLOAD", S3_PAYLOAD_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKED_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", S3_PAYLOAD_CHUNKED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKED_TRAILER},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (bytes_eq_str(text, known[i].name)) {
            auth->payload = known[i].payload;
            return S3_OK;
        }
    }
    if (hex_decode(auth->payload_sha256.b, sizeof auth->payload_sha256.b, text)) {
        auth->payload = S3_PAYLOAD_HASH;
        return S3_OK;
    }
    if (bytes_starts_with(text, bytes_str("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"))) {
        s3_refuse(check->error, S3_ERR_NOT_IMPLEMENTED);
        s3_error_add_str(check->error, "Header", "x-amz-content-sha256");
        return S3_ERR_NOT_IMPLEMENTED;
    }
    return s3_refuse_argument(check->error,
                              "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                              "STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                              "x-amz-content-sha256", text);
}

static bytes presigned_payload(const struct s3_request *request)
{
    bytes text = s3_query_find(request, "X-Amz-Content-Sha256");
    if (text.data == NULL) {
        text = s3_query_find(request, "X-Amz-Content-SHA256");
    }
    if (text.data == NULL) {
        text = s3_header_find(request, "x-amz-content-sha256");
    }
    return text.data != NULL ? text : bytes_str("UNSIGNED-PAYLOAD");
}

static enum s3_code check_payload(const struct check *check, struct claim *claim,
                                  struct s3_auth *auth)
{
    const struct s3_request *request = check->request;
    claim->payload_hash = claim->presigned ? presigned_payload(request)
                                           : s3_header_find(request, "x-amz-content-sha256");
    if (claim->payload_hash.data == NULL) {
        return s3_refuse_text(check->error, S3_ERR_INVALID_REQUEST,
                              "Missing required header for this request: x-amz-content-sha256");
    }
    S3_TRY(read_payload(check, claim->payload_hash, auth));
    bool is_unsigned =
        auth->payload == S3_PAYLOAD_UNSIGNED || auth->payload == S3_PAYLOAD_CHUNKED_UNSIGNED;
    if (is_unsigned && check->config->unsigned_needs_tls && !request->encrypted &&
        s3_op_body(request->op) != S3_BODY_NONE) {
        return s3_refuse_text(check->error, S3_ERR_INVALID_REQUEST,
                              "An unsigned payload is accepted over https only");
    }
    return S3_OK;
}

/* ---- signed headers ---- */

static bool is_signed(bytes list, bytes name)
{
    while (list.len > 0) {
        if (bytes_eq_nocase(s3_cut(&list, ';'), name)) {
            return true;
        }
    }
    return false;
}

static void note_unsigned(struct buf *missing, bytes name)
{
    buf_put_str(missing, missing->len > 0 ? ", " : "");
    buf_put(missing, name);
}

/* must_sign: every x-amz-* header but the one that a CloudFront in front of us adds. */
static bool must_sign(bytes name)
{
    bytes prefix = bytes_str("x-amz-");
    return name.len > prefix.len && bytes_eq_nocase(bytes_slice(name, 0, prefix.len), prefix) &&
           !bytes_eq_nocase(name, bytes_str("x-amz-cf-id"));
}

static enum s3_code check_signed_headers(const struct check *check, const struct claim *claim)
{
    size_t count = 1;
    for (size_t i = 0; i < claim->signed_headers.len; i++) {
        count += claim->signed_headers.data[i] == ';';
    }
    if (count > S3_SIGNED_HEADERS_MAX) {
        return s3_refuse_text(check->error, claim_code(claim), "%s; more than %d signed headers.",
                              claim_prefix(claim), S3_SIGNED_HEADERS_MAX);
    }
    struct buf missing;
    buf_init(&missing, S3_ERROR_FIELD_BYTES_MAX);
    if (!is_signed(claim->signed_headers, bytes_str("host"))) {
        note_unsigned(&missing, bytes_str("host"));
    }
    for (size_t i = 0; i < check->request->header_count; i++) {
        bytes name = check->request->headers[i].name;
        if (must_sign(name) && !is_signed(claim->signed_headers, name)) {
            note_unsigned(&missing, name);
        }
    }
    enum s3_code code = S3_OK;
    if (missing.len > 0) {
        code = s3_refuse_text(check->error, S3_ERR_ACCESS_DENIED,
                              "There were headers present in the request which were not signed");
        s3_error_add(check->error, "HeadersNotSigned", buf_bytes(&missing));
    }
    buf_free(&missing);
    return code;
}

/* ---- signature ---- */

static enum s3_code refuse_signature(const struct check *check, const struct claim *claim,
                                     bytes string_to_sign, bytes canonical)
{
    struct s3_error *error = check->error;
    s3_refuse(error, S3_ERR_SIGNATURE_MISMATCH);
    s3_error_add(error, "AWSAccessKeyId", claim->access_key);
    s3_error_add(error, "StringToSign", string_to_sign);
    s3_error_add(error, "SignatureProvided", claim->signature);
    struct buf spaced;
    buf_init(&spaced, S3_ERROR_FIELD_BYTES_MAX);
    for (size_t i = 0; i < string_to_sign.len; i++) {
        buf_format(&spaced, i == 0 ? "%02x" : " %02x", string_to_sign.data[i]);
    }
    s3_error_add(error, "StringToSignBytes", buf_bytes(&spaced));
    buf_clear(&spaced);
    s3_error_add(error, "CanonicalRequest", canonical);
    if (canonical.len <= S3_ERROR_FIELD_BYTES_MAX / 3) {
        for (size_t i = 0; i < canonical.len; i++) {
            buf_format(&spaced, i == 0 ? "%02x" : " %02x", canonical.data[i]);
        }
        s3_error_add(error, "CanonicalRequestBytes", buf_bytes(&spaced));
    }
    buf_free(&spaced);
    return S3_ERR_SIGNATURE_MISMATCH;
}

/* build_canonical: ERR_LIMIT if the request is too large to sign. */
static err build_canonical(const struct check *check, const struct claim *claim, struct buf *out)
{
    const struct s3_request *request = check->request;
    struct buf uri;
    struct buf query;
    buf_init(&uri, S3_CANONICAL_BYTES_MAX);
    buf_init(&query, S3_CANONICAL_BYTES_MAX);
    percent_encode(&uri, request->path, true);
    err e = s3_canonical_query(check->arena, request->query, request->query_count,
                               claim->presigned ? "X-Amz-Signature" : NULL, &query);
    if (is_ok(e)) {
        struct s3_canonical parts = {
            .method = request->method_text,
            .uri = buf_bytes(&uri),
            .query = buf_bytes(&query),
            .headers = request->headers,
            .header_count = request->header_count,
            .signed_headers = claim->signed_headers,
            .payload_hash = claim->payload_hash,
        };
        s3_canonical_request(&parts, out);
        e = is_ok(buf_done(&uri)) ? buf_done(out) : buf_done(&uri);
    }
    buf_free(&uri);
    buf_free(&query);
    return e;
}

/* check_signature: auth->signing.key is already derived. */
static enum s3_code check_signature(const struct check *check, const struct claim *claim,
                                    struct s3_auth *auth)
{
    struct buf canonical;
    struct buf text;
    buf_init(&canonical, S3_CANONICAL_BYTES_MAX);
    buf_init(&text, KIB(4));
    enum s3_code code = S3_OK;
    if (!is_ok(build_canonical(check, claim, &canonical))) {
        code = s3_refuse(check->error, S3_ERR_REQUEST_HEADER_TOO_LARGE);
    } else {
        s3_string_to_sign(bytes_str(auth->signing.date), claim->scope, buf_bytes(&canonical),
                          &text);
        s3_sign(auth->signing.signature, &auth->signing.key, buf_bytes(&text));
        if (!bytes_eq_secret(bytes_make(auth->signing.signature, S3_SIGNATURE_CHARS),
                             claim->signature)) {
            code = refuse_signature(check, claim, buf_bytes(&text), buf_bytes(&canonical));
        }
    }
    buf_free(&canonical);
    buf_free(&text);
    return code;
}

static enum s3_code find_key(const struct check *check, const struct claim *claim,
                             struct s3_auth *auth)
{
    struct s3_secret secret = {.len = 0};
    bool found = check->config->lookup(check->config->ctx, claim->access_key, &secret);
    if (found && secret.len > 0 && secret.len <= S3_SECRET_BYTES_MAX) {
        s3_signing_key(&auth->signing.key, &secret, claim->date, claim->region, claim->service);
        mem_wipe(&secret, sizeof secret);
        return S3_OK;
    }
    mem_wipe(&secret, sizeof secret);
    s3_refuse(check->error, S3_ERR_INVALID_ACCESS_KEY);
    s3_error_add(check->error, "AWSAccessKeyId", claim->access_key);
    return S3_ERR_INVALID_ACCESS_KEY;
}

/* check_token: there are no temporary credentials, so a session token belongs to none of ours. */
static enum s3_code check_token(const struct check *check)
{
    bytes header = s3_header_find(check->request, "x-amz-security-token");
    bytes query = s3_query_find(check->request, "X-Amz-Security-Token");
    return header.len > 0 || query.len > 0 ? s3_refuse(check->error, S3_ERR_INVALID_TOKEN) : S3_OK;
}

static enum s3_code check_claim(const struct check *check, struct claim *claim,
                                struct s3_auth *auth)
{
    S3_TRY(check_scope(check, claim));
    S3_TRY(claim->presigned ? check_validity(check, claim) : check_skew(check, claim));
    S3_TRY(check_token(check));
    S3_TRY(check_payload(check, claim, auth));
    S3_TRY(check_signed_headers(check, claim));
    s3_date_write_basic(auth->signing.date, claim->time_s);
    auth->kind = claim->presigned ? S3_AUTH_PRESIGNED : S3_AUTH_HEADER;
    auth->access_key = claim->access_key;
    auth->signing.scope = claim->scope;
    S3_TRY(find_key(check, claim, auth));
    return check_signature(check, claim, auth);
}

/* check_anonymous: the payload may still be declared, and is then verified. */
static enum s3_code check_anonymous(const struct check *check, struct s3_auth *auth)
{
    auth->access_key = bytes_str("");
    bytes text = s3_header_find(check->request, "x-amz-content-sha256");
    if (text.data == NULL) {
        return S3_OK;
    }
    S3_TRY(read_payload(check, text, auth));
    if (auth->payload == S3_PAYLOAD_CHUNKED || auth->payload == S3_PAYLOAD_CHUNKED_TRAILER) {
        return s3_refuse_text(check->error, S3_ERR_INVALID_REQUEST,
                              "Anonymous requests don't support this x-amz-content-sha256 value. "
                              "Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.");
    }
    return S3_OK;
}

enum s3_code s3_auth_check(struct arena *arena, const struct s3_request *request,
                           const struct s3_auth_config *config, struct s3_auth *ret_auth,
                           struct s3_error *error)
{
    struct check check = {arena, request, config, error};
    struct claim claim = {0};
    struct s3_auth auth = {0};
    bytes header = s3_trim(s3_header_find(request, "Authorization"));
    claim.presigned = s3_query_find(request, "X-Amz-Algorithm").data != NULL ||
                      s3_query_find(request, "X-Amz-Credential").data != NULL ||
                      s3_query_find(request, "X-Amz-Signature").data != NULL;
    bool version_2 = s3_query_find(request, "AWSAccessKeyId").data != NULL ||
                     s3_query_find(request, "Signature").data != NULL;
    enum s3_code code;
    if (header.len > 0 && (claim.presigned || version_2)) {
        code = s3_refuse_argument(
            error,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
            "Authorization", header);
    } else if (version_2) {
        code = refuse_mechanism(&check);
    } else if (header.len == 0 && !claim.presigned) {
        code = check_anonymous(&check, &auth);
    } else {
        code = claim.presigned ? parse_presigned(&check, &claim)
                               : parse_header(&check, header, &claim);
        if (code == S3_OK) {
            code = check_claim(&check, &claim, &auth);
        }
    }
    if (code == S3_OK) {
        *ret_auth = auth;
    }
    s3_auth_wipe(&auth);
    return code;
}

void s3_auth_wipe(struct s3_auth *auth) { mem_wipe(&auth->signing.key, sizeof auth->signing.key); }

bool s3_payload_chunked(enum s3_payload payload)
{
    switch (payload) {
    case S3_PAYLOAD_UNSIGNED:
    case S3_PAYLOAD_HASH:
        return false;
    case S3_PAYLOAD_CHUNKED_UNSIGNED:
    case S3_PAYLOAD_CHUNKED:
    case S3_PAYLOAD_CHUNKED_TRAILER:
        return true;
    }
    return false;
}
