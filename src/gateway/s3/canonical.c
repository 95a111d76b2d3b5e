#include "gateway/s3/auth.h"

#include "base/assert.h"
#include "base/mem.h"
#include "codec/percent.h"
#include "crypto/hash.h"
#include "gateway/s3/text.h"

#include <stdlib.h>

struct encoded_item {
    bytes name;
    bytes value;
};

static int compare_items(const void *a, const void *b)
{
    const struct encoded_item *x = a;
    const struct encoded_item *y = b;
    int order = bytes_cmp(x->name, y->name);
    return order != 0 ? order : bytes_cmp(x->value, y->value);
}

/* encode: into the arena. */
static err encode(struct arena *arena, bytes in, bytes *ret_out)
{
    struct buf out;
    buf_init(&out, in.len * 3);
    percent_encode(&out, in, false);
    *ret_out = arena_copy(arena, buf_bytes(&out));
    buf_free(&out);
    return ret_out->data == NULL ? fail(ERR_LIMIT) : ok();
}

err s3_canonical_query(struct arena *arena, const struct s3_query_item *items, size_t count,
                       const char *skip, struct buf *out)
{
    struct encoded_item *encoded = ARENA_ARRAY(arena, struct encoded_item, count + 1);
    if (encoded == NULL) {
        return fail(ERR_LIMIT);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (skip != NULL && bytes_eq_str(items[i].name, skip)) {
            continue;
        }
        TRY(encode(arena, items[i].name, &encoded[used].name));
        TRY(encode(arena, items[i].value, &encoded[used].value));
        used++;
    }
    qsort(encoded, used, sizeof encoded[0], compare_items);
    for (size_t i = 0; i < used; i++) {
        buf_put_str(out, i == 0 ? "" : "&");
        buf_put(out, encoded[i].name);
        buf_put_u8(out, '=');
        buf_put(out, encoded[i].value);
    }
    return buf_done(out);
}

static bool is_space(u8 c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* put_collapsed: without outer white space, inner runs as one space. */
static void put_collapsed(struct buf *out, bytes value)
{
    bool pending = false;
    bool any = false;
    for (size_t i = 0; i < value.len; i++) {
        if (is_space(value.data[i])) {
            pending = any;
            continue;
        }
        if (pending) {
            buf_put_u8(out, ' ');
            pending = false;
        }
        buf_put_u8(out, value.data[i]);
        any = true;
    }
}

/* put_header: "name:value,value\n" of every header of that name, in arrival order. */
static void put_header(const struct s3_canonical *parts, bytes name, struct buf *out)
{
    buf_put(out, name);
    buf_put_u8(out, ':');
    bool first = true;
    for (size_t i = 0; i < parts->header_count; i++) {
        if (bytes_eq_nocase(parts->headers[i].name, name)) {
            buf_put_str(out, first ? "" : ",");
            put_collapsed(out, parts->headers[i].value);
            first = false;
        }
    }
    buf_put_u8(out, '\n');
}

static void put_headers(const struct s3_canonical *parts, struct buf *out)
{
    bytes left = parts->signed_headers;
    while (left.len > 0) {
        put_header(parts, s3_cut(&left, ';'), out);
    }
}

void s3_canonical_request(const struct s3_canonical *parts, struct buf *out)
{
    buf_put(out, parts->method);
    buf_put_u8(out, '\n');
    buf_put(out, parts->uri);
    buf_put_u8(out, '\n');
    buf_put(out, parts->query);
    buf_put_u8(out, '\n');
    put_headers(parts, out);
    buf_put_u8(out, '\n');
    buf_put(out, parts->signed_headers);
    buf_put_u8(out, '\n');
    buf_put(out, parts->payload_hash);
}

void s3_string_to_sign(bytes date, bytes scope, bytes canonical_request, struct buf *out)
{
    struct hash digest;
    sha256(&digest, canonical_request);
    buf_put_str(out, "AWS4-HMAC-SHA256\n");
    buf_put(out, date);
    buf_put_u8(out, '\n');
    buf_put(out, scope);
    buf_put_u8(out, '\n');
    buf_put_hex(out, BYTES_OF(digest));
}

void s3_signing_key(struct hash *out, const struct s3_secret *secret, bytes date, bytes region,
                    bytes service)
{
    assert_that(secret->len <= S3_SECRET_BYTES_MAX);
    u8 first[4 + S3_SECRET_BYTES_MAX] = {'A', 'W', 'S', '4'};
    memcpy(first + 4, secret->b, secret->len);
    struct hash keys[3];
    hmac_sha256(&keys[0], bytes_make(first, 4 + secret->len), date);
    hmac_sha256(&keys[1], BYTES_OF(keys[0]), region);
    hmac_sha256(&keys[2], BYTES_OF(keys[1]), service);
    hmac_sha256(out, BYTES_OF(keys[2]), bytes_str("aws4_request"));
    mem_wipe(first, sizeof first);
    mem_wipe(keys, sizeof keys);
}

void s3_sign(char out[S3_SIGNATURE_CHARS + 1], const struct hash *key, bytes string_to_sign)
{
    struct hash mac;
    hmac_sha256(&mac, BYTES_OF(*key), string_to_sign);
    hex_encode(out, S3_SIGNATURE_CHARS + 1, BYTES_OF(mac));
}
