/* abi_text.h: values of contract calls as people write and read them.
 *
 * Numbers are decimal (signed ones may have a minus) or 0x…, addresses and bytes 0x…, booleans true
 * or false, strings as they are; arrays and tuples are JSON arrays of the same. Results become
 * JSON: numbers that fit 53 bits as numbers, larger ones as decimal text, tuples as objects if
 * their members have names.
 */
#ifndef CLI_ABI_TEXT_H
#define CLI_ABI_TEXT_H

#include "codec/abi.h"
#include "codec/json.h"

/* abi_from_text: one argument; ret borrows from arena. ERR_USAGE: no value of the type. */
err abi_from_text(struct arena *arena, const struct abi_type *type, const char *text,
                  struct abi_value *ret);
/* abi_to_json: a new reference. */
json_t *abi_to_json(const struct abi_type *type, const struct abi_value *value);
/* abi_members_to_json: an object of named values ("0", "1"… where there is no name). */
json_t *abi_members_to_json(const struct abi_type *types, const struct abi_value *values,
                            size_t count);

#endif
