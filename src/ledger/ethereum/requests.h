/* requests.h: what a block asks of the consensus layer (EIP-7685); for the files of
 * ledger/ethereum only. */
#ifndef LEDGER_ETHEREUM_REQUESTS_H
#define LEDGER_ETHEREUM_REQUESTS_H

#include "ledger/ethereum/process.h"

/* process_collect_requests: sets requests and requests_hash, or `wrong`. */
err process_collect_requests(struct process *process);

#endif
