/* verb_tx.c: `cairn tx`: transfers, calls of modules and contracts, receipts, balances. */
#include "cli/amount.h"
#include "cli/contract_call.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "ledger/exec/native.h"

static struct {
    const char *to;
    const char *value;
    const char *abi;
    bool dry;
} options = {.value = "0"};

/* ---- send ---- */

static err send_value(struct client *client)
{
    struct chain_call what = {.gas_limit = 0};
    struct contract_call call;
    if (!address_parse(&what.to, options.to)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address", options.to);
    }
    if (!amount_parse(&what.value, options.value)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    err e = contract_call_open(&call, client, NULL);
    if (is_ok(e)) {
        e = contract_call_send(&call, &what, NULL);
    }
    contract_call_close(&call);
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

static err call_in(struct contract_call *call)
{
    struct chain_call what = {.gas_limit = 0};
    TRY(contract_call_read(call));
    if (!amount_parse(&what.value, options.value)) {
        return client_fail(call->client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    if (call->is_view || options.dry) {
        TRY(client_account(call->client));
        struct address from = chain_account_address(call->client->account);
        return contract_call_ask(call, &from, what.value, NULL);
    }
    what.to = call->target;
    what.input = buf_bytes(&call->input);
    return contract_call_send(call, &what, NULL);
}

static err call_function(struct client *client)
{
    struct contract_call call;
    err e = contract_call_open(&call, client, options.abi);
    if (is_ok(e)) {
        e = call_in(&call);
    }
    contract_call_close(&call);
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
    struct contract_call call;
    struct chain_receipt found;
    const char *text = client->cli->positionals[0];
    if (!hex_decode_0x(hash.b, sizeof hash.b, bytes_str(text))) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no transaction hash", text);
    }
    err e = contract_call_open(&call, client, options.abi);
    if (is_ok(e)) {
        e = chain_receipt_of(client->chain, &hash, &call.arena, client_deadline(client), &found);
        if (is_ok(e)) {
            contract_call_receipt(&call, &hash, &found, NULL);
        } else {
            e = client_fail(client, e, NULL, "no receipt of %s: %s", text, err_text(e));
        }
    }
    contract_call_close(&call);
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
    char text[AMOUNT_TEXT_BYTES];
    if (client->cli->positional_count == 0) {
        TRY(client_account(client));
        address = chain_account_address(client->account);
    } else if (!address_parse(&address, client->cli->positionals[0])) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address",
                           client->cli->positionals[0]);
    }
    TRY(chain_balance(client->chain, &address, &wei, client_deadline(client)));
    char account[43];
    key_address_text(account, &address);
    u256_decimal(digits, wei);
    amount_text(text, wei);
    const struct native_module *module = native_find(&address);
    cli_print(client->cli, "%s%s%s  %s\n", account, module != NULL ? " " : "",
              module != NULL ? module->name : "", text);
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
    {"abi", FLAG_TEXT, &options.abi, "FILE", "names functions, events and errors (JSON)"},
    {"dry", FLAG_BOOL, &options.dry, NULL, "only asks what it would return"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag receipt_flags[] = {
    {"abi", FLAG_TEXT, &options.abi, "FILE", "names events (JSON)"},
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
    .text = "FUNCTION is a name from the module's table or the ABI file, or a Solidity signature. "
            "Arrays and\n"
            "tuples are JSON arrays. The gas limit is estimated. `cairn call` only ever asks.",
    .examples = "  cairn tx call provider count\n"
                "  cairn tx call territory get 1 --json\n"
                "  cairn tx call territory renew 1 86400 --value 3.5\n"
                "  cairn tx call 0x1234…abcd 'transfer(address to, uint256 amount)' 0x12…34 1000\n"
                "  cairn tx call 0x1234…abcd subscribe 3 0x02ab…cd --value 0.3 --abi Archive.json\n"
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
    .flags = receipt_flags,
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
    .summary = "transactions: transfers, calls of modules and contracts, receipts",
    .examples = "  cairn tx balance\n  cairn tx call beacon current",
    .parts = parts,
};
