#include "gateway/s3/checksum.h"

#include "base/assert.h"
#include "gateway/s3/text.h"

struct algorithm_row {
    const char *text;
    const char *header;
    const char *element;
    size_t bytes;
};

static const struct algorithm_row algorithms[S3_ALGORITHM_COUNT] = {
    [S3_ALGORITHM_NONE] = {"", "", "", 0},
#define ALGORITHM_ROW(name, text, header, element, bytes_)                                         \
    [S3_ALGORITHM_##name] = {text, header, element, bytes_},
    S3_ALGORITHM_TABLE(ALGORITHM_ROW)
#undef ALGORITHM_ROW
};

static const struct algorithm_row *row_of(enum s3_algorithm algorithm)
{
    assert_that((unsigned)algorithm < S3_ALGORITHM_COUNT);
    return &algorithms[algorithm];
}

size_t s3_algorithm_bytes(enum s3_algorithm algorithm) { return row_of(algorithm)->bytes; }

const char *s3_algorithm_text(enum s3_algorithm algorithm) { return row_of(algorithm)->text; }

const char *s3_algorithm_header(enum s3_algorithm algorithm) { return row_of(algorithm)->header; }

const char *s3_algorithm_element(enum s3_algorithm algorithm) { return row_of(algorithm)->element; }

const char *s3_checksum_type_text(enum s3_checksum_type type)
{
    return type == S3_CHECKSUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

enum s3_algorithm s3_algorithm_parse(bytes text)
{
    for (int i = S3_ALGORITHM_NONE + 1; i < S3_ALGORITHM_COUNT; i++) {
        if (bytes_eq_nocase(text, bytes_str(algorithms[i].text))) {
            return (enum s3_algorithm)i;
        }
    }
    return S3_ALGORITHM_NONE;
}

/* ---- values ---- */

bool s3_checksum_wanted(const struct s3_request *request)
{
    return bytes_eq_nocase(s3_header_find(request, "x-amz-checksum-mode"), bytes_str("ENABLED"));
}

void s3_checksum_write(char out[S3_CHECKSUM_TEXT_BYTES], const struct s3_checksum *checksum)
{
    size_t len = s3_algorithm_bytes(checksum->algorithm);
    base64_encode(out, S3_CHECKSUM_TEXT_BYTES, bytes_make(checksum->b, len));
    if (checksum->type == S3_CHECKSUM_COMPOSITE && checksum->part_count > 0) {
        size_t used = s3_append(out, strlen(out), "-");
        s3_write_decimal(out + used, checksum->part_count);
    }
}

bool s3_checksum_read(struct s3_checksum *ret_checksum, enum s3_algorithm algorithm, bytes text)
{
    struct s3_checksum checksum = {.algorithm = algorithm};
    size_t dash = s3_find_byte(text, '-');
    if (dash < text.len) {
        u64 parts;
        if (!parse_u64(&parts, s3_tail(text, dash + 1)) || parts == 0 ||
            parts > S3_PART_NUMBER_MAX) {
            return false;
        }
        checksum.type = S3_CHECKSUM_COMPOSITE;
        checksum.part_count = (u32)parts;
    }
    size_t len;
    if (!base64_decode(checksum.b, sizeof checksum.b, bytes_slice(text, 0, dash), &len) ||
        len != s3_algorithm_bytes(algorithm) || len == 0) {
        return false;
    }
    *ret_checksum = checksum;
    return true;
}

bool s3_checksum_eq(const struct s3_checksum *a, const struct s3_checksum *b)
{
    return a->algorithm == b->algorithm && a->part_count == b->part_count &&
           memcmp(a->b, b->b, s3_algorithm_bytes(a->algorithm)) == 0;
}

/* ---- what is declared ---- */

static enum s3_code read_md5(const struct s3_request *request, struct s3_integrity *integrity,
                             struct s3_error *error)
{
    bytes text = s3_header_find(request, "Content-MD5");
    if (text.data == NULL) {
        return S3_OK;
    }
    size_t len;
    if (!base64_decode(integrity->md5, sizeof integrity->md5, text, &len) ||
        len != sizeof integrity->md5) {
        s3_refuse(error, S3_ERR_INVALID_DIGEST);
        s3_error_add(error, "Content-MD5", text);
        return S3_ERR_INVALID_DIGEST;
    }
    integrity->has_md5 = true;
    return S3_OK;
}

static enum s3_code refuse_several(struct s3_error *error)
{
    return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                          "Expecting a single x-amz-checksum- header. Multiple checksum Types are "
                          "not allowed.");
}

static enum s3_code refuse_value(struct s3_error *error, enum s3_algorithm algorithm)
{
    return s3_refuse_text(error, S3_ERR_BAD_DIGEST, "Value for %s header is invalid.",
                          s3_algorithm_header(algorithm));
}

/* algorithm_of_header: of a full header name. */
static enum s3_algorithm algorithm_of_header(bytes name)
{
    for (int i = S3_ALGORITHM_NONE + 1; i < S3_ALGORITHM_COUNT; i++) {
        if (bytes_eq_nocase(name, bytes_str(algorithms[i].header))) {
            return (enum s3_algorithm)i;
        }
    }
    return S3_ALGORITHM_NONE;
}

/* is_control: x-amz-checksum-… headers that carry no value. */
static bool is_control(bytes name)
{
    return bytes_eq_nocase(name, bytes_str("x-amz-checksum-algorithm")) ||
           bytes_eq_nocase(name, bytes_str("x-amz-checksum-type")) ||
           bytes_eq_nocase(name, bytes_str("x-amz-checksum-mode"));
}

static enum s3_code read_checksum_headers(const struct s3_request *request,
                                          struct s3_integrity *integrity, struct s3_error *error)
{
    bytes prefix = bytes_str("x-amz-checksum-");
    for (size_t i = 0; i < request->header_count; i++) {
        const struct s3_header *header = &request->headers[i];
        if (header->name.len < prefix.len ||
            !bytes_eq_nocase(bytes_slice(header->name, 0, prefix.len), prefix) ||
            is_control(header->name)) {
            continue;
        }
        enum s3_algorithm algorithm = algorithm_of_header(header->name);
        if (algorithm == S3_ALGORITHM_NONE) {
            return s3_refuse_text(
                error, S3_ERR_INVALID_REQUEST,
                "The algorithm type you specified in x-amz-checksum- header is invalid.");
        }
        if (integrity->expected.algorithm != S3_ALGORITHM_NONE) {
            return refuse_several(error);
        }
        if (!s3_checksum_read(&integrity->expected, algorithm, header->value)) {
            return refuse_value(error, algorithm);
        }
    }
    return S3_OK;
}

static enum s3_code read_trailer_header(const struct s3_request *request,
                                        const struct s3_auth *auth, struct s3_integrity *integrity,
                                        struct s3_error *error)
{
    bytes trailer = s3_trim(s3_header_find(request, "x-amz-trailer"));
    if (trailer.len == 0 || (auth->payload != S3_PAYLOAD_CHUNKED_TRAILER &&
                             auth->payload != S3_PAYLOAD_CHUNKED_UNSIGNED)) {
        return S3_OK;
    }
    enum s3_algorithm algorithm = algorithm_of_header(trailer);
    if (algorithm == S3_ALGORITHM_NONE) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "The value specified in the x-amz-trailer header is not supported");
    }
    if (integrity->expected.algorithm != S3_ALGORITHM_NONE) {
        return refuse_several(error);
    }
    integrity->expected.algorithm = algorithm;
    integrity->in_trailer = true;
    return S3_OK;
}

/* check_sdk_algorithm: x-amz-sdk-checksum-algorithm says which value header belongs to it. */
static enum s3_code check_sdk_algorithm(const struct s3_request *request,
                                        const struct s3_integrity *integrity,
                                        struct s3_error *error)
{
    bytes text = s3_header_find(request, "x-amz-sdk-checksum-algorithm");
    if (text.len == 0 || s3_op_body(request->op) == S3_BODY_NONE) {
        return S3_OK;
    }
    enum s3_algorithm algorithm = s3_algorithm_parse(text);
    if (algorithm == S3_ALGORITHM_NONE) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Checksum algorithm provided is unsupported. Please try again with "
                              "any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    if (integrity->expected.algorithm == S3_ALGORITHM_NONE) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                              "x-amz-checksum-* or x-amz-trailer headers were found.");
    }
    if (integrity->expected.algorithm != algorithm) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    }
    return S3_OK;
}

enum s3_code s3_integrity_parse(const struct s3_request *request, const struct s3_auth *auth,
                                struct s3_integrity *ret_integrity, struct s3_error *error)
{
    struct s3_integrity integrity = {0};
    S3_TRY(read_md5(request, &integrity, error));
    /* There the header speaks of the object that is made, not of the XML that asks for it. */
    if (request->op != S3_OP_COMPLETE_MULTIPART_UPLOAD) {
        S3_TRY(read_checksum_headers(request, &integrity, error));
    }
    S3_TRY(read_trailer_header(request, auth, &integrity, error));
    S3_TRY(check_sdk_algorithm(request, &integrity, error));
    integrity.has_sha256 = auth->payload == S3_PAYLOAD_HASH;
    integrity.sha256 = auth->payload_sha256;
    *ret_integrity = integrity;
    return S3_OK;
}

enum s3_code s3_integrity_require(const struct s3_integrity *integrity, struct s3_error *error)
{
    if (integrity->has_md5 || integrity->has_sha256 ||
        integrity->expected.algorithm != S3_ALGORITHM_NONE) {
        return S3_OK;
    }
    return s3_refuse_text(
        error, S3_ERR_INVALID_REQUEST,
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}

/* ---- running over the bytes ---- */

static void add_summer(struct s3_verifier *verifier, enum s3_algorithm algorithm)
{
    for (size_t i = 0; i < verifier->summer_count; i++) {
        if (verifier->summers[i].algorithm == algorithm) {
            return;
        }
    }
    struct s3_summer *summer = &verifier->summers[verifier->summer_count++];
    summer->algorithm = algorithm;
    if (algorithm == S3_ALGORITHM_SHA1 || algorithm == S3_ALGORITHM_SHA256) {
        digest_init(&summer->digest, algorithm == S3_ALGORITHM_SHA1 ? DIGEST_SHA1 : DIGEST_SHA256);
    }
}

void s3_verifier_init(struct s3_verifier *verifier, const struct s3_integrity *declared,
                      enum s3_algorithm algorithm)
{
    memset(verifier, 0, sizeof *verifier);
    verifier->declared = *declared;
    enum s3_algorithm expected = declared->expected.algorithm;
    add_summer(verifier, algorithm != S3_ALGORITHM_NONE  ? algorithm
                         : expected != S3_ALGORITHM_NONE ? expected
                                                         : S3_ALGORITHM_CRC64NVME);
    if (expected != S3_ALGORITHM_NONE) {
        add_summer(verifier, expected);
    }
    if (declared->has_sha256) {
        add_summer(verifier, S3_ALGORITHM_SHA256);
    }
    digest_init(&verifier->md5, DIGEST_MD5);
}

static void update_summer(struct s3_summer *summer, bytes in)
{
    switch (summer->algorithm) {
    case S3_ALGORITHM_CRC32:
        summer->crc = crc32_update((u32)summer->crc, in);
        break;
    case S3_ALGORITHM_CRC32C:
        summer->crc = crc32c_update((u32)summer->crc, in);
        break;
    case S3_ALGORITHM_CRC64NVME:
        summer->crc = crc64nvme_update(summer->crc, in);
        break;
    case S3_ALGORITHM_SHA1:
    case S3_ALGORITHM_SHA256:
        digest_update(&summer->digest, in);
        break;
    case S3_ALGORITHM_NONE:
    case S3_ALGORITHM_COUNT:
        break;
    }
}

void s3_verifier_update(struct s3_verifier *verifier, bytes in)
{
    digest_update(&verifier->md5, in);
    for (size_t i = 0; i < verifier->summer_count; i++) {
        update_summer(&verifier->summers[i], in);
    }
    verifier->size += in.len;
}

static void store_crc(struct s3_checksum *checksum, u64 crc)
{
    if (s3_algorithm_bytes(checksum->algorithm) == 4) {
        store_be32(checksum->b, (u32)crc);
    } else {
        store_be64(checksum->b, crc);
    }
}

static void finish_summer(struct s3_summer *summer, struct s3_checksum *ret_checksum)
{
    *ret_checksum = (struct s3_checksum){.algorithm = summer->algorithm};
    if (summer->digest.ctx != NULL) {
        digest_final(&summer->digest, ret_checksum->b);
    } else {
        store_crc(ret_checksum, summer->crc);
    }
}

static const struct s3_checksum *find_sum(const struct s3_verifier *verifier,
                                          const struct s3_checksum *sums,
                                          enum s3_algorithm algorithm)
{
    for (size_t i = 0; i < verifier->summer_count; i++) {
        if (sums[i].algorithm == algorithm) {
            return &sums[i];
        }
    }
    unreachable_case(); /* init added whatever is declared */
}

static enum s3_code check_sha256(const struct s3_verifier *verifier, const struct s3_checksum *sums,
                                 struct s3_error *error)
{
    if (!verifier->declared.has_sha256) {
        return S3_OK;
    }
    struct hash computed;
    memcpy(computed.b, find_sum(verifier, sums, S3_ALGORITHM_SHA256)->b, sizeof computed.b);
    if (hash_eq(&computed, &verifier->declared.sha256)) {
        return S3_OK;
    }
    char text[65];
    s3_refuse(error, S3_ERR_SHA256_MISMATCH);
    hex_encode(text, sizeof text, BYTES_OF(verifier->declared.sha256));
    s3_error_add_str(error, "ClientComputedContentSHA256", text);
    hex_encode(text, sizeof text, BYTES_OF(computed));
    s3_error_add_str(error, "S3ComputedContentSHA256", text);
    return S3_ERR_SHA256_MISMATCH;
}

static enum s3_code check_md5(const struct s3_verifier *verifier, const u8 computed[16],
                              struct s3_error *error)
{
    if (!verifier->declared.has_md5 || memcmp(computed, verifier->declared.md5, 16) == 0) {
        return S3_OK;
    }
    char text[32];
    s3_refuse_text(error, S3_ERR_BAD_DIGEST,
                   "The Content-MD5 you specified did not match what we received.");
    base64_encode(text, sizeof text, bytes_make(verifier->declared.md5, 16));
    s3_error_add_str(error, "ExpectedDigest", text);
    base64_encode(text, sizeof text, bytes_make(computed, 16));
    s3_error_add_str(error, "CalculatedDigest", text);
    return S3_ERR_BAD_DIGEST;
}

static enum s3_code check_checksum(const struct s3_verifier *verifier, bytes trailer,
                                   const struct s3_checksum *sums, struct s3_error *error)
{
    struct s3_checksum expected = verifier->declared.expected;
    if (expected.algorithm == S3_ALGORITHM_NONE) {
        return S3_OK;
    }
    if (verifier->declared.in_trailer) {
        if (trailer.data == NULL) {
            return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
        }
        if (!s3_checksum_read(&expected, expected.algorithm, trailer)) {
            return s3_refuse_text(error, S3_ERR_BAD_DIGEST,
                                  "Value for %s trailing header is invalid.",
                                  s3_algorithm_header(expected.algorithm));
        }
    }
    if (s3_checksum_eq(&expected, find_sum(verifier, sums, expected.algorithm))) {
        return S3_OK;
    }
    return s3_refuse_text(error, S3_ERR_BAD_DIGEST,
                          "The %s you specified did not match the calculated checksum.",
                          s3_algorithm_text(expected.algorithm));
}

enum s3_code s3_verifier_finish(struct s3_verifier *verifier, bytes trailer,
                                struct s3_verified *ret_verified, struct s3_error *error)
{
    struct s3_verified verified = {.size = verifier->size};
    struct s3_checksum sums[S3_SUMMERS_MAX];
    digest_final(&verifier->md5, verified.md5);
    for (size_t i = 0; i < verifier->summer_count; i++) {
        finish_summer(&verifier->summers[i], &sums[i]);
    }
    verified.checksum = sums[0];
    S3_TRY(check_sha256(verifier, sums, error));
    S3_TRY(check_md5(verifier, verified.md5, error));
    S3_TRY(check_checksum(verifier, trailer, sums, error));
    if (verifier->declared.expected.algorithm != S3_ALGORITHM_NONE) {
        verified.declared = *find_sum(verifier, sums, verifier->declared.expected.algorithm);
    }
    *ret_verified = verified;
    return S3_OK;
}

void s3_verifier_free(struct s3_verifier *verifier)
{
    digest_free(&verifier->md5);
    for (size_t i = 0; i < verifier->summer_count; i++) {
        digest_free(&verifier->summers[i].digest);
    }
}

enum s3_code s3_verify_whole(const struct s3_integrity *declared, bytes body, bytes trailer,
                             struct s3_error *error)
{
    struct s3_verifier verifier;
    struct s3_verified verified;
    s3_verifier_init(&verifier, declared, S3_ALGORITHM_NONE);
    s3_verifier_update(&verifier, body);
    enum s3_code code = s3_verifier_finish(&verifier, trailer, &verified, error);
    s3_verifier_free(&verifier);
    return code;
}

/* ---- multipart ---- */

static bool pair_exists(enum s3_algorithm algorithm, enum s3_checksum_type type)
{
    switch (algorithm) {
    case S3_ALGORITHM_CRC32:
    case S3_ALGORITHM_CRC32C:
        return true;
    case S3_ALGORITHM_CRC64NVME:
        return type == S3_CHECKSUM_FULL_OBJECT;
    case S3_ALGORITHM_SHA1:
    case S3_ALGORITHM_SHA256:
        return type == S3_CHECKSUM_COMPOSITE;
    case S3_ALGORITHM_NONE:
    case S3_ALGORITHM_COUNT:
        break;
    }
    return false;
}

static enum s3_code read_type(bytes text, struct s3_checksum_plan *plan, struct s3_error *error)
{
    bool composite = bytes_eq_nocase(text, bytes_str("COMPOSITE"));
    if (!composite && !bytes_eq_nocase(text, bytes_str("FULL_OBJECT"))) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Value for x-amz-checksum-type header is invalid.");
    }
    plan->type = composite ? S3_CHECKSUM_COMPOSITE : S3_CHECKSUM_FULL_OBJECT;
    if (pair_exists(plan->algorithm, plan->type)) {
        return S3_OK;
    }
    return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                          "The %s checksum type cannot be used with the %s checksum algorithm.",
                          s3_checksum_type_text(plan->type), s3_algorithm_text(plan->algorithm));
}

enum s3_code s3_checksum_plan_parse(const struct s3_request *request,
                                    struct s3_checksum_plan *ret_plan, struct s3_error *error)
{
    bytes name = s3_header_find(request, "x-amz-checksum-algorithm");
    bytes type = s3_header_find(request, "x-amz-checksum-type");
    struct s3_checksum_plan plan = {S3_ALGORITHM_CRC64NVME, S3_CHECKSUM_FULL_OBJECT, false};
    if (name.data == NULL) {
        if (type.data != NULL) {
            return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                                  "The x-amz-checksum-type header can only be used with the "
                                  "x-amz-checksum-algorithm header.");
        }
        *ret_plan = plan;
        return S3_OK;
    }
    plan.asked = true;
    plan.algorithm = s3_algorithm_parse(name);
    if (plan.algorithm == S3_ALGORITHM_NONE) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Checksum algorithm provided is unsupported. Please try again with "
                              "any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    /* What S3 takes where the type is not named. */
    plan.type =
        plan.algorithm == S3_ALGORITHM_CRC64NVME ? S3_CHECKSUM_FULL_OBJECT : S3_CHECKSUM_COMPOSITE;
    if (type.data != NULL) {
        S3_TRY(read_type(type, &plan, error));
    }
    *ret_plan = plan;
    return S3_OK;
}

enum s3_code s3_checksum_part_check(const struct s3_checksum_plan *plan,
                                    const struct s3_integrity *declared, struct s3_error *error)
{
    enum s3_algorithm actual = declared->expected.algorithm;
    if (!plan->asked || actual == S3_ALGORITHM_NONE || actual == plan->algorithm) {
        return S3_OK;
    }
    return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                          "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
                          "checksum Type: %s",
                          s3_algorithm_text(plan->algorithm), s3_algorithm_text(actual));
}

static u64 combine_crc(enum s3_algorithm algorithm, u64 a, const struct s3_part_checksum *part)
{
    u64 b = s3_algorithm_bytes(algorithm) == 4 ? load_be32(part->checksum.b)
                                               : load_be64(part->checksum.b);
    switch (algorithm) {
    case S3_ALGORITHM_CRC32:
        return crc32_combine((u32)a, (u32)b, part->size);
    case S3_ALGORITHM_CRC32C:
        return crc32c_combine((u32)a, (u32)b, part->size);
    case S3_ALGORITHM_CRC64NVME:
        return crc64nvme_combine(a, b, part->size);
    case S3_ALGORITHM_SHA1:
    case S3_ALGORITHM_SHA256:
    case S3_ALGORITHM_NONE:
    case S3_ALGORITHM_COUNT:
        break;
    }
    unreachable_case();
}

void s3_checksum_combine(const struct s3_checksum_plan *plan, const struct s3_part_checksum *parts,
                         size_t count, struct s3_checksum *ret_checksum)
{
    assert_that(count >= 1 && pair_exists(plan->algorithm, plan->type));
    struct s3_checksum whole = {.algorithm = plan->algorithm, .type = plan->type};
    if (plan->type == S3_CHECKSUM_FULL_OBJECT) {
        u64 crc = 0;
        for (size_t i = 0; i < count; i++) {
            crc = combine_crc(plan->algorithm, crc, &parts[i]);
        }
        store_crc(&whole, crc);
        *ret_checksum = whole;
        return;
    }
    struct s3_integrity none = {0};
    struct s3_verifier verifier;
    s3_verifier_init(&verifier, &none, plan->algorithm);
    for (size_t i = 0; i < count; i++) {
        s3_verifier_update(&verifier,
                           bytes_make(parts[i].checksum.b, s3_algorithm_bytes(plan->algorithm)));
    }
    struct s3_verified verified;
    struct s3_error unused;
    s3_error_init(&unused, NULL);
    enum s3_code code = s3_verifier_finish(&verifier, (bytes){NULL, 0}, &verified, &unused);
    assert_that(code == S3_OK); /* nothing was declared, so nothing can differ */
    s3_verifier_free(&verifier);
    memcpy(whole.b, verified.checksum.b, sizeof whole.b);
    whole.part_count = (u32)count;
    *ret_checksum = whole;
}

/* ---- ETags ---- */

void s3_etag_single(char out[S3_ETAG_TEXT_BYTES], const u8 md5_bytes[16])
{
    out[0] = '"';
    hex_encode(out + 1, S3_ETAG_TEXT_BYTES - 1, bytes_make(md5_bytes, 16));
    s3_append(out, 33, "\"");
}

void s3_etag_multipart(char out[S3_ETAG_TEXT_BYTES], const u8 *md5s, size_t count)
{
    assert_that(count >= 1 && count <= S3_PART_NUMBER_MAX);
    u8 whole[16];
    md5(whole, bytes_make(md5s, count * 16));
    s3_etag_single(out, whole);
    size_t used = s3_append(out, 33, "-");
    used += s3_write_decimal(out + used, count);
    s3_append(out, used, "\"");
}

bytes s3_etag_strip(bytes etag)
{
    etag = s3_trim(etag);
    if (bytes_starts_with(etag, bytes_str("W/"))) {
        etag = s3_tail(etag, 2);
    }
    if (etag.len >= 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"') {
        etag = bytes_slice(etag, 1, etag.len - 2);
    }
    return etag;
}

bool s3_etag_eq(bytes a, bytes b) { return bytes_eq(s3_etag_strip(a), s3_etag_strip(b)); }
