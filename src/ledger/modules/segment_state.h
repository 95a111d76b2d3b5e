/* segment_state.h: writing segments, for the modules segment and provider. */
#ifndef LEDGER_MODULES_SEGMENT_STATE_H
#define LEDGER_MODULES_SEGMENT_STATE_H

#include "ledger/exec/native.h"
#include "ledger/modules/segment_layout.h"

struct layout_key segment_map_key(const struct segment_key *key);
struct hash segment_slot(const struct segment_key *key);
struct hash segment_list_slot(u64 serial);
struct hash segment_release_slot(const struct segment_key *key);
struct hash ticket_slot(u64 territory, u32 gateway);
struct hash watcher_slot(u32 own_watcher); /* number among those who registered themselves */

size_t segment_word_count(u8 n);
void segment_pack(struct word ret_words[SEGMENT_WORDS_MAX], const struct segment_record *record);
void ticket_pack(struct word ret_words[2], const struct ticket_record *record);

/* segment_fragment_bytes: length of one fragment. */
u32 segment_fragment_bytes(const struct segment_record *record);
/* segment_clear_holder: the entry is lost as of chain_now; changes the record only. */
void segment_clear_holder(struct segment_record *record, u8 index, u64 chain_now);

err segment_store(struct frame *frame, const struct segment_key *key,
                  const struct segment_record *record);

/* Slot 0 of the module. */
struct segment_counts {
    u64 segments;
    u32 own_watchers;
};
err segment_counts_load(const struct slot_source *source, struct segment_counts *ret_counts);
err segment_counts_store(struct frame *frame, const struct segment_counts *counts);

/* The handlers beyond segment.c. */
native_handler segment_commit;
native_handler segment_complete;
native_handler segment_repair;
native_handler segment_release;
native_handler segment_undo_release;
native_handler segment_purge;

enum segment_event {
    SEGMENT_EVENT_REGISTERED,
    SEGMENT_EVENT_REFUSED,
    SEGMENT_EVENT_RECEIPT_SKIPPED,
    SEGMENT_EVENT_HEAD_MOVED,
    SEGMENT_EVENT_HEAD_REFUSED,
    SEGMENT_EVENT_HOLDER,
    SEGMENT_EVENT_RELEASING,
    SEGMENT_EVENT_RELEASE_UNDONE,
    SEGMENT_EVENT_PURGED,
    SEGMENT_EVENT_WATCHER
};

#endif
