/* What a compiler wrote, and what a contract answered: a big-endian length, so many bytes of a
 * contract file, and behind them a log (a count of topics, topics, data) that is read as the data
 * of a revert, too. The command line is a program, not a library: its files are compiled in. */
#include "cli/abi_text.c"
#include "cli/contract_file.c"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define ARENA_BYTES MIB(4)

static void read_entries(const struct contract_file *file, struct arena *arena)
{
    static const char *const kinds[] = {"function", "constructor", "error", "event"};
    struct abi_entry entry;
    bool is_view;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (size_t inputs = 0; inputs < 3; inputs++) {
            err e = contract_file_entry(file, arena, kinds[i], i == 1 ? NULL : "f", inputs, &entry,
                                        &is_view);
            assert_that(!is_ok(e) || entry.input_count == inputs);
        }
    }
}

static void read_answers(const struct contract_file *file, struct arena *arena, bytes in)
{
    struct hash topics[ABI_TOPICS_MAX];
    size_t count = in.len > 0 ? in.data[0] % (ABI_TOPICS_MAX + 1) : 0;
    assert_that(contract_file_revert(file, arena, in) != NULL);
    assert_that(contract_file_revert(NULL, arena, in) != NULL);
    if (in.len > count * sizeof topics[0]) {
        size_t head = 1 + count * sizeof topics[0];
        memcpy(topics, in.data + 1, head - 1);
        json_decref(
            contract_file_log(file, arena, topics, count, bytes_slice(in, head, in.len - head)));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct arena arena;
    struct contract_file file = {.abi = NULL};
    json_t *root = NULL;
    if (size < 2) {
        return 0;
    }
    bytes in = bytes_make(data + 2, size - 2);
    size_t len = min_size(load_be16(data), in.len);
    arena_init(&arena, ARENA_BYTES);
    bytes text = bytes_slice(in, 0, len);
    if (is_ok(json_parse(text, CONTRACT_FILE_BYTES_MAX, &root))) {
        (void)is_ok(read_object(&file, root, &arena));
    } else {
        (void)is_ok(read_code(text, &arena, &file.code));
    }
    read_entries(&file, &arena);
    read_answers(&file, &arena, bytes_slice(in, len, in.len - len));
    json_decref(root);
    contract_file_free(&file);
    arena_free(&arena);
    return 0;
}
