#include "cli/contract_call.h"

#include "cli/abi_text.h"
#include "cli/amount.h"
#include "cli/keyfile.h"

#include "chain/rpc.h"
#include "ledger/exec/native.h"

#include <string.h>

#define ANSWER_BYTES_MAX MIB(1)

err contract_call_open(struct contract_call *call, struct client *client, const char *abi_path)
{
    *call = (struct contract_call){.client = client};
    arena_init(&call->arena, CONTRACT_CALL_ARENA_BYTES);
    buf_init(&call->input, CHAIN_RAW_TX_BYTES_MAX);
    if (abi_path == NULL) {
        return ok();
    }
    err e = contract_file_read(&call->file, abi_path, &call->arena);
    return is_ok(e) ? e
                    : client_fail(client, e, "an ABI, or what a compiler writes about a contract",
                                  "cannot use %s: %s", abi_path, err_text(e));
}

void contract_call_close(struct contract_call *call)
{
    contract_file_free(&call->file);
    buf_free(&call->input);
    arena_free(&call->arena);
}

/* ---- target, function, arguments ---- */

/* A module's name or an address. */
static err find_target(struct contract_call *call, const char *text)
{
    for (size_t i = 0; i < native_count(); i++) {
        if (strcmp(native_at(i)->name, text) == 0) {
            call->target = native_address(native_at(i)->number);
            return ok();
        }
    }
    return address_parse(&call->target, text)
               ? ok()
               : client_fail(call->client, fail(ERR_USAGE), NULL,
                             "'%s' is no module and no address", text);
}

static bool find_in_module(struct contract_call *call, const char *text)
{
    const struct native_module *module = native_find(&call->target);
    for (size_t i = 0; module != NULL && i < module->function_count; i++) {
        const struct abi_entry *entry = native_function_abi(module, i);
        if (strcmp(entry->name, text) == 0) {
            call->entry = *entry;
            call->is_view = (module->functions[i].flags & NATIVE_VIEW) != 0;
            return true;
        }
    }
    return false;
}

/* In the module's table, in the ABI file, or as a signature. */
static err find_function(struct contract_call *call, const char *text, size_t arguments)
{
    if (find_in_module(call, text)) {
        return ok();
    }
    err e = contract_file_entry(&call->file, &call->arena, "function", text, arguments,
                                &call->entry, &call->is_view);
    if (is_err(e, ERR_NOT_FOUND)) {
        /* Perhaps with another number of arguments: that is said later. */
        e = contract_file_entry(&call->file, &call->arena, "function", text, SIZE_MAX, &call->entry,
                                &call->is_view);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        call->is_view = false;
        e = abi_parse(&call->arena, text, &call->entry);
    }
    if (is_err(e, ERR_CONFLICT)) {
        return client_fail(call->client, fail(ERR_USAGE), "give the whole signature, 'f(uint256)'",
                           "there are several functions '%s'", text);
    }
    return is_ok(e) ? e
                    : client_fail(call->client, fail(ERR_USAGE),
                                  "a name of docs/protocols/modules.md or of --abi FILE, or a "
                                  "signature like 'f(uint256 a) returns (bool)'",
                                  "there is no function '%s'", text);
}

err contract_call_arguments(struct contract_call *call, size_t first)
{
    struct abi_value values[ABI_PARAMS_MAX];
    const struct abi_entry *entry = &call->entry;
    const char *const *texts = call->client->cli->positionals + first;
    size_t count = call->client->cli->positional_count - first;
    if (count != entry->input_count) {
        return client_fail(call->client, fail(ERR_USAGE), NULL, "%s takes %zu arguments, not %zu",
                           entry->name, entry->input_count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_ok(abi_from_text(&call->arena, &entry->inputs[i], texts[i], &values[i]))) {
            return client_fail(call->client, fail(ERR_USAGE), NULL,
                               "'%s' is no value for argument %zu %s", texts[i], i + 1,
                               entry->inputs[i].name);
        }
    }
    abi_encode(&call->input, entry->inputs, entry->input_count, values);
    return buf_done(&call->input);
}

err contract_call_read(struct contract_call *call)
{
    const struct cli *cli = call->client->cli;
    TRY(find_target(call, cli->positionals[0]));
    TRY(find_function(call, cli->positionals[1], cli->positional_count - 2));
    buf_put(&call->input, BYTES_OF(call->entry.selector));
    return contract_call_arguments(call, 2);
}

/* ---- asking ---- */

struct answer {
    struct arena *arena;
    bytes raw;
};

static err read_answer(void *ctx, const json_t *result)
{
    struct answer *answer = ctx;
    return json_read_data(result, answer->arena, &answer->raw) ? ok() : fail(ERR_MALFORMED);
}

static err read_anything(void *ctx, const json_t *result)
{
    (void)ctx;
    (void)result;
    return ok();
}

/* eth_call, as chain_call is, from an account that may be NULL. */
static err eth_call(struct contract_call *call, const struct address *from,
                    const struct chain_call *what, const char *block, rpc_reader *read, void *ctx,
                    struct rpc_error *ret_error)
{
    const char *url = client_rpc_url(call->client);
    struct rpc_link link;
    u8 value[32];
    if (url == NULL) {
        return client_fail(call->client, fail(ERR_USAGE), "--rpc URL, or a devnet",
                           "no ledger node is known");
    }
    TRY(rpc_link_init(&link, call->client->loop, &url, 1));
    u256_to_be(value, what->value);
    json_t *object =
        json_pack("{s:o, s:o}", "value", json_quantity256(value), "data", json_data(what->input));
    if (!what->is_create) {
        json_object_set_new(object, "to", json_data(BYTES_OF(what->to)));
    }
    if (from != NULL) {
        json_object_set_new(object, "from", json_data(BYTES_OF(*from)));
    }
    const struct rpc_request request = {
        .method = "eth_call",
        .params = json_pack("[o, s]", object, block),
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .deadline_ms = client_deadline(call->client),
        .read = read,
        .ctx = ctx,
    };
    *ret_error = (struct rpc_error){.code = 0};
    err e = rpc_call(&link, &request, ret_error);
    rpc_link_free(&link);
    return e;
}

static err refused(struct contract_call *call, const struct rpc_error *error)
{
    if (error->data_len == 0) {
        return client_fail(call->client, fail(ERR_REFUSED), NULL, "the ledger refused the call: %s",
                           error->message);
    }
    return client_fail(
        call->client, fail(ERR_REFUSED), NULL, "reverted: %s",
        contract_file_revert(&call->file, &call->arena, bytes_make(error->data, error->data_len)));
}

/* A signature without "returns" says nothing of the answer: it is shown as it is. */
static err show_answer(struct contract_call *call, bytes raw)
{
    const struct abi_entry *entry = &call->entry;
    struct abi_value values[ABI_PARAMS_MAX];
    json_t *object = NULL;
    if (entry->output_count == 0) {
        object = json_pack("{s:o}", "data", json_data(raw));
    } else if (is_ok(abi_decode(&call->arena, entry->outputs, entry->output_count, raw, values))) {
        object = abi_members_to_json(entry->outputs, values, entry->output_count);
    } else {
        return client_fail(call->client, fail(ERR_MALFORMED), "is it the right address?",
                           "the contract returned %s",
                           raw.len == 0 ? "nothing" : "values of other types");
    }
    cli_print_value(call->client->cli, "", object, true);
    cli_print_json(call->client->cli, object);
    return ok();
}

err contract_call_ask(struct contract_call *call, const struct address *from, struct u256 value,
                      const char *block)
{
    struct rpc_error error;
    struct answer answer = {.arena = &call->arena};
    const struct chain_call what = {
        .to = call->target, .value = value, .input = buf_bytes(&call->input)};
    err e =
        eth_call(call, from, &what, block != NULL ? block : "latest", read_answer, &answer, &error);
    if (is_err(e, ERR_REFUSED) && error.code != 0) {
        return refused(call, &error);
    }
    TRY(e);
    return show_answer(call, answer.raw);
}

/* ---- logs and receipts ---- */

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

static json_t *describe_log(struct contract_call *call, const struct chain_log *log)
{
    json_t *json = module_log(&call->arena, log);
    if (json == NULL) {
        json =
            contract_file_log(&call->file, &call->arena, log->topics, log->topic_count, log->data);
        if (json != NULL) {
            json_object_set_new(json, "address", json_data(BYTES_OF(log->address)));
        }
    }
    return json != NULL ? json : plain_log(log);
}

void contract_call_receipt(struct contract_call *call, const struct hash *tx,
                           const struct chain_receipt *receipt, const struct address *created)
{
    const struct cli *cli = call->client->cli;
    char address[43];
    json_t *logs = json_array();
    json_t *object = json_pack("{s:o, s:b, s:I, s:I}", "hash", json_data(BYTES_OF(*tx)), "success",
                               receipt->success, "height", (json_int_t)receipt->height, "gas_used",
                               (json_int_t)receipt->gas_used);
    if (created != NULL && receipt->success) {
        key_address_text(address, created);
        json_object_set_new(object, "contract", json_string(address));
        cli_print(cli, "contract %s\n", address);
    }
    cli_print(cli, "%s %s in block %llu, %llu gas\n", json_read_str(object, "hash"),
              receipt->success ? "done" : "REVERTED", (unsigned long long)receipt->height,
              (unsigned long long)receipt->gas_used);
    for (size_t i = 0; i < receipt->log_count; i++) {
        json_t *log = describe_log(call, &receipt->logs[i]);
        cli_print_value(cli, "  ", log, false);
        json_array_append_new(logs, log);
    }
    json_object_set_new(object, "logs", logs);
    cli_print_json(cli, object);
}

/* ---- sending ---- */

/* Why the ledger would refuse it: the same as a call, for the reason that comes with it. */
static err explain(struct contract_call *call, const struct chain_call *what, err e)
{
    struct rpc_error error;
    struct address from = chain_account_address(call->client->account);
    err again = eth_call(call, &from, what, "latest", read_anything, NULL, &error);
    return is_err(again, ERR_REFUSED) && error.code != 0
               ? refused(call, &error)
               : client_fail(call->client, e, "the log above says why, if the ledger refused it",
                             "the transaction was not included: %s", err_text(e));
}

err contract_call_send(struct contract_call *call, const struct chain_call *what,
                       struct address *ret_created)
{
    struct client *client = call->client;
    bytes raw;
    u64 nonce;
    struct hash hash;
    struct chain_receipt receipt;
    TRY(client_account(client));
    struct address sender = chain_account_address(client->account);
    err e = chain_sign_hold(client->account, what, &call->arena, client_deadline(client), &raw,
                            &hash, &nonce);
    if (is_err(e, ERR_REFUSED)) {
        return explain(call, what, e);
    }
    if (is_ok(e)) {
        chain_account_release(client->account, nonce);
        e = chain_submit_raw(client->chain, raw, client_deadline(client));
    }
    if (is_ok(e)) {
        e = chain_await(client->chain, &hash, &call->arena, client_deadline(client), &receipt);
    }
    if (!is_ok(e)) {
        return client_fail(client, e, "the log above says why, if the ledger refused it",
                           "the transaction was not included: %s", err_text(e));
    }
    struct address created = chain_created_address(&sender, nonce);
    if (ret_created != NULL) {
        *ret_created = created;
    }
    contract_call_receipt(call, &hash, &receipt, what->is_create ? &created : NULL);
    return receipt.success
               ? ok()
               : client_fail(client, fail(ERR_REFUSED), NULL, "the transaction reverted");
}
