/* bucket_state.h: writing buckets and authorisations, for the modules bucket and segment. */
#ifndef LEDGER_MODULES_BUCKET_STATE_H
#define LEDGER_MODULES_BUCKET_STATE_H

#include "ledger/exec/native.h"
#include "ledger/modules/bucket_layout.h"

struct hash bucket_slot(const struct hash *bucket);
struct hash bucket_formers_slot(const struct hash *bucket);
struct hash bucket_name_slot(const struct hash *bucket);
void bucket_unpack(struct bucket_record *ret_record, const struct word words[BUCKET_WORDS]);
void bucket_pack(struct word ret_words[BUCKET_WORDS], const struct bucket_record *record);
void locator_to_word(struct word *word, const struct locator *locator); /* bytes 0..19 */
struct locator locator_of_word(const struct word *word);
bool locator_is_zero(const struct locator *locator);

struct hash gateway_slot(u32 gateway);
struct layout_key authorisation_map_key(const struct authorisation_key *key);
struct hash authorisation_slot(const struct authorisation_key *key);
/* authorisation_pack: `known` entries stay in the lists after a revocation. */
void authorisation_pack(struct word ret_words[AUTHORISATION_WORDS],
                        const struct authorisation *record);

err bucket_store(struct frame *frame, const struct hash *bucket,
                 const struct bucket_record *record);
err authorisation_store(struct frame *frame, const struct authorisation_key *key,
                        const struct authorisation *record);
/* bucket_move_head: record->head := *head; the old one is kept if the spacing rule allows it, or if
 * `keep` is set. Stores nothing of the record itself. */
err bucket_move_head(struct frame *frame, const struct hash *bucket, struct bucket_record *record,
                     const struct bucket_head *head, u64 chain_now, bool keep);

/* The handlers of bucket_gateway.c. */
native_handler bucket_register_gateway;
native_handler bucket_update_gateway;
native_handler bucket_retire_gateway;
native_handler bucket_get_gateway;
native_handler bucket_gateway_of;
native_handler bucket_gateway_count;
native_handler bucket_authorise;
native_handler bucket_revoke;
native_handler bucket_get_authorisation;

enum bucket_event {
    BUCKET_EVENT_CREATED,
    BUCKET_EVENT_REMOVED,
    BUCKET_EVENT_POLICY,
    BUCKET_EVENT_LABEL,
    BUCKET_EVENT_UNDONE,
    BUCKET_EVENT_GATEWAY,
    BUCKET_EVENT_AUTHORISED,
    BUCKET_EVENT_REVOKED
};

#endif
