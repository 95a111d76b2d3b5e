/* verb_tx.c: `cairn tx`: transfers, calls of module functions, receipts, balances. */
#include "cli/abi_text.h"
#include "cli/client.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/assert.h"
#include "base/mem.h"
#include "chain/rpc.h"
#include "ledger/exec/native.h"
#include "ledger/exec/u256.h"

#include <stdlib.h>
#include <string.h>

#define CALL_ARENA_BYTES MIB(8)
#define SIGNATURE_ARENA_BYTES KIB(64)
#define ANSWER_BYTES_MAX MIB(1)
#define WEI_DIGITS 18

static struct {
    const char *to;
    const char *value;
    bool dry;
} options = {.value = "0"};

/* ---- amounts: "12.5" CRN, or "1000wei" ---- */

static bool parse_amount(struct u256 *ret, const char *text)
{
    char digits[100];
    size_t len = strlen(text);
    if (len > 3 && strcmp(text + len - 3, "wei") == 0) {
        return u256_parse_decimal(ret, bytes_make(text, len - 3));
    }
    const char *dot = strchr(text, '.');
    size_t whole = dot != NULL ? (size_t)(dot - text) : len;
    size_t decimals = dot != NULL ? len - whole - 1 : 0;
    if (whole == 0 || whole > 60 || decimals > WEI_DIGITS || (dot != NULL && decimals == 0)) {
        return false;
    }
    snprintf(digits, sizeof digits, "%.*s%s", (int)whole, text, dot != NULL ? dot + 1 : "");
    size_t at = strlen(digits);
    memset(digits + at, '0', WEI_DIGITS - decimals);
    at += WEI_DIGITS - decimals;
    digits[at] = '\0';
    const char *start = digits + strspn(digits, "0");
    return u256_parse_decimal(ret, bytes_str(*start != '\0' ? start : "0"));
}

/* "12.5 CRN" */
static void amount_text(char out[100], struct u256 wei)
{
    char digits[80];
    char padded[100];
    u256_decimal(digits, wei);
    snprintf(padded, sizeof padded, "%0*d%s", strlen(digits) < 19 ? 19 - (int)strlen(digits) : 0, 0,
             digits);
    const char *start = strlen(digits) < 19 ? padded : digits;
    size_t whole = strlen(start) - WEI_DIGITS;
    size_t end = strlen(start);
    while (end > whole + 1 && start[end - 1] == '0') {
        end--;
    }
    if (end == whole + 1 && start[whole] == '0') {
        snprintf(out, 100, "%.*s CRN", (int)whole, start);
    } else {
        snprintf(out, 100, "%.*s.%.*s CRN", (int)whole, start, (int)(end - whole), start + whole);
    }
}

static bool parse_address(struct address *ret, const char *text)
{
    return hex_decode_0x(ret->b, sizeof ret->b, bytes_str(text));
}

/* ---- logs and receipts ---- */

static const char *module_name(const struct address *address)
{
    const struct native_module *module = native_find(address);
    return module != NULL ? module->name : NULL;
}

/* A log of a native module by its event's name and values; NULL if it is none. */
static json_t *module_log(struct arena *arena, const struct chain_log *log)
{
    const struct native_module *module = native_find(&log->address);
    struct abi_value values[ABI_PARAMS_MAX];
    for (size_t i = 0; module != NULL && i < module->event_count; i++) {
        const struct abi_entry *event = native_event_abi(module, i);
        if (is_ok(
                abi_decode_event(arena, event, log->topics, log->topic_count, log->data, values))) {
            return json_pack("{s:s, s:s, s:o}", "module", module->name, "event", event->name,
                             "values",
                             abi_members_to_json(event->inputs, values, event->input_count));
        }
    }
    return NULL;
}

static json_t *plain_log(const struct chain_log *log)
{
    json_t *topics = json_array();
    for (size_t i = 0; i < log->topic_count; i++) {
        json_array_append_new(topics, json_data(BYTES_OF(log->topics[i])));
    }
    return json_pack("{s:o, s:o, s:o}", "address", json_data(BYTES_OF(log->address)), "topics",
                     topics, "data", json_data(log->data));
}

static json_t *describe_receipt(const struct hash *tx, const struct chain_receipt *receipt,
                                struct arena *arena)
{
    json_t *logs = json_array();
    for (size_t i = 0; i < receipt->log_count; i++) {
        json_t *log = module_log(arena, &receipt->logs[i]);
        json_array_append_new(logs, log != NULL ? log : plain_log(&receipt->logs[i]));
    }
    return json_pack("{s:o, s:b, s:I, s:I, s:o}", "hash", json_data(BYTES_OF(*tx)), "success",
                     receipt->success, "height", (json_int_t)receipt->height, "gas_used",
                     (json_int_t)receipt->gas_used, "logs", logs);
}

static void show_receipt(const struct cli *cli, json_t *object)
{
    size_t i;
    json_t *log;
    cli_print(cli, "%s %s in block %lld, %lld gas\n", json_read_str(object, "hash"),
              json_is_true(json_object_get(object, "success")) ? "done" : "REVERTED",
              (long long)json_integer_value(json_object_get(object, "height")),
              (long long)json_integer_value(json_object_get(object, "gas_used")));
    json_array_foreach(json_object_get(object, "logs"), i, log)
    {
        cli_print_value(cli, "  ", log, false);
    }
    cli_print_json(cli, object);
}

/* Signs, sends, awaits, shows. */
static err send_and_show(struct client *client, const struct chain_call *call, struct arena *arena)
{
    bytes raw;
    struct hash hash;
    struct chain_receipt receipt;
    TRY(client_account(client));
    err e = chain_sign(client->account, call, arena, client_deadline(client), &raw, &hash);
    if (is_ok(e)) {
        e = chain_submit_raw(client->chain, raw, client_deadline(client));
    }
    if (is_ok(e)) {
        e = chain_await(client->chain, &hash, arena, client_deadline(client), &receipt);
    }
    if (!is_ok(e)) {
        return client_fail(client, e, "the log above says why, if the ledger refused it",
                           "the transaction was not included: %s", err_text(e));
    }
    show_receipt(client->cli, describe_receipt(&hash, &receipt, arena));
    return receipt.success
               ? ok()
               : client_fail(client, fail(ERR_REFUSED), NULL, "the transaction reverted");
}

/* ---- send ---- */

static err send_value(struct client *client)
{
    struct chain_call call = {.gas_limit = 0};
    struct arena arena;
    if (!parse_address(&call.to, options.to)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address", options.to);
    }
    if (!parse_amount(&call.value, options.value)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = send_and_show(client, &call, &arena);
    arena_free(&arena);
    return e;
}

static int run_send(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    return options.to == NULL ? cli_usage(cli, "--to ADDRESS is needed")
                              : client_main(cli, send_value);
}

/* ---- call ---- */

struct target {
    struct address address;
    struct abi_entry entry;
    bool is_view;
};

/* A module's name or an address. */
static err find_target(struct client *client, const char *text, struct address *ret)
{
    for (size_t i = 0; i < native_count(); i++) {
        if (strcmp(native_at(i)->name, text) == 0) {
            *ret = native_address(native_at(i)->number);
            return ok();
        }
    }
    return parse_address(ret, text) ? ok()
                                    : client_fail(client, fail(ERR_USAGE), NULL,
                                                  "'%s' is no module and no address", text);
}

/* A function's name in a module's table, or a whole signature. */
static err find_function(struct client *client, const char *text, struct arena *arena,
                         struct target *target)
{
    const struct native_module *module = native_find(&target->address);
    for (size_t i = 0; module != NULL && i < module->function_count; i++) {
        const struct abi_entry *entry = native_function_abi(module, i);
        if (strcmp(entry->name, text) == 0) {
            target->entry = *entry;
            target->is_view = (module->functions[i].flags & NATIVE_VIEW) != 0;
            return ok();
        }
    }
    target->is_view = options.dry;
    return is_ok(abi_parse(arena, text, &target->entry))
               ? ok()
               : client_fail(client, fail(ERR_USAGE),
                             "name a function of docs/protocols/modules.md, or give its signature",
                             "there is no function '%s'", text);
}

static err encode_call(struct client *client, const struct abi_entry *entry, struct arena *arena,
                       struct buf *out)
{
    struct abi_value values[ABI_PARAMS_MAX];
    const char *const *texts = client->cli->positionals + 2;
    size_t count = client->cli->positional_count - 2;
    if (count != entry->input_count) {
        return client_fail(client, fail(ERR_USAGE), NULL, "%s takes %zu arguments, not %zu",
                           entry->name, entry->input_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_ok(abi_from_text(arena, &entry->inputs[i], texts[i], &values[i]))) {
            return client_fail(client, fail(ERR_USAGE), NULL,
                               "'%s' is no value for argument %zu %s", texts[i], i + 1,
                               entry->inputs[i].name);
        }
    }
    abi_encode_call(out, entry, values);
    return buf_done(out);
}

struct answer {
    const struct abi_entry *entry;
    struct arena *arena;
    struct abi_value values[ABI_PARAMS_MAX];
};

static err read_answer(void *ctx, const json_t *result)
{
    struct answer *answer = ctx;
    bytes data;
    return json_read_data(result, answer->arena, &data)
               ? abi_decode(answer->arena, answer->entry->outputs, answer->entry->output_count,
                            data, answer->values)
               : fail(ERR_MALFORMED);
}

static void show_answer(const struct cli *cli, const struct answer *answer)
{
    json_t *object =
        abi_members_to_json(answer->entry->outputs, answer->values, answer->entry->output_count);
    cli_print_value(cli, "", object, true);
    cli_print_json(cli, object);
}

static err ask(struct client *client, const struct target *target, bytes input, struct arena *arena)
{
    const char *url = client_rpc_url(client);
    struct rpc_link link;
    struct rpc_error error;
    struct answer answer = {.entry = &target->entry, .arena = arena};
    TRY(rpc_link_init(&link, client->loop, &url, 1));
    const struct rpc_request request = {
        .method = "eth_call",
        .params = json_pack("[{s:o, s:o}, s]", "to", json_data(BYTES_OF(target->address)), "data",
                            json_data(input), "latest"),
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .deadline_ms = client_deadline(client),
        .read = read_answer,
        .ctx = &answer,
    };
    err e = rpc_call(&link, &request, &error);
    if (is_err(e, ERR_REFUSED)) {
        e = client_fail(client, e, NULL, "the ledger refused the call: %s", error.message);
    } else if (is_ok(e)) {
        show_answer(client->cli, &answer);
    }
    rpc_link_free(&link);
    return e;
}

static err call_in(struct client *client, struct arena *arena, struct buf *input)
{
    struct target target;
    struct chain_call call = {.gas_limit = 0};
    TRY(find_target(client, client->cli->positionals[0], &target.address));
    TRY(find_function(client, client->cli->positionals[1], arena, &target));
    TRY(encode_call(client, &target.entry, arena, input));
    if (target.is_view || options.dry) {
        return ask(client, &target, buf_bytes(input), arena);
    }
    if (!parse_amount(&call.value, options.value)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    call.to = target.address;
    call.input = buf_bytes(input);
    return send_and_show(client, &call, arena);
}

static err call_function(struct client *client)
{
    struct arena arena;
    struct buf input;
    arena_init(&arena, CALL_ARENA_BYTES);
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    err e = call_in(client, &arena, &input);
    buf_free(&input);
    arena_free(&arena);
    return e;
}

static int run_call(struct cli *cli)
{
    return cli_parse(cli, 2, 2 + ABI_PARAMS_MAX) ? client_main(cli, call_function) : 2;
}

/* ---- receipt, balance ---- */

static err receipt(struct client *client)
{
    struct hash hash;
    struct arena arena;
    struct chain_receipt found;
    const char *text = client->cli->positionals[0];
    if (!hex_decode_0x(hash.b, sizeof hash.b, bytes_str(text))) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no transaction hash", text);
    }
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = chain_receipt_of(client->chain, &hash, &arena, client_deadline(client), &found);
    if (is_ok(e)) {
        show_receipt(client->cli, describe_receipt(&hash, &found, &arena));
    } else {
        e = client_fail(client, e, NULL, "no receipt of %s: %s", text, err_text(e));
    }
    arena_free(&arena);
    return e;
}

static int run_receipt(struct cli *cli)
{
    return cli_parse(cli, 1, 1) ? client_main(cli, receipt) : 2;
}

static err balance(struct client *client)
{
    struct address address;
    struct u256 wei;
    char digits[80];
    char text[100];
    if (client->cli->positional_count == 0) {
        TRY(client_account(client));
        address = chain_account_address(client->account);
    } else if (!parse_address(&address, client->cli->positionals[0])) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address",
                           client->cli->positionals[0]);
    }
    TRY(chain_balance(client->chain, &address, &wei, client_deadline(client)));
    char account[43];
    key_address_text(account, &address);
    u256_decimal(digits, wei);
    amount_text(text, wei);
    const char *module = module_name(&address);
    cli_print(client->cli, "%s%s%s  %s\n", account, module ? " " : "", module ? module : "", text);
    cli_print_json(client->cli, json_pack("{s:s, s:s}", "address", account, "balance_wei", digits));
    return ok();
}

static int run_balance(struct cli *cli)
{
    return cli_parse(cli, 0, 1) ? client_main(cli, balance) : 2;
}

/* ---- the verbs ---- */

static const struct flag send_flags[] = {
    {"to", FLAG_TEXT, &options.to, "ADDRESS", "who gets it"},
    {"value", FLAG_TEXT, &options.value, "AMOUNT", "CRN like 12.5, or wei like 100wei"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag call_flags[] = {
    {"value", FLAG_TEXT, &options.value, "AMOUNT", "sent along (default 0)"},
    {"dry", FLAG_BOOL, &options.dry, NULL, "only asks what it would return"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag read_flags[] = {
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const struct verb send_verb = {
    .name = "tx send",
    .arguments = "--to ADDRESS --value AMOUNT [FLAGS]",
    .summary = "sends CRN and waits until it is final",
    .examples = "  cairn tx send --to 0x1234…abcd --value 12.5",
    .flags = send_flags,
    .run = run_send,
};
static const struct verb call_verb = {
    .name = "tx call",
    .arguments = "MODULE|ADDRESS FUNCTION|SIGNATURE [ARGUMENT…] [FLAGS]",
    .summary = "calls a function: a view at once, others by a transaction",
    .text = "FUNCTION is a name from the module's table, or a Solidity signature. Arrays and "
            "tuples are\n"
            "JSON arrays.",
    .examples = "  cairn tx call provider count\n"
                "  cairn tx call territory get 1 --json\n"
                "  cairn tx call territory renew 1 86400 --value 3.5\n"
                "  cairn tx call 0x00000000000000000000000000000000ca1a0002 "
                "'get(string name) returns (uint64 value)' epoch_seconds --dry",
    .flags = call_flags,
    .run = run_call,
};
static const struct verb receipt_verb = {
    .name = "tx receipt",
    .arguments = "HASH [FLAGS]",
    .summary = "what became of a transaction",
    .examples = "  cairn tx receipt 0x12…ef --json",
    .flags = read_flags,
    .run = run_receipt,
};
static const struct verb balance_verb = {
    .name = "tx balance",
    .arguments = "[ADDRESS] [FLAGS]",
    .summary = "the CRN of an account, proven",
    .examples = "  cairn tx balance\n  cairn tx balance 0x1234…abcd",
    .flags = read_flags,
    .run = run_balance,
};

static const struct verb *const parts[] = {
    &send_verb, &call_verb, &receipt_verb, &balance_verb, NULL,
};

const struct verb verb_tx = {
    .name = "tx",
    .arguments = "send|call|receipt|balance …",
    .summary = "transactions: transfers, calls of module functions, receipts",
    .examples = "  cairn tx balance\n  cairn tx call beacon current",
    .parts = parts,
};
