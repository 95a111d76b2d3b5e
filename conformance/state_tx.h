/* state_tx.h: the transaction of a state test: from its bytes where they are given, which also
 * tests decoding and recovery, else from the fields.
 */
#ifndef CONFORMANCE_STATE_TX_H
#define CONFORMANCE_STATE_TX_H

#include "codec/json.h"
#include "ledger/exec/tx.h"

struct state_tx {
    enum tx_verdict verdict; /* of decoding and recovery */
    struct tx tx;
    struct address sender;
};

/* state_tx_read: false if the test is malformed. Everything is in arena. */
MUST_USE bool state_tx_read(const json_t *test, const json_t *post, struct arena *arena,
                            struct state_tx *ret);

#endif
