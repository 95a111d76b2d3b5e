#include "os/fiber_context.h"

#include "base/assert.h"
#include "os/loop.h"

#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define WITH_TSAN 1
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Larger than any frame of ours, so that no frame steps over it (release builds probe anyway). */
#define GUARD_BYTES KIB(64)
/* Instrumented frames are several times larger. */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define STACK_BYTES (4 * FIBER_STACK_BYTES)
#else
#define STACK_BYTES FIBER_STACK_BYTES
#endif
#define MAP_BYTES (GUARD_BYTES + STACK_BYTES)

/* ThreadSanitizer pairs the entry and exit of every call: none may lie across the switch. */
#define ALWAYS_INLINE __attribute__((always_inline)) inline

void fiber_stacks_init(struct fiber_stacks *stacks) { *stacks = (struct fiber_stacks){0}; }

static void stack_unmap(void *map) { assert_that(munmap(map, MAP_BYTES) == 0); }

void fiber_stacks_free(struct fiber_stacks *stacks)
{
    while (stacks->idle_count > 0) {
        stack_unmap(stacks->idle[--stacks->idle_count]);
    }
}

static void *stack_map(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    u8 *map = mmap(NULL, MAP_BYTES, PROT_NONE, flags, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(map + GUARD_BYTES, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        stack_unmap(map);
        return NULL;
    }
    /* A huge page would cost what the lazy mapping saves. Kernels without them refuse: fine. */
    (void)madvise(map + GUARD_BYTES, STACK_BYTES, MADV_NOHUGEPAGE);
    return map;
}

static void *stack_take(struct fiber_stacks *stacks)
{
    return stacks->idle_count > 0 ? stacks->idle[--stacks->idle_count] : stack_map();
}

static void stack_give(struct fiber_stacks *stacks, void *map)
{
#ifdef WITH_ASAN
    /* The frames that were left for good still have poisoned red zones. */
    __asan_unpoison_memory_region((u8 *)map + GUARD_BYTES, STACK_BYTES);
#endif
    if (stacks->idle_count == FIBER_STACKS_IDLE_MAX) {
        stack_unmap(map);
        return;
    }
    /* One deep call must not keep its pages for ever. */
    assert_that(
        madvise((u8 *)map + GUARD_BYTES, STACK_BYTES - FIBER_STACK_WARM_BYTES, MADV_DONTNEED) == 0);
    stacks->idle[stacks->idle_count++] = map;
}

static void *race_context_new(void)
{
#ifdef WITH_TSAN
    return __tsan_create_fiber(0);
#else
    return NULL;
#endif
}

static void race_context_free(struct fiber_context *context)
{
#ifdef WITH_TSAN
    __tsan_destroy_fiber(context->race_context);
#endif
    context->race_context = NULL;
}

/* Runs on the old stack, right before the switch. */
static ALWAYS_INLINE void announce(struct fiber_context *from, struct fiber_context *to, bool last)
{
    to->came_from = from;
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack_low, to->stack_bytes);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(to->race_context, 0);
#endif
    (void)last;
}

/* Runs on the new stack, right after the switch. The bounds of a thread's own stack are only
 * known from here. */
static ALWAYS_INLINE void arrive(struct fiber_context *self)
{
#ifdef WITH_ASAN
    struct fiber_context *from = self->came_from;
    const void *low;
    size_t stack_bytes;
    __sanitizer_finish_switch_fiber(self->fake_stack, &low, &stack_bytes);
    if (from->stack_low == NULL) {
        from->stack_low = low;
        from->stack_bytes = stack_bytes;
    }
#endif
    (void)self;
}

__attribute__((noreturn)) static void begin(struct fiber_context *self)
{
    arrive(self);
    self->entry(self->arg);
    assert_failed("a fiber's entry returned", __FILE__, __LINE__);
}

#ifdef FIBER_CONTEXT_UCONTEXT

/* makecontext() passes ints only. */
static void begin_halves(unsigned high, unsigned low)
{
    begin((struct fiber_context *)(uintptr_t)((u64)high << 32 | low));
}

static void prepare(struct fiber_context *context, u8 *low)
{
    u64 self = (u64)(uintptr_t)context;
    assert_that(getcontext(&context->ucontext) == 0);
    context->ucontext.uc_stack.ss_sp = low;
    context->ucontext.uc_stack.ss_size = STACK_BYTES;
    context->ucontext.uc_link = NULL;
    makecontext(&context->ucontext, (void (*)(void))begin_halves, 2, (unsigned)(self >> 32),
                (unsigned)self);
}

static ALWAYS_INLINE void jump(struct fiber_context *from, struct fiber_context *to)
{
    assert_that(swapcontext(&from->ucontext, &to->ucontext) == 0);
}

#else

/* fiber_switch_stack(save, load): pushes the callee-saved registers, stores the stack pointer to
 * *save, takes `load` for it, pops the same registers there and returns to whoever called there.
 * fiber_first_return is where a new stack "returns" to: it hands over the argument that prepare()
 * put into a callee-saved register. Both carry landing pads for indirect branch tracking. Shadow
 * stacks are not switched: this file is built without claiming support for them. */
void fiber_switch_stack(void **save, void *load) __attribute__((visibility("hidden")));
void fiber_first_return(void) __attribute__((visibility("hidden")));

#if defined(__x86_64__)

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl fiber_switch_stack\n"
        ".hidden fiber_switch_stack\n"
        ".type fiber_switch_stack, @function\n"
        "fiber_switch_stack:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbp, 0\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbx, 0\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r12, 0\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r13, 0\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r14, 0\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r15, 0\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r15\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r14\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r13\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rbp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size fiber_switch_stack, . - fiber_switch_stack\n"
        ".p2align 4\n"
        ".globl fiber_first_return\n"
        ".hidden fiber_first_return\n"
        ".type fiber_first_return, @function\n"
        "fiber_first_return:\n"
        ".cfi_startproc\n"
        ".cfi_undefined rip\n"
        "    endbr64\n"
        "    movq %r12, %rdi\n"
        "    callq *%r13\n"
        "    ud2\n"
        ".cfi_endproc\n"
        ".size fiber_first_return, . - fiber_first_return\n"
        ".popsection\n");

/* What fiber_switch_stack() pops, lowest address first. */
struct first_frame {
    u32 mxcsr;
    u32 x87_control;
    u64 r15, r14;
    u64 r13; /* function */
    u64 r12; /* its argument */
    u64 rbx, rbp;
    u64 return_to;
    u64 end[2]; /* zero return address for unwinders; keeps the stack aligned by 16 */
};
_Static_assert(sizeof(struct first_frame) % 16 == 0, "the ABI aligns stacks by 16");

static void fill_first_frame(struct first_frame *frame, u64 function, u64 argument)
{
    *frame = (struct first_frame){.mxcsr = 0x1f80, /* the ABI's initial values */
                                  .x87_control = 0x037f,
                                  .r13 = function,
                                  .r12 = argument,
                                  .return_to = (u64)(uintptr_t)fiber_first_return};
}

#else /* __aarch64__ */

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl fiber_switch_stack\n"
        ".hidden fiber_switch_stack\n"
        ".type fiber_switch_stack, %function\n"
        "fiber_switch_stack:\n"
        ".cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    sub sp, sp, #160\n"
        "    .cfi_adjust_cfa_offset 160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    .cfi_rel_offset x29, 80\n"
        "    .cfi_rel_offset x30, 88\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    .cfi_adjust_cfa_offset -160\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size fiber_switch_stack, . - fiber_switch_stack\n"
        ".p2align 4\n"
        ".globl fiber_first_return\n"
        ".hidden fiber_first_return\n"
        ".type fiber_first_return, %function\n"
        "fiber_first_return:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "    hint #36\n" /* bti j */
        "    mov x0, x19\n"
        "    blr x20\n"
        "    brk #1\n"
        ".cfi_endproc\n"
        ".size fiber_first_return, . - fiber_first_return\n"
        ".popsection\n");

/* What fiber_switch_stack() loads, lowest address first. */
struct first_frame {
    u64 x19; /* argument */
    u64 x20; /* function */
    u64 x21_to_x28[8];
    u64 x29, x30;
    u64 d8_to_d15[8];
};
_Static_assert(sizeof(struct first_frame) == 160, "as the instructions above have it");

static void fill_first_frame(struct first_frame *frame, u64 function, u64 argument)
{
    *frame = (struct first_frame){
        .x19 = argument, .x20 = function, .x30 = (u64)(uintptr_t)fiber_first_return};
}

#endif

static void prepare(struct fiber_context *context, u8 *low)
{
    void *at = low + STACK_BYTES - sizeof(struct first_frame);
    fill_first_frame(at, (u64)(uintptr_t)begin, (u64)(uintptr_t)context);
    context->stack_pointer = at;
}

static ALWAYS_INLINE void jump(struct fiber_context *from, struct fiber_context *to)
{
    fiber_switch_stack(&from->stack_pointer, to->stack_pointer);
}

#endif

void fiber_context_init_thread(struct fiber_context *context)
{
    *context = (struct fiber_context){0};
#ifdef WITH_TSAN
    context->race_context = __tsan_get_current_fiber();
#endif
}

bool fiber_context_init(struct fiber_context *context, struct fiber_stacks *stacks,
                        void (*entry)(void *arg), void *arg)
{
    u8 *map = stack_take(stacks);
    if (map == NULL) {
        return false;
    }
    *context = (struct fiber_context){.map = map,
                                      .entry = entry,
                                      .arg = arg,
                                      .stack_low = map + GUARD_BYTES,
                                      .stack_bytes = STACK_BYTES,
                                      .race_context = race_context_new()};
    prepare(context, map + GUARD_BYTES);
    return true;
}

void fiber_context_free(struct fiber_context *context, struct fiber_stacks *stacks)
{
    race_context_free(context);
    stack_give(stacks, context->map);
    context->map = NULL;
}

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to)
{
    announce(from, to, false);
    jump(from, to);
    arrive(from);
}

void fiber_context_exit(struct fiber_context *from, struct fiber_context *to)
{
    announce(from, to, true);
    jump(from, to);
    assert_failed("a fiber that had ended went on", __FILE__, __LINE__);
}

size_t fiber_context_touched(const struct fiber_context *context)
{
    static const size_t page_bytes = 4096;
    u8 resident[STACK_BYTES / 4096];
    size_t touched = 0;
    if (mincore((u8 *)context->map + GUARD_BYTES, STACK_BYTES, resident) != 0) {
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(resident); i++) {
        touched += (resident[i] & 1) * page_bytes;
    }
    return touched;
}
