#include "codec/rlp.h"

#include "base/assert.h"

/* The five ranges of the first byte (yellow paper, appendix B). */
#define STRING_SHORT 0x80
#define STRING_LONG 0xb7 /* plus the number of length bytes */
#define LIST_SHORT 0xc0
#define LIST_LONG 0xf7
#define SHORT_LEN_MAX 55
#define PREFIX_BYTES_MAX 9

/* long_len: the length after a prefix of the long form; it must need that form. */
static err long_len(bytes in, size_t len_bytes, size_t *ret_len)
{
    if (in.len < 1 + len_bytes || in.data[1] == 0) {
        return fail(ERR_MALFORMED);
    }
    u64 len = 0;
    for (size_t i = 1; i <= len_bytes; i++) {
        len = len << 8 | in.data[i];
    }
    if (len <= SHORT_LEN_MAX || len > SIZE_MAX) {
        return fail(ERR_MALFORMED);
    }
    *ret_len = (size_t)len;
    return ok();
}

err rlp_next(bytes *in, struct rlp_item *ret_item)
{
    if (in->len == 0) {
        return fail(ERR_MALFORMED);
    }
    u8 first = in->data[0];
    bool is_list = first >= LIST_SHORT;
    u8 base = is_list ? LIST_SHORT : STRING_SHORT;
    size_t prefix = 1;
    size_t len = 0;
    if (first < STRING_SHORT) {
        prefix = 0;
        len = 1;
    } else if (first - base <= SHORT_LEN_MAX) {
        len = (size_t)(first - base);
    } else {
        prefix = 1 + (size_t)(first - base - SHORT_LEN_MAX);
        TRY(long_len(*in, prefix - 1, &len));
    }
    if (len > in->len - prefix) {
        return fail(ERR_MALFORMED);
    }
    if (!is_list && prefix == 1 && len == 1 && in->data[1] < STRING_SHORT) {
        return fail(ERR_MALFORMED); /* such a byte stands for itself */
    }
    *ret_item = (struct rlp_item){.payload = bytes_slice(*in, prefix, len),
                                  .raw = bytes_slice(*in, 0, prefix + len),
                                  .is_list = is_list};
    *in = bytes_slice(*in, prefix + len, in->len - prefix - len);
    return ok();
}

/* check_items: every item below the list is well-formed. ends[] holds how many bytes of the
 * enclosing lists follow the list that is being walked. */
static err check_items(bytes payload)
{
    size_t behind[RLP_DEPTH_MAX];
    size_t depth = 0;
    bytes in = payload;
    for (;;) {
        while (in.len == 0) {
            if (depth == 0) {
                return ok();
            }
            depth--;
            in.len = behind[depth];
        }
        struct rlp_item item;
        TRY(rlp_next(&in, &item));
        if (!item.is_list) {
            continue;
        }
        if (depth == RLP_DEPTH_MAX - 1) {
            return fail(ERR_MALFORMED);
        }
        /* A payload is followed in memory by the rest of the list around it. */
        behind[depth++] = in.len;
        in = item.payload;
    }
}

err rlp_single(bytes in, struct rlp_item *ret_item)
{
    struct rlp_item item;
    TRY(rlp_next(&in, &item));
    if (in.len != 0) {
        return fail(ERR_MALFORMED);
    }
    if (item.is_list) {
        TRY(check_items(item.payload));
    }
    *ret_item = item;
    return ok();
}

err rlp_next_bytes(bytes *in, size_t max, bytes *ret)
{
    bytes rest = *in;
    struct rlp_item item;
    TRY(rlp_next(&rest, &item));
    if (item.is_list || item.payload.len > max) {
        return fail(ERR_MALFORMED);
    }
    *ret = item.payload;
    *in = rest;
    return ok();
}

err rlp_next_fixed(bytes *in, void *out, size_t len)
{
    bytes rest = *in;
    bytes payload;
    TRY(rlp_next_bytes(&rest, len, &payload));
    if (payload.len != len) {
        return fail(ERR_MALFORMED);
    }
    if (len != 0) {
        memcpy(out, payload.data, len);
    }
    *in = rest;
    return ok();
}

/* next_integer: a big-endian number of at most max bytes without leading zeros; zero is empty. */
static err next_integer(bytes *in, size_t max, bytes *ret)
{
    bytes rest = *in;
    bytes payload;
    TRY(rlp_next_bytes(&rest, max, &payload));
    if (payload.len != 0 && payload.data[0] == 0) {
        return fail(ERR_MALFORMED);
    }
    *ret = payload;
    *in = rest;
    return ok();
}

err rlp_next_u64(bytes *in, u64 *ret)
{
    bytes payload;
    TRY(next_integer(in, 8, &payload));
    u64 v = 0;
    for (size_t i = 0; i < payload.len; i++) {
        v = v << 8 | payload.data[i];
    }
    *ret = v;
    return ok();
}

err rlp_next_uint256(bytes *in, u8 out[32])
{
    bytes payload;
    TRY(next_integer(in, 32, &payload));
    memset(out, 0, 32);
    if (payload.len != 0) {
        memcpy(out + 32 - payload.len, payload.data, payload.len);
    }
    return ok();
}

err rlp_next_list(bytes *in, bytes *ret_payload)
{
    bytes rest = *in;
    struct rlp_item item;
    TRY(rlp_next(&rest, &item));
    if (!item.is_list) {
        return fail(ERR_MALFORMED);
    }
    *ret_payload = item.payload;
    *in = rest;
    return ok();
}

/* make_prefix: the prefix of a payload of len bytes; how many bytes it takes. */
static size_t make_prefix(u8 prefix[PREFIX_BYTES_MAX], u8 short_base, u8 long_base, size_t len)
{
    if (len <= SHORT_LEN_MAX) {
        prefix[0] = (u8)(short_base + len);
        return 1;
    }
    u8 be[8];
    store_be64(be, len);
    size_t zeros = 0;
    while (be[zeros] == 0) {
        zeros++;
    }
    prefix[0] = (u8)(long_base + 8 - zeros);
    memcpy(prefix + 1, be + zeros, 8 - zeros);
    return 9 - zeros;
}

void rlp_put_bytes(struct buf *out, bytes in)
{
    if (in.len != 1 || in.data[0] >= STRING_SHORT) {
        u8 prefix[PREFIX_BYTES_MAX];
        size_t prefix_len = make_prefix(prefix, STRING_SHORT, STRING_LONG, in.len);
        buf_put(out, bytes_make(prefix, prefix_len));
    }
    buf_put(out, in);
}

static void put_integer(struct buf *out, const u8 *be, size_t len)
{
    size_t zeros = 0;
    while (zeros < len && be[zeros] == 0) {
        zeros++;
    }
    rlp_put_bytes(out, bytes_make(be + zeros, len - zeros));
}

void rlp_put_u64(struct buf *out, u64 v)
{
    u8 be[8];
    store_be64(be, v);
    put_integer(out, be, sizeof be);
}

void rlp_put_uint256(struct buf *out, const u8 v[32]) { put_integer(out, v, 32); }

size_t rlp_list_begin(struct buf *out) { return out->len; }

void rlp_list_end(struct buf *out, size_t begin)
{
    if (out->failed) {
        return;
    }
    assert_that(begin <= out->len);
    u8 prefix[PREFIX_BYTES_MAX];
    size_t len = out->len - begin;
    size_t prefix_len = make_prefix(prefix, LIST_SHORT, LIST_LONG, len);
    if (buf_extend(out, prefix_len) == NULL) {
        return;
    }
    memmove(out->data + begin + prefix_len, out->data + begin, len);
    memcpy(out->data + begin, prefix, prefix_len);
}
