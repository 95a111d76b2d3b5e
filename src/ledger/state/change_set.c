#include "ledger/state/change_set.h"

#include "codec/record.h"

#define COUNT_BYTES 4
#define OFFSET_BYTES 4

static bool word_is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

static void put_account(struct buf *out, const struct pending_account *entry)
{
    struct state_key key = key_change(&entry->key, NULL);
    struct buf former;
    write_str16(out, key_bytes(&key));
    buf_init(&former, KIB(1));
    account_record_encode(&former, &entry->former);
    write_str16(out, buf_bytes(&former));
    buf_free(&former);
}

static void put_slot(struct buf *out, const struct pending_slot *entry)
{
    struct state_key key = key_change(&entry->account, &entry->key);
    const struct slot_record former = {.slot = entry->slot, .word = entry->former};
    write_str16(out, key_bytes(&key));
    write_str16(out, bytes_make(&former, word_is_zero(&entry->former) ? 0 : sizeof former));
}

/* The place of entry i is filled in once it is known. */
static void note_offset(struct buf *out, size_t start, size_t i, size_t begin)
{
    if (is_ok(buf_done(out))) {
        store_be32(out->data + start + COUNT_BYTES + i * OFFSET_BYTES, (u32)(begin - start));
    }
}

void change_set_encode(struct buf *out, const struct state_pending *pending)
{
    size_t start = out->len;
    size_t count = pending->account_count + pending->slot_count;
    buf_put_be32(out, (u32)count);
    (void)buf_extend(out, count * OFFSET_BYTES);
    for (size_t i = 0; i < pending->account_count; i++) {
        note_offset(out, start, i, out->len);
        put_account(out, &pending->accounts[i]);
    }
    for (size_t i = 0; i < pending->slot_count; i++) {
        note_offset(out, start, pending->account_count + i, out->len);
        put_slot(out, &pending->slots[i]);
    }
}

err change_set_count(bytes set, size_t *ret_count)
{
    size_t count = set.len >= COUNT_BYTES ? load_be32(set.data) : 0;
    if (set.len < COUNT_BYTES || count > (set.len - COUNT_BYTES) / OFFSET_BYTES) {
        return fail(ERR_INTEGRITY);
    }
    *ret_count = count;
    return ok();
}

err change_set_entry(bytes set, size_t i, bytes *ret_key, bytes *ret_former)
{
    struct reader reader;
    size_t offset = load_be32(set.data + COUNT_BYTES + i * OFFSET_BYTES);
    if (offset > set.len) {
        return fail(ERR_INTEGRITY);
    }
    reader_init(&reader, bytes_slice(set, offset, set.len - offset));
    bytes key = read_str16(&reader, STATE_KEY_BYTES_MAX);
    bytes former = read_str16(&reader, UINT16_MAX);
    if (reader.failed) {
        return fail(ERR_INTEGRITY);
    }
    *ret_key = key;
    *ret_former = former.len > 0 ? former : bytes_make("", 0);
    return ok();
}

err change_set_find(bytes set, bytes key, bytes *ret_former)
{
    size_t low = 0;
    size_t high;
    *ret_former = bytes_make(NULL, 0);
    TRY(change_set_count(set, &high));
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bytes found;
        bytes former;
        TRY(change_set_entry(set, middle, &found, &former));
        int order = bytes_cmp(key, found);
        if (order == 0) {
            *ret_former = former;
            return ok();
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return ok();
}
