/* copies.c: three holders get every signed commit, and submit it if this gateway is gone. */
#include "gateway/service/internal.h"

#include "base/log.h"
#include "base/mem.h"

#define COPIES_TIMEOUT_MS 5000

size_t copies_spread(struct gateway *gateway, const struct unsettled *entry, const u32 *providers,
                     size_t count)
{
    u64 begin_ms = loop_now_ms(gateway->loop);
    size_t raw_len = entry->raw_len;
    u8 *raw = mem_alloc(raw_len);
    memcpy(raw, entry->raw, raw_len);
    size_t copies = gateway->ports.copies(gateway->ports.ctx, bytes_make(raw, raw_len), providers,
                                          count, gateway_in(gateway, COPIES_TIMEOUT_MS));
    mem_free(raw);
    log_debug("gateway", "%zu copies in %llu ms", copies,
              (unsigned long long)(loop_now_ms(gateway->loop) - begin_ms));
    return copies;
}

/* ---- of what was signed again ---- */

struct again {
    struct gateway *gateway;
    struct unsettled *entry;
};

/* Holders by the receipts in the transaction, or of a segment that the ledger has, by its record.
 */
static size_t holders_of(struct gateway *gateway, const struct unsettled *entry,
                         const struct segment_key *key, u32 ret[FRAGMENTS_MAX])
{
    struct segment_entry *packed = MEM_NEW(struct segment_entry);
    struct segment_record *record = MEM_NEW(struct segment_record);
    u64 deadline_ms = gateway_in(gateway, COPIES_TIMEOUT_MS);
    size_t count = 0;
    bool found = false;
    if (is_ok(entry_in_raw(entry, key->number, packed))) {
        for (u8 i = 0; i < packed->receipt_count; i++) {
            ret[count++] = packed->receipts[i].provider;
        }
    } else if (is_ok(
                   gateway->ports.segment(gateway->ports.ctx, key, deadline_ms, record, &found)) &&
               found) {
        for (u8 i = 0; i < record->n; i++) {
            if (record->holders[i].provider != 0) {
                ret[count++] = record->holders[i].provider;
            }
        }
    }
    mem_free(record);
    mem_free(packed);
    return count;
}

static void again_run(void *arg)
{
    struct again *again = arg;
    struct unsettled *entry = again->entry;
    u32 providers[FRAGMENTS_MAX];
    size_t copies = 0;
    for (size_t i = entry->segment_count; copies < COMMIT_COPIES && i-- > 0;) {
        const struct segment_key *key = &entry->segments[i].seal.key;
        size_t count = holders_of(again->gateway, entry, key, providers);
        copies = count == 0 ? 0 : copies_spread(again->gateway, entry, providers, count);
    }
    unsettled_unref(entry);
    mem_free(again);
}

void copies_again(struct gateway *gateway, struct unsettled *entry)
{
    struct again *again = MEM_NEW(struct again);
    *again = (struct again){.gateway = gateway, .entry = entry};
    if (is_ok(group_start(gateway->loop, &gateway->fibers, "copies", again_run, again))) {
        unsettled_ref(entry);
    } else { /* about to end: the log has it */
        mem_free(again);
    }
}
