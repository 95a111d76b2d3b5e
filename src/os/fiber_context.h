/* fiber_context.h: stacks and the switch between them; no scheduling.
 *
 * A context is a stack plus the place where it stopped. fiber_context_switch() stores the caller's
 * place in `from` and continues at `to`; it returns when somebody switches back. On x86-64 and
 * aarch64 a switch is a dozen instructions that save the callee-saved registers; elsewhere it is
 * swapcontext(). The sanitizers are told of every switch, so that stack-use checks and race
 * reports stay right across them.
 *
 * Stacks are mapped without reserve, FIBER_STACK_BYTES each, above a guard area that ends the
 * process on overflow instead of letting it write into a neighbour. A pool keeps a few warm ones.
 * The loop and the simulator share this code. A context never leaves the thread that made it.
 */
#ifndef OS_FIBER_CONTEXT_H
#define OS_FIBER_CONTEXT_H

#include "base/int.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#define FIBER_CONTEXT_UCONTEXT 1
#include <ucontext.h>
#endif

#define FIBER_STACKS_IDLE_MAX 256
#define FIBER_STACK_WARM_BYTES KIB(16) /* what an idle stack keeps resident at most */

/* Free stacks of one thread. */
struct fiber_stacks {
    void *idle[FIBER_STACKS_IDLE_MAX]; /* lowest mapped addresses */
    size_t idle_count;
};

struct fiber_context {
    void *stack_pointer; /* where it stopped */
    void *map;           /* lowest mapped address; NULL for a thread's own stack */
    void (*entry)(void *arg);
    void *arg;
    struct fiber_context *came_from; /* who switched here last */
    /* For AddressSanitizer and ThreadSanitizer; unused in other builds. */
    const void *stack_low;
    size_t stack_bytes;
    void *fake_stack;
    void *race_context;
#ifdef FIBER_CONTEXT_UCONTEXT
    ucontext_t ucontext;
#endif
};

void fiber_stacks_init(struct fiber_stacks *stacks);
/* fiber_stacks_free: unmaps the idle ones; all others must have been given back. */
void fiber_stacks_free(struct fiber_stacks *stacks);

/* fiber_context_init_thread: `context` stands for the calling thread's own stack. */
void fiber_context_init_thread(struct fiber_context *context);
/* fiber_context_init: the first switch to it calls entry(arg), which must end in
 * fiber_context_exit(). False if the system gives no more stacks. */
MUST_USE bool fiber_context_init(struct fiber_context *context, struct fiber_stacks *stacks,
                                 void (*entry)(void *arg), void *arg);
/* fiber_context_free: gives the stack back; called on another stack, after its exit or instead
 * of ever going on with it (a killed process of the simulator). */
void fiber_context_free(struct fiber_context *context, struct fiber_stacks *stacks);

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to);
/* fiber_context_exit: the last switch away from `from`. */
__attribute__((noreturn)) void fiber_context_exit(struct fiber_context *from,
                                                  struct fiber_context *to);
/* fiber_context_touched: bytes of its stack that are resident now. */
size_t fiber_context_touched(const struct fiber_context *context);

#endif
