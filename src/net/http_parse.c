#include "net/http_parse.h"

#include "base/assert.h"
#include "net/url.h"

#include <http_parser.h>

static const struct http_reject accepted = {0, NULL};

static struct http_reject refuse(int status, const char *reason)
{
    return (struct http_reject){status, reason};
}

static bool is_tchar(u8 c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_token(bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        if (!is_tchar(in.data[i])) {
            return false;
        }
    }
    return in.len != 0;
}

bool http_is_field_value(bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        u8 c = in.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bytes trim(bytes in)
{
    while (in.len != 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
        in = bytes_slice(in, 1, in.len - 1);
    }
    while (in.len != 0 && (in.data[in.len - 1] == ' ' || in.data[in.len - 1] == '\t')) {
        in.len--;
    }
    return in;
}

bytes http_fields_find(const struct http_header *fields, size_t count, const char *name)
{
    bytes want = bytes_str(name);
    for (size_t i = 0; i < count; i++) {
        if (bytes_eq_nocase(fields[i].name, want)) {
            return fields[i].value;
        }
    }
    return (bytes){0};
}

/* ---- lines ---- */

/* check_field_line: without its CR LF. */
static struct http_reject check_field_line(bytes line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return refuse(400, "folded header line");
    }
    size_t colon = bytes_find(line, bytes_str(":"));
    if (colon == SIZE_MAX) {
        return refuse(400, "header line without colon");
    }
    bytes name = bytes_slice(line, 0, colon);
    if (!http_is_token(name)) {
        bool space = colon != 0 && (line.data[colon - 1] == ' ' || line.data[colon - 1] == '\t');
        return refuse(400, space ? "white space before the colon" : "bad header name");
    }
    if (!http_is_field_value(bytes_slice(line, colon, line.len - colon))) {
        return refuse(400, "control byte in a header value");
    }
    return accepted;
}

/* check_first_line: single spaces only and no control bytes; the rest depends on what it is. */
static struct http_reject check_first_line(bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < 0x20 || line.data[i] == 0x7f) {
            return refuse(400, "control byte in the first line");
        }
    }
    return accepted;
}

/* next_line: false while no complete line lies at scan->end. */
static bool next_line(struct http_scan *scan, bytes in, bytes *ret_line)
{
    size_t from = max_size(scan->searched, scan->end);
    const u8 *lf = from < in.len ? memchr(in.data + from, '\n', in.len - from) : NULL;
    scan->searched = in.len;
    if (lf == NULL) {
        return false;
    }
    *ret_line = bytes_slice(in, scan->end, (size_t)(lf - in.data) - scan->end);
    scan->end = (size_t)(lf - in.data) + 1;
    scan->searched = scan->end;
    return true;
}

static struct http_reject check_line(struct http_scan *scan, bytes line, bool *ret_done)
{
    if (line.len == 0 || line.data[line.len - 1] != '\r') {
        return refuse(400, "line without carriage return");
    }
    line.len--;
    if (line.len == 0 && scan->lines == 0) {
        bool repeated = scan->start != 0;
        scan->start = scan->end;
        return repeated ? refuse(400, "empty lines before the request") : accepted;
    }
    *ret_done = line.len == 0;
    scan->lines++;
    if (line.len == 0) {
        return accepted;
    }
    return scan->lines == 1 ? check_first_line(line) : check_field_line(line);
}

enum http_scan_state http_scan(struct http_scan *scan, bytes in)
{
    bool done = false;
    bytes line;
    while (!done && next_line(scan, in, &line)) {
        scan->reject = check_line(scan, line, &done);
        if (scan->reject.status != 0) {
            return HTTP_SCAN_BAD;
        }
    }
    return done ? HTTP_SCAN_DONE : HTTP_SCAN_MORE;
}

/* ---- tokens ---- */

/* What http-parser reports, gathered. */
struct tokens {
    struct http_header *headers;
    size_t cap;
    size_t count;
    bytes target;
    bool in_value;
    bool complete;
    bool too_many;
};

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct tokens *tokens = parser->data;
    tokens->target = bytes_make(at, len);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t len)
{
    struct tokens *tokens = parser->data;
    if (tokens->count == tokens->cap) {
        tokens->too_many = true;
        return 1;
    }
    tokens->headers[tokens->count++] = (struct http_header){.name = bytes_make(at, len)};
    tokens->in_value = false;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct tokens *tokens = parser->data;
    if (tokens->count == 0 || tokens->in_value) {
        return 1;
    }
    tokens->headers[tokens->count - 1].value = trim(bytes_make(at, len));
    tokens->in_value = true;
    return 0;
}

/* 1 tells http-parser not to expect a body: bodies are not its business. */
static int on_headers_complete(http_parser *parser)
{
    struct tokens *tokens = parser->data;
    tokens->complete = true;
    return 1;
}

static const http_parser_settings callbacks = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

/* explain: http-parser finds some framing faults first; the phrases are ours all the same. */
static struct http_reject explain(enum http_errno error)
{
    if (error == HPE_INVALID_METHOD) {
        return refuse(501, "unknown method");
    }
    if (error == HPE_UNEXPECTED_CONTENT_LENGTH) {
        return refuse(400, "Content-Length repeated or beside Transfer-Encoding");
    }
    if (error == HPE_INVALID_CONTENT_LENGTH) {
        return refuse(400, "bad Content-Length");
    }
    if (error == HPE_INVALID_TRANSFER_ENCODING) {
        return refuse(400, "Transfer-Encoding other than chunked");
    }
    return refuse(400, http_errno_description(error));
}

static struct http_reject cut_tokens(http_parser *parser, enum http_parser_type type,
                                     struct tokens *tokens, bytes head)
{
    assert_that(head.len <= HTTP_HEAD_BYTES_MAX);
    http_parser_init(parser, type);
    parser->data = tokens;
    size_t used = http_parser_execute(parser, &callbacks, (const char *)head.data, head.len);
    enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (tokens->too_many) {
        return refuse(431, "too many header fields");
    }
    if (error != HPE_OK) {
        return explain(error);
    }
    return used == head.len && tokens->complete ? accepted : refuse(400, "malformed head");
}

/* ---- framing, the same for requests and answers ---- */

struct framing {
    bool has_length;
    u64 length;
    bool chunked;
};

static size_t count_fields(const struct http_header *fields, size_t count, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += bytes_eq_nocase(fields[i].name, bytes_str(name)) ? 1 : 0;
    }
    return found;
}

static struct http_reject read_framing(struct framing *ret, const struct http_header *fields,
                                       size_t count)
{
    size_t lengths = count_fields(fields, count, "Content-Length");
    size_t encodings = count_fields(fields, count, "Transfer-Encoding");
    if (lengths > 1 || (lengths != 0 && encodings != 0)) {
        return refuse(400, "Content-Length repeated or beside Transfer-Encoding");
    }
    ret->has_length = lengths == 1;
    if (ret->has_length &&
        (!parse_u64(&ret->length, http_fields_find(fields, count, "Content-Length")) ||
         ret->length > HTTP_CONTENT_LENGTH_MAX)) {
        return refuse(400, "bad Content-Length");
    }
    ret->chunked = encodings == 1;
    if (encodings > 1 ||
        (ret->chunked && !bytes_eq_nocase(http_fields_find(fields, count, "Transfer-Encoding"),
                                          bytes_str("chunked")))) {
        return refuse(400, "Transfer-Encoding other than chunked");
    }
    return accepted;
}

/* has_token: in any field of that name, a comma-separated list. */
static bool has_token(const struct http_header *fields, size_t count, const char *name,
                      const char *token)
{
    for (size_t i = 0; i < count; i++) {
        bytes rest = fields[i].value;
        if (!bytes_eq_nocase(fields[i].name, bytes_str(name))) {
            continue;
        }
        while (rest.len != 0) {
            size_t comma = min_size(bytes_find(rest, bytes_str(",")), rest.len);
            if (bytes_eq_nocase(trim(bytes_slice(rest, 0, comma)), bytes_str(token))) {
                return true;
            }
            size_t skip = min_size(comma + 1, rest.len);
            rest = bytes_slice(rest, skip, rest.len - skip);
        }
    }
    return false;
}

static bool keeps_alive(const struct http_header *fields, size_t count, bool version_1_0)
{
    if (has_token(fields, count, "Connection", "close")) {
        return false;
    }
    return !version_1_0 || has_token(fields, count, "Connection", "keep-alive");
}

/* ---- requests ---- */

struct request_line {
    bytes method;
    bytes target;
    bytes version;
};

/* split_request_line: method SP target SP version, each without spaces. */
static bool split_request_line(struct request_line *ret, bytes head)
{
    bytes line = bytes_slice(head, 0, bytes_find(head, bytes_str("\r\n")));
    size_t first = bytes_find(line, bytes_str(" "));
    if (first == SIZE_MAX) {
        return false;
    }
    bytes rest = bytes_slice(line, first + 1, line.len - first - 1);
    size_t second = bytes_find(rest, bytes_str(" "));
    if (second == SIZE_MAX || second == 0) {
        return false;
    }
    ret->method = bytes_slice(line, 0, first);
    ret->target = bytes_slice(rest, 0, second);
    ret->version = bytes_slice(rest, second + 1, rest.len - second - 1);
    return http_is_token(ret->method);
}

static bool is_digit(u8 c) { return c >= '0' && c <= '9'; }

static struct http_reject check_request_line(struct http_request *ret, bytes head)
{
    struct request_line line;
    if (!split_request_line(&line, head)) {
        return refuse(400, "malformed request line");
    }
    ret->method = line.method;
    ret->target = line.target;
    bytes version = line.version;
    if (version.len != 8 || !bytes_starts_with(version, bytes_str("HTTP/")) ||
        !is_digit(version.data[5]) || version.data[6] != '.' || !is_digit(version.data[7])) {
        return refuse(400, "malformed version");
    }
    ret->version_1_0 = bytes_eq_str(version, "HTTP/1.0");
    if (!ret->version_1_0 && !bytes_eq_str(version, "HTTP/1.1")) {
        return refuse(505, "unknown version");
    }
    if (bytes_eq_str(line.method, "CONNECT")) {
        return refuse(501, "no tunnels here");
    }
    return memchr(line.target.data, '#', line.target.len) == NULL
               ? accepted
               : refuse(400, "fragment in the target");
}

static struct http_reject check_host(struct http_request *request)
{
    size_t hosts = count_fields(request->headers, request->header_count, "Host");
    if (hosts > 1) {
        return refuse(400, "more than one Host");
    }
    if (hosts == 0) {
        return request->version_1_0 ? accepted : refuse(400, "no Host");
    }
    char host[URL_HOST_MAX];
    u16 port;
    request->host = http_find_header(request, "Host");
    return url_authority_split(host, &port, request->host, 80) ? accepted : refuse(400, "bad Host");
}

/* check_absolute: "http://authority/path": the authority must be Host's, the path is what counts.
 */
static struct http_reject check_absolute(struct http_request *request, size_t scheme_len)
{
    bytes rest = bytes_slice(request->target, scheme_len, request->target.len - scheme_len);
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    bytes authority = bytes_slice(rest, 0, end);
    if (authority.len == 0 || !bytes_eq_nocase(authority, request->host)) {
        return refuse(400, "target contradicts Host");
    }
    if (end < rest.len && rest.data[end] == '?') {
        return refuse(400, "absolute target without a path");
    }
    request->target = end == rest.len ? bytes_str("/") : bytes_slice(rest, end, rest.len - end);
    return accepted;
}

static struct http_reject check_target(struct http_request *request)
{
    bytes target = request->target;
    if (target.data[0] == '/') {
        return accepted;
    }
    if (bytes_eq_str(target, "*")) {
        return bytes_eq_str(request->method, "OPTIONS") ? accepted
                                                        : refuse(400, "target * is for OPTIONS");
    }
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len > len &&
            bytes_eq_nocase(bytes_slice(target, 0, len), bytes_str(schemes[i]))) {
            return check_absolute(request, len);
        }
    }
    return refuse(400, "bad target");
}

static struct http_reject check_request_framing(struct http_request *ret)
{
    struct framing framing = {0};
    struct http_reject reject = read_framing(&framing, ret->headers, ret->header_count);
    if (reject.status != 0) {
        return reject;
    }
    if (ret->version_1_0 && framing.chunked) {
        return refuse(400, "Transfer-Encoding in HTTP/1.0");
    }
    ret->has_body_length = framing.has_length;
    ret->body_length = framing.length;
    ret->chunked = framing.chunked;
    ret->keep_alive = keeps_alive(ret->headers, ret->header_count, ret->version_1_0);
    ret->expect_continue =
        !ret->version_1_0 && (framing.chunked || framing.length != 0) &&
        bytes_eq_nocase(http_find_header(ret, "Expect"), bytes_str("100-continue"));
    return accepted;
}

/* The array of headers is large and needs no clearing. */
void http_request_reset(struct http_request *request)
{
    request->method = request->target = request->host = (bytes){0};
    request->header_count = 0;
    request->has_body_length = request->chunked = false;
    request->body_length = 0;
    request->expect_continue = request->keep_alive = request->version_1_0 = false;
}

struct http_reject http_parse_request(struct http_request *ret, bytes head)
{
    http_request_reset(ret);
    struct http_reject reject = check_request_line(ret, head);
    if (reject.status != 0) {
        return reject;
    }
    struct tokens tokens = {.headers = ret->headers, .cap = HTTP_HEADERS_MAX};
    http_parser parser;
    reject = cut_tokens(&parser, HTTP_REQUEST, &tokens, head);
    ret->header_count = tokens.count;
    if (reject.status == 0 && !bytes_eq(tokens.target, ret->target)) {
        reject = refuse(400, "malformed target");
    }
    if (reject.status == 0) {
        reject = check_host(ret);
    }
    if (reject.status == 0) {
        reject = check_target(ret);
    }
    return reject.status == 0 ? check_request_framing(ret) : reject;
}

/* ---- answers ---- */

static bool is_status_line(bytes head)
{
    return head.len >= 13 &&
           (bytes_starts_with(head, bytes_str("HTTP/1.1 ")) ||
            bytes_starts_with(head, bytes_str("HTTP/1.0 "))) &&
           is_digit(head.data[9]) && is_digit(head.data[10]) && is_digit(head.data[11]) &&
           (head.data[12] == ' ' || head.data[12] == '\r') && head.data[9] >= '1' &&
           head.data[9] <= '5';
}

struct http_reject http_parse_answer(struct http_answer *ret, bytes head)
{
    ret->header_count = 0;
    if (!is_status_line(head)) {
        return refuse(400, "malformed status line");
    }
    struct tokens tokens = {.headers = ret->headers, .cap = HTTP_HEADERS_MAX};
    http_parser parser;
    struct http_reject reject = cut_tokens(&parser, HTTP_RESPONSE, &tokens, head);
    ret->header_count = tokens.count;
    struct framing framing = {0};
    if (reject.status == 0) {
        reject = read_framing(&framing, ret->headers, ret->header_count);
    }
    bool version_1_0 = head.data[7] == '0';
    if (reject.status == 0 && version_1_0 && framing.chunked) {
        reject = refuse(400, "Transfer-Encoding in HTTP/1.0");
    }
    ret->status = parser.status_code;
    ret->has_body_length = framing.has_length;
    ret->body_length = framing.length;
    ret->chunked = framing.chunked;
    ret->keep_alive = keeps_alive(ret->headers, ret->header_count, version_1_0);
    return reject;
}

/* ---- trailers ---- */

static bool may_be_trailer(bytes name)
{
    static const char *const never[] = {
        "Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer", "TE", "Upgrade",
        "Expect"};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (bytes_eq_nocase(name, bytes_str(never[i]))) {
            return false;
        }
    }
    return true;
}

bool http_parse_trailers(struct http_header *ret, size_t cap, size_t *ret_count, bytes lines)
{
    size_t count = 0;
    while (lines.len != 0) {
        size_t end = bytes_find(lines, bytes_str("\r\n"));
        if (end == SIZE_MAX || end == 0 || count == cap) {
            return false;
        }
        bytes line = bytes_slice(lines, 0, end);
        if (check_field_line(line).status != 0) {
            return false;
        }
        size_t colon = bytes_find(line, bytes_str(":"));
        bytes name = bytes_slice(line, 0, colon);
        if (!may_be_trailer(name)) {
            return false;
        }
        bytes value = trim(bytes_slice(line, colon + 1, line.len - colon - 1));
        ret[count++] = (struct http_header){name, value};
        lines = bytes_slice(lines, end + 2, lines.len - end - 2);
    }
    *ret_count = count;
    return true;
}
