#include "ledger/exec/native.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/journal.h"

#define NATIVE_MODULES_MAX 32
#define NATIVE_TABLES_BYTES MIB(4)
#define NATIVE_OUTPUT_BYTES_MAX MIB(1)

struct native_entry {
    const struct native_module *module;
    struct address address;
    struct abi_entry functions[NATIVE_FUNCTIONS_MAX];
    struct abi_entry events[NATIVE_EVENTS_MAX];
};

/* Written once by native_tables_init() before any call, read-only after: not state of an engine but
 * the parsed form of constants. Sorted by module number. */
static struct {
    struct arena arena;
    struct native_entry *entries;
    size_t count;
} tables;

struct address native_address(u32 number)
{
    struct address address = {{0}};
    store_be32(address.b + 16, 0xca1a0000u + number);
    return address;
}

static void parse_functions(struct native_entry *entry)
{
    const struct native_module *module = entry->module;
    assert_that(module->function_count <= NATIVE_FUNCTIONS_MAX);
    for (size_t i = 0; i < module->function_count; i++) {
        err e = abi_parse(&tables.arena, module->functions[i].signature, &entry->functions[i]);
        assert_that(is_ok(e));
        assert_that(module->functions[i].handler != NULL);
        for (size_t j = 0; j < i; j++) {
            assert_that(memcmp(entry->functions[i].selector, entry->functions[j].selector, 4) != 0);
        }
    }
}

static void parse_events(struct native_entry *entry)
{
    const struct native_module *module = entry->module;
    assert_that(module->event_count <= NATIVE_EVENTS_MAX);
    for (size_t i = 0; i < module->event_count; i++) {
        err e = abi_parse(&tables.arena, module->events[i].signature, &entry->events[i]);
        assert_that(is_ok(e));
        size_t indexed = 0;
        for (size_t j = 0; j < entry->events[i].input_count; j++) {
            indexed += entry->events[i].inputs[j].indexed ? 1 : 0;
        }
        assert_that(indexed <= 3);
    }
}

static const struct native_module *lowest_after(const struct native_module *const *modules,
                                                size_t count, const struct native_module *last)
{
    const struct native_module *lowest = NULL;
    for (size_t i = 0; i < count; i++) {
        bool after = last == NULL || modules[i]->number > last->number;
        if (after && (lowest == NULL || modules[i]->number < lowest->number)) {
            lowest = modules[i];
        }
    }
    return lowest;
}

void native_tables_init(const struct native_module *const *modules, size_t count)
{
    if (tables.entries != NULL) {
        assert_that(tables.count == count);
        return;
    }
    assert_that(count <= NATIVE_MODULES_MAX);
    arena_init(&tables.arena, NATIVE_TABLES_BYTES);
    tables.entries = ARENA_ARRAY(&tables.arena, struct native_entry, count + 1);
    assert_that(tables.entries != NULL);
    const struct native_module *last = NULL;
    for (tables.count = 0; tables.count < count; tables.count++) {
        last = lowest_after(modules, count, last);
        assert_that(last != NULL);
        struct native_entry *entry = &tables.entries[tables.count];
        entry->module = last;
        entry->address = native_address(last->number);
        parse_functions(entry);
        parse_events(entry);
    }
}

static const struct native_entry *entry_at(const struct address *address)
{
    for (size_t i = 0; i < tables.count; i++) {
        if (address_eq(&tables.entries[i].address, address)) {
            return &tables.entries[i];
        }
    }
    return NULL;
}

static const struct native_entry *entry_of(const struct native_module *module)
{
    for (size_t i = 0; i < tables.count; i++) {
        if (tables.entries[i].module == module) {
            return &tables.entries[i];
        }
    }
    unreachable_case();
}

const struct native_module *native_find(const struct address *address)
{
    const struct native_entry *entry = entry_at(address);
    return entry != NULL ? entry->module : NULL;
}

size_t native_count(void) { return tables.count; }

const struct native_module *native_at(size_t i)
{
    assert_that(i < tables.count);
    return tables.entries[i].module;
}

const struct abi_entry *native_function_abi(const struct native_module *module, size_t i)
{
    assert_that(i < module->function_count);
    return &entry_of(module)->functions[i];
}

const struct abi_entry *native_event_abi(const struct native_module *module, size_t i)
{
    assert_that(i < module->event_count);
    return &entry_of(module)->events[i];
}

/* SIZE_MAX: no such function. */
static size_t function_index(const struct native_entry *entry, bytes input)
{
    for (size_t i = 0; input.len >= 4 && i < entry->module->function_count; i++) {
        if (memcmp(entry->functions[i].selector, input.data, 4) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Everything that is refused before the arguments are looked at. */
static bool call_allowed(struct frame *frame, const struct native_function *function)
{
    frame->is_static |= frame->kind == CALL_STATIC;
    if (frame->is_static && (function->flags & NATIVE_VIEW) == 0) {
        frame_revert(frame, "state change in a static call");
    } else if (!u256_is_zero(frame->value) && (function->flags & NATIVE_PAYABLE) == 0) {
        frame_revert(frame, "function is not payable");
    }
    return frame_running(frame);
}

static err decode_arguments(struct frame *frame, const struct abi_entry *abi,
                            struct abi_value **ret_args)
{
    struct abi_value *args = ARENA_ARRAY(frame->arena, struct abi_value, abi->input_count + 1);
    if (args == NULL) {
        return fail(ERR_LIMIT);
    }
    bytes encoded = bytes_slice(frame->input, 4, frame->input.len - 4);
    err e = abi_decode(frame->arena, abi->inputs, abi->input_count, encoded, args);
    if (is_err(e, ERR_MALFORMED)) {
        frame_revert(frame, "malformed arguments");
        return ok();
    }
    *ret_args = args;
    return e;
}

static err encode_returns(struct frame *frame, const struct abi_entry *abi,
                          const struct abi_value *values)
{
    struct buf out;
    buf_init(&out, NATIVE_OUTPUT_BYTES_MAX);
    abi_encode(&out, abi->outputs, abi->output_count, values);
    err e = buf_done(&out);
    if (!is_ok(e)) {
        buf_free(&out);
        frame_revert(frame, "result too long");
        return ok();
    }
    frame->output = arena_copy(frame->arena, buf_bytes(&out));
    buf_free(&out);
    return frame->output.data != NULL ? ok() : fail(ERR_LIMIT);
}

static err call_function(struct frame *frame, const struct native_function *function,
                         const struct abi_entry *abi)
{
    /* Decoding reads every word once: it is paid for before it is done. */
    if (!frame_charge(frame, ceil_div(frame->input.len, 32) * GAS_COPY_WORD)) {
        return ok();
    }
    struct abi_value *args = NULL;
    TRY(decode_arguments(frame, abi, &args));
    if (!frame_charge(frame, function->gas)) {
        return ok();
    }
    struct abi_value *returns = ARENA_ARRAY(frame->arena, struct abi_value, abi->output_count + 1);
    if (returns == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(function->handler(frame, args, returns));
    TRY(journal_fault(frame->journal));
    return frame_running(frame) ? encode_returns(frame, abi, returns) : ok();
}

err native_call(struct frame *frame)
{
    const struct native_entry *entry = entry_at(&frame->self);
    assert_that(entry != NULL);
    if (frame->kind == CALL_DELEGATE || frame->kind == CALL_CODE) {
        frame_revert(frame, "native modules take no delegate calls");
        return ok();
    }
    size_t i = function_index(entry, frame->input);
    if (i == SIZE_MAX) {
        frame_revert(frame, "no such function");
        return ok();
    }
    const struct native_function *function = &entry->module->functions[i];
    if (!call_allowed(frame, function)) {
        return ok();
    }
    return call_function(frame, function, &entry->functions[i]);
}

/* An indexed value is its word, or the hash of its bytes. */
static struct hash topic_of(const struct abi_type *type, const struct abi_value *value)
{
    struct hash topic;
    switch (type->kind) {
    case ABI_BYTES:
    case ABI_STRING:
        keccak256(&topic, value->data);
        return topic;
    case ABI_ARRAY:
    case ABI_TUPLE:
        unreachable_case();
    case ABI_UINT:
    case ABI_INT:
    case ABI_ADDRESS:
    case ABI_BOOL:
    case ABI_FIXED_BYTES:
        break;
    }
    memcpy(topic.b, value->word, sizeof topic.b);
    return topic;
}

void native_emit(struct frame *frame, const struct native_module *module, size_t event,
                 const struct abi_value *values)
{
    const struct abi_entry *abi = native_event_abi(module, event);
    struct hash topics[4] = {abi->topic};
    size_t topic_count = 1;
    struct abi_type types[ABI_PARAMS_MAX];
    struct abi_value plain[ABI_PARAMS_MAX];
    size_t plain_count = 0;
    for (size_t i = 0; i < abi->input_count; i++) {
        if (abi->inputs[i].indexed) {
            topics[topic_count++] = topic_of(&abi->inputs[i], &values[i]);
        } else {
            types[plain_count] = abi->inputs[i];
            plain[plain_count++] = values[i];
        }
    }
    struct buf data;
    buf_init(&data, NATIVE_OUTPUT_BYTES_MAX);
    abi_encode(&data, types, plain_count, plain);
    if (is_ok(buf_done(&data))) {
        frame_log(frame, topics, topic_count, buf_bytes(&data));
    } else {
        frame_revert(frame, "event too long");
    }
    buf_free(&data);
}
