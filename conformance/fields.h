/* fields.h: what the JSON of Ethereum's suites has in common: numbers, names of forks, names of
 * exceptions.
 */
#ifndef CONFORMANCE_FIELDS_H
#define CONFORMANCE_FIELDS_H

#include "codec/json.h"
#include "conformance/suite.h"
#include "ledger/exec/fork.h"
#include "ledger/exec/tx.h"

/* fields_parse: a document's JSON, NULL (and one failure) if it is none. */
json_t *fields_parse(struct results *results, const struct document *document);
/* fields_u256, fields_u64: "0x…" of any length with leading zeros, decimal digits, or an integer;
 * false if it is none or too large. */
MUST_USE bool fields_u256(const json_t *value, struct u256 *ret);
MUST_USE bool fields_u64(const json_t *value, u64 *ret);
/* fields_bytes: "0x…" or "", in arena. */
MUST_USE bool fields_bytes(const json_t *value, struct arena *arena, bytes *ret);

/* fork_of: by the suites' name ("ConstantinopleFix", "Merge", "BPO2" …); false if unknown. */
MUST_USE bool fork_of(const char *name, enum fork *ret_fork);
/* exception_means: whether `verdict` is of a class that `exception` names ("A|B", with or without
 * "TransactionException."). A name that we have no verdict for means any. */
bool exception_means(const char *exception, enum tx_verdict verdict);

#endif
