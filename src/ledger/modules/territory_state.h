/* territory_state.h: writing territories, for the modules territory, bucket and segment. */
#ifndef LEDGER_MODULES_TERRITORY_STATE_H
#define LEDGER_MODULES_TERRITORY_STATE_H

#include "ledger/exec/frame.h"
#include "ledger/modules/territory_layout.h"

void territory_unpack(struct territory_record *ret_record,
                      const struct word words[TERRITORY_WORDS]);
void territory_pack(struct word ret_words[TERRITORY_WORDS], const struct territory_record *record);
struct hash territory_slot(u64 territory);
err territory_store(struct frame *frame, u64 territory, const struct territory_record *record);

#endif
