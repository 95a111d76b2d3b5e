#include "ledger/ethereum/requests.h"

#include "crypto/hash.h"

#define DEPOSIT_EVENT_BYTES 576
#define REQUEST_BYTES_MAX MIB(4)

enum request_type { REQUEST_DEPOSITS, REQUEST_WITHDRAWALS, REQUEST_CONSOLIDATIONS, REQUEST_COUNT };

/* keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)") */
static const struct hash deposit_event = {{0x64, 0x9b, 0xbc, 0x62, 0xd0, 0xe3, 0x13, 0x42,
                                           0xaf, 0xea, 0x4e, 0x5c, 0xd8, 0x2d, 0x40, 0x49,
                                           0xe7, 0xe1, 0xee, 0x91, 0x2f, 0xc0, 0x88, 0x9a,
                                           0xa7, 0x90, 0x80, 0x3b, 0xe3, 0x90, 0x38, 0xc5}};

/* --- EIP-6110 --- */

static bool word_is(bytes data, size_t at, u64 value)
{
    u8 word[32] = {0};
    store_be64(word + 24, value);
    return memcmp(data.data + at, word, sizeof word) == 0;
}

/* The five members of the event, where the ABI puts them, and nothing else. */
static bool add_deposit(struct buf *out, bytes data)
{
    static const struct {
        size_t at;
        size_t len;
    } members[] = {{160, 48}, {256, 32}, {320, 8}, {384, 96}, {512, 8}};
    if (data.len != DEPOSIT_EVENT_BYTES) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (!word_is(data, 32 * i, members[i].at) ||
            !word_is(data, members[i].at, members[i].len)) {
            return false;
        }
        buf_put(out, bytes_slice(data, members[i].at + 32, members[i].len));
    }
    return true;
}

static void collect_deposits(struct process *process, struct buf *out)
{
    const struct chain_rules *rules = process->options.rules;
    for (size_t i = 0; rules->has_deposit_contract && i < process->tx_count; i++) {
        const struct receipt *receipt = &process->receipts[i];
        for (size_t j = 0; j < receipt->log_count; j++) {
            const struct journal_log *log = &receipt->logs[j];
            if (address_eq(&log->address, &rules->deposit_contract) && log->topic_count > 0 &&
                hash_eq(&log->topics[0], &deposit_event) && !add_deposit(out, log->data)) {
                process->wrong = "a deposit event of another layout";
            }
        }
    }
}

/* --- EIP-7002, EIP-7251 --- */

static err ask(struct process *process, enum process_contract contract, struct buf *out)
{
    struct address address = process_contract_address(contract);
    struct arena scratch;
    struct exec_result result;
    struct account account;
    TRY(journal_account(process->options.journal, &address, &account));
    if (!account_has_code(&account)) {
        process->wrong = "a contract for requests is missing";
        return ok();
    }
    arena_init(&scratch, EXEC_TX_BYTES_MAX);
    err e = execute_system_call(&process->executor, &address, bytes_make("", 0), &scratch, &result);
    if (is_ok(e) && !result.success) {
        process->wrong = "a system call for requests failed";
    } else if (is_ok(e)) {
        buf_put(out, result.output);
    }
    arena_free(&scratch);
    return e;
}

/* SHA-256 over the SHA-256 of each type that has any data. */
static void hash_requests(struct process *process)
{
    struct hash parts[REQUEST_COUNT];
    size_t count = 0;
    for (u8 type = 0; type < REQUEST_COUNT; type++) {
        bytes data = process->requests[type];
        if (data.len > 0) {
            const struct bytes list[] = {bytes_make(&type, 1), data};
            sha256_parts(&parts[count++], list, COUNT_OF(list));
        }
    }
    sha256(&process->requests_hash, bytes_make(parts, count * sizeof parts[0]));
}

static err collect(struct process *process, enum request_type type, struct buf *data)
{
    buf_clear(data);
    switch (type) {
    case REQUEST_DEPOSITS:
        collect_deposits(process, data);
        break;
    case REQUEST_WITHDRAWALS:
        TRY(ask(process, PROCESS_WITHDRAWALS, data));
        break;
    case REQUEST_CONSOLIDATIONS:
        TRY(ask(process, PROCESS_CONSOLIDATIONS, data));
        break;
    case REQUEST_COUNT:
        break;
    }
    TRY(buf_done(data));
    process->requests[type] = arena_copy(process->options.arena, buf_bytes(data));
    return process->requests[type].data != NULL ? ok() : fail(ERR_LIMIT);
}

err process_collect_requests(struct process *process)
{
    struct buf data;
    err e = ok();
    int types =
        process->options.rules->is_own ? 0 : REQUEST_COUNT; /* ours has no consensus layer */
    buf_init(&data, REQUEST_BYTES_MAX);
    for (int type = 0; type < types && is_ok(e); type++) {
        e = collect(process, (enum request_type)type, &data);
    }
    buf_free(&data);
    hash_requests(process);
    return e;
}
