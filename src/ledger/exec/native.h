/* native.h: native modules: C behind a fixed address with a Solidity ABI.
 *
 * One table per module describes its functions and events by their signatures; from it come the
 * decoder here, the Solidity interface, the ABI JSON and the reference page (`cairn-abi`, committed
 * under contracts/interfaces and docs/protocols). Order of checks in native_call(): call kind →
 * selector (which names the function and so its flags) → static → value → strict ABI decode (3 gas
 * per word of input, taken before) → the function's gas → handler. Nothing of the arguments is read
 * before the first four have passed.
 *
 * A function with NATIVE_VIEW must not store, log or pay: in a static frame that is an assertion.
 */
#ifndef LEDGER_EXEC_NATIVE_H
#define LEDGER_EXEC_NATIVE_H

#include "codec/abi.h"
#include "ledger/exec/frame.h"

#define NATIVE_FUNCTIONS_MAX 48
#define NATIVE_EVENTS_MAX 24

enum native_flags {
    NATIVE_VIEW = 1,    /* changes nothing: allowed in static frames */
    NATIVE_PAYABLE = 2, /* may come with value */
};

/* A handler reads args, charges gas beyond the base, writes returns (ret_values has the outputs'
 * count) or calls frame_revert(). */
typedef err native_handler(struct frame *frame, const struct abi_value *args,
                           struct abi_value *ret_values);

struct native_function {
    const char *signature; /* "lease(uint64 size, uint8 class) returns (uint64 id)" */
    native_handler *handler;
    unsigned flags;
    u64 gas;         /* charged before the handler, beside its loads and stores */
    const char *doc; /* one or two sentences for the reference and the .sol file */
};

struct native_event {
    const char *signature;
    const char *doc;
};

struct native_module {
    const char *name; /* "territory" */
    u32 number;       /* address 0x00…ca1a0000 + number */
    u32 version;
    const char *doc;
    const struct native_function *functions;
    size_t function_count;
    const struct native_event *events;
    size_t event_count;
    /* Called in a frame of its own (caller 0, no gas limit) before the transactions of each block,
     * in order of module numbers; NULL: nothing to do. Its logs belong to no transaction, so to no
     * receipt: they are dropped. If it reverts, its changes are undone and the block goes on. */
    err (*begin_block)(struct frame *frame);
    /* Genesis: writes the module's first state from its section of genesis.json ("{}" if absent).
     * NULL: nothing. config is jansson's json_t. ERR_USAGE: names the bad field in the log. */
    err (*genesis)(struct frame *frame, const void *config);
};

struct address native_address(u32 number);
/* native_tables_init: parses all signatures once per process, before any call; asserts on a table
 * that does not parse. The parsed form hangs off a process-wide read-only cache. */
void native_tables_init(const struct native_module *const *modules, size_t count);
/* native_find: NULL if no module lives there. */
const struct native_module *native_find(const struct address *address);
size_t native_count(void);
const struct native_module *native_at(size_t i);
/* Parsed entries, in table order. */
const struct abi_entry *native_function_abi(const struct native_module *module, size_t i);
const struct abi_entry *native_event_abi(const struct native_module *module, size_t i);
/* native_call: runs frame->input against the module at frame->self, which must exist. Undoing the
 * changes of a frame that did not end FRAME_RUNNING is the caller's part (ledger/evm). */
err native_call(struct frame *frame);
/* native_emit: logs an event of the module by its index in the table. values in table order. */
void native_emit(struct frame *frame, const struct native_module *module, size_t event,
                 const struct abi_value *values);

#endif
