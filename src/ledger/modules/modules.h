/* modules.h: the native modules of the chain, in order of their numbers.
 *
 * native_tables_init(native_modules_all, native_modules_count) makes them callable. Records and
 * readers for roles are in X_layout.h; function and event signatures are macros there, so that a
 * role encodes a call with abi_parse(arena, SEGMENT_COMMIT, …) and abi_encode_call().
 */
#ifndef LEDGER_MODULES_MODULES_H
#define LEDGER_MODULES_MODULES_H

#include "ledger/exec/native.h"

extern const struct native_module registry_module;
extern const struct native_module params_module;
extern const struct native_module beacon_module;
extern const struct native_module territory_module;
extern const struct native_module bucket_module;
extern const struct native_module segment_module;
extern const struct native_module provider_module;

extern const struct native_module *const native_modules_all[];
extern const size_t native_modules_count;

/* modules_interface_hash: see registry_layout.h. Tables must be initialised. */
void modules_interface_hash(const struct native_module *module, struct hash *ret_hash);

#endif
