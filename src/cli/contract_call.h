/* contract_call.h: calls of contracts and native modules, as the verbs tx, call and deploy make
 * them: a target and a function named on the command line, arguments as text, answers and receipts
 * for people and as JSON.
 *
 * The function is a name of the module's table or of an ABI file (--abi), or a whole Solidity
 * signature. What a contract says when it reverts is shown in its own words: Error(string), panics,
 * and errors of the ABI file.
 */
#ifndef CLI_CONTRACT_CALL_H
#define CLI_CONTRACT_CALL_H

#include "cli/client.h"
#include "cli/contract_file.h"

#define CONTRACT_CALL_ARENA_BYTES MIB(16)

struct contract_call {
    struct client *client;
    struct contract_file file; /* zeroes without --abi */
    struct address target;
    struct abi_entry entry;
    bool is_view;
    struct buf input;
    struct arena arena;
};

/* contract_call_open: reads the ABI file; abi_path may be NULL. After it, also if it failed,
 * contract_call_close(). */
err contract_call_open(struct contract_call *call, struct client *client, const char *abi_path);
void contract_call_close(struct contract_call *call);
/* contract_call_read: target, function and arguments from the verb's positionals into entry and
 * input. */
err contract_call_read(struct contract_call *call);
/* contract_call_arguments: the positionals from `first` on, encoded behind what is in input. */
err contract_call_arguments(struct contract_call *call, size_t first);
/* contract_call_ask: eth_call, and the answer is shown. from and block may be NULL: nobody, and
 * "latest". Needs no account and no proofs. */
err contract_call_ask(struct contract_call *call, const struct address *from, struct u256 value,
                      const char *block);
/* contract_call_send: signs, sends, awaits, shows the receipt. If the ledger would refuse it, its
 * reason is asked for and shown. *ret_created (may be NULL): where a creation put its contract,
 * shown in the receipt too. */
err contract_call_send(struct contract_call *call, const struct chain_call *chain_call,
                       struct address *ret_created);
/* contract_call_receipt: shows a receipt; created may be NULL. */
void contract_call_receipt(struct contract_call *call, const struct hash *tx,
                           const struct chain_receipt *receipt, const struct address *created);

#endif
