/* fault.h: deliberate misbehaviour, for tests of everybody else.
 *
 * A node whose configuration has a [fault] section answers reads wrongly, shortly or never. It says
 * so loudly when it starts. Chaos tests need real processes that lie; nothing else uses this.
 */
#ifndef STORAGE_FAULT_H
#define STORAGE_FAULT_H

#include "base/int.h"

enum store_fault_kind {
    FAULT_NONE,
    FAULT_WRONG_BYTES, /* one bit of each run is flipped */
    FAULT_TRUNCATE,    /* the answer ends in the middle of a frame */
    FAULT_STALL,       /* the head comes, the bytes never do */
    FAULT_REFUSE,      /* uploads are refused for want of space */
};

struct store_fault {
    enum store_fault_kind kind;
    u32 percent; /* of requests; 0: all */
};

/* store_fault_parse: "none", "wrong-bytes", "truncate", "stall", "refuse". */
MUST_USE bool store_fault_parse(enum store_fault_kind *ret, const char *word);

#endif
