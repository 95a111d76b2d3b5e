/* provider_state.h: writing providers, for the modules provider and segment. */
#ifndef LEDGER_MODULES_PROVIDER_STATE_H
#define LEDGER_MODULES_PROVIDER_STATE_H

#include "ledger/exec/native.h"
#include "ledger/modules/provider_layout.h"

#define PROVIDER_HOT_WORDS 3
#define WEIGHT_VERSIONS 4

/* A number as of the end of `epoch` and of the three epochs before it. */
struct weight_versions {
    u32 epoch;
    u64 value[WEIGHT_VERSIONS]; /* < 2^56 */
};

void weight_unpack(struct weight_versions *ret_versions, const struct word *word);
void weight_pack(struct word *ret_word, const struct weight_versions *versions);
/* weight_at: false: older than the oldest version. */
MUST_USE bool weight_at(const struct weight_versions *versions, u64 epoch, u64 *ret_value);
/* weight_set: the value changes in `epoch`, which is not before the last change. */
void weight_set(struct weight_versions *versions, u64 epoch, u64 value);

struct hash weight_tree_slot(u32 node);
struct hash weight_leaf_slot(u32 provider);
struct hash weight_total_slot(void); /* the eligible count is in the next word */

/* tree_append: makes the node of a new provider, which must be the next number. */
err tree_append(struct frame *frame, u32 provider, u64 epoch);
/* tree_set: new weight of a provider among `count`; reverts if the total leaves 56 bits. */
err tree_set(struct frame *frame, u32 provider, u32 count, u64 weight, u64 epoch);

void provider_unpack(struct provider_record *ret_record, const struct word words[PROVIDER_WORDS]);
void provider_pack(struct word ret_words[PROVIDER_WORDS], const struct provider_record *record);
struct hash provider_slot(u32 provider);

/* provider_load_hot: without capacity, joined and state_since, which are zero then.
 * provider_store_hot: the same words. */
err provider_load_hot(const struct slot_source *source, u32 provider,
                      struct provider_record *ret_record, bool *ret_found);
err provider_store_hot(struct frame *frame, u32 provider, const struct provider_record *record);
err provider_store(struct frame *frame, u32 provider, const struct provider_record *record);

/* provider_refresh_weight: brings the tree's leaf to the record's weight: always if `exactly`, else
 * only if it is off by more than an eighth or one of them is zero. */
err provider_refresh_weight(struct frame *frame, u32 provider, const struct provider_record *record,
                            u64 epoch, bool exactly);

/* provider_add_fragment: appends to the list and debits `size` bytes; the record is changed, not
 * stored. provider_drop_fragment: the reverse for a live entry; nothing for one that was lost with
 * everything before lost_before. */
err provider_add_fragment(struct frame *frame, u32 provider, struct provider_record *record,
                          const struct provider_fragment *fragment, u64 size, u32 *ret_position);
err provider_drop_fragment(struct frame *frame, u32 provider, struct provider_record *record,
                           u32 position, u64 size, u64 epoch);

/* The handlers of provider_loss.c. */
native_handler provider_declare_lost_all;
native_handler provider_declare_lost;
native_handler provider_report_late;
native_handler provider_drain;
native_handler provider_exit;
native_handler provider_rejoin;

/* provider_load_caller: reverts if the caller is no provider. */
err provider_load_caller(struct frame *frame, u32 *ret_provider,
                         struct provider_record *ret_record);

enum provider_event {
    PROVIDER_EVENT_REGISTERED,
    PROVIDER_EVENT_UPDATED,
    PROVIDER_EVENT_ANNOUNCED,
    PROVIDER_EVENT_LOST_ALL,
    PROVIDER_EVENT_LOST,
    PROVIDER_EVENT_LATE,
    PROVIDER_EVENT_STATE
};

#endif
