/* snapshot_part.h: the sections of a snapshot's part; for the files of ledger/state only. */
#ifndef LEDGER_STATE_SNAPSHOT_PART_H
#define LEDGER_STATE_SNAPSHOT_PART_H

#include "codec/record.h"
#include "ledger/exec/range_proof.h"
#include "ledger/state/snapshot.h"
#include "ledger/state/tables.h"

enum section_kind { SECTION_ACCOUNTS = 'a', SECTION_SLOTS = 's', SECTION_CODE = 'c' };

/* Everything with from <= key <= to. */
struct section {
    enum section_kind kind;
    struct hash account; /* SECTION_SLOTS: hash of the address */
    struct hash from;
    struct hash to;
    struct account_record *accounts; /* SECTION_ACCOUNTS */
    struct slot_record *slots;       /* SECTION_SLOTS */
    struct hash *keys;               /* of either */
    size_t count;
    struct state_proof from_proof;
    struct state_proof to_proof;
    bytes code; /* SECTION_CODE */
};

void part_begin(struct buf *out);
void section_encode(struct buf *out, const struct section *section);

/* part_reader_init: false: not a part. */
bool part_reader_init(struct reader *reader, bytes part);
/* section_decode: the next section, in arena, borrowing from the part; keys are computed.
 * ERR_LIMIT: the arena is full; *ret_good false: malformed. */
err section_decode(struct reader *reader, struct arena *arena, struct section *ret_section,
                   bool *ret_good);
/* section_verify: whether the range proves its entries under `root`. */
err section_verify(struct arena *arena, const struct section *section, const struct hash *root,
                   bool *ret_valid);

#endif
