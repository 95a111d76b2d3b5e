/* tracer.h: who wants to watch an execution.
 *
 * A tracer is a table of functions, each of which may be NULL; without one nothing is spent on
 * tracing (the interpreter takes another jump table when `step` is set). Pointers in the events
 * are borrowed for the duration of the call. A tracer must not change the journal, with one
 * exception: in enter() and exit() it may write logs (the transfer logs of eth_simulateV1), which a
 * revert of the frame undoes like any other.
 *
 * Order: enter() of a frame, whatever happens in it, exit() of that frame; also for calls that fail
 * before they begin and for precompiled contracts and native modules. SELFDESTRUCT is an enter()
 * with an exit() right after it.
 */
#ifndef LEDGER_EVM_TRACER_H
#define LEDGER_EVM_TRACER_H

#include "ledger/evm/status.h"
#include "ledger/exec/journal.h"

enum evm_kind {
    EVM_CALL,
    EVM_CALLCODE,
    EVM_DELEGATECALL,
    EVM_STATICCALL,
    EVM_CREATE,
    EVM_CREATE2,
    EVM_SELFDESTRUCT,
};
/* evm_kind_name: "CALL", "DELEGATECALL" … */
const char *evm_kind_name(enum evm_kind kind);

struct evm_enter {
    enum evm_kind kind;
    unsigned depth;      /* 0: the transaction itself */
    struct address from; /* who calls; for DELEGATECALL the contract that runs */
    struct address
        to; /* whose code; for a creation the new contract; for SELFDESTRUCT who is paid */
    struct address self; /* whose storage */
    struct u256 value;   /* of DELEGATECALL: that of the frame above */
    u64 gas;             /* what the frame may spend */
    bytes input;         /* call data, or init code */
};

struct evm_exit {
    unsigned depth;
    enum evm_status status;
    u64 gas_used;
    bytes output; /* return value, revert data, or the code that was deployed */
};

struct evm_step {
    unsigned depth;
    u64 pc;
    u8 op;
    u64 gas; /* before the instruction */
    u64 refund;
    const struct address *self;
    const struct u256 *stack; /* stack[0] is the lowest */
    size_t stack_count;
    bytes memory;
    bytes return_data;
};

struct evm_tracer {
    void *ctx;
    void (*enter)(void *ctx, const struct evm_enter *enter);
    void (*exit)(void *ctx, const struct evm_exit *exit);
    /* Before each instruction, also before one that then cannot begin (no such instruction, too few
     * operands, too little gas): the frame's exit follows. A fault ends the
     * execution with that fault: whoever has seen enough need not watch the rest. */
    err (*step)(void *ctx, const struct evm_step *step);
    /* An account or slot that an instruction looks at (also the callee of a call, the address of a
     * new contract, the target of a delegation), before it is read or changed. */
    void (*account)(void *ctx, const struct address *address);
    void (*slot)(void *ctx, const struct address *address, const struct hash *slot);
    /* A log of a LOG instruction or of a native module, after it was written. */
    void (*log)(void *ctx, unsigned depth, const struct journal_log *log);
};

#endif
