/* contract_file.h: what compilers write about a contract: its ABI and its bytecode.
 *
 * Three forms are read: an array of ABI entries; an object with `abi` and `bytecode` (Hardhat,
 * contracts/build) or `bytecode.object` (Foundry, solc); and plain hexadecimal bytecode. ABI
 * entries are turned into signatures and parsed by codec/abi, so what that does not know (arrays of
 * fixed length, tuples inside tuples) is refused when it is used, and harms nothing else.
 */
#ifndef CLI_CONTRACT_FILE_H
#define CLI_CONTRACT_FILE_H

#include "codec/abi.h"
#include "codec/json.h"

#define CONTRACT_FILE_BYTES_MAX MIB(4)

struct contract_file {
    json_t *abi; /* an array; NULL: the file has none */
    bytes code;  /* creation bytecode, in the arena; empty: none */
};

/* contract_file_read: ERR_NOT_FOUND, ERR_LIMIT (too large, or arena full: it needs room for the
 * file and half as much again), ERR_MALFORMED: none of the forms, or bytecode with libraries that
 * were not linked. */
err contract_file_read(struct contract_file *ret, const char *path, struct arena *arena);
/* contract_file_free: fine on zeroes. */
void contract_file_free(struct contract_file *file);

/* contract_file_entry: the entry of a kind ("function", "constructor", "error", "event") with that
 * name (NULL: any) and number of inputs (SIZE_MAX: any). A whole canonical signature as name picks
 * one of several. ERR_NOT_FOUND; ERR_CONFLICT: several fit; ERR_MALFORMED: types that we cannot
 * do. *ret_is_view (may be NULL): it changes nothing. */
err contract_file_entry(const struct contract_file *file, struct arena *arena, const char *kind,
                        const char *name, size_t inputs, struct abi_entry *ret, bool *ret_is_view);

/* contract_file_log: a log as {"event", "values"}; NULL if no event of the file fits. */
json_t *contract_file_log(const struct contract_file *file, struct arena *arena,
                          const struct hash *topics, size_t topic_count, bytes data);
/* contract_file_revert: what a revert says: the text of Error(string), "panic 0x11", or an error
 * of the file with its values; hexadecimal if it is none of these. In arena; file may be NULL. */
const char *contract_file_revert(const struct contract_file *file, struct arena *arena, bytes data);

#endif
