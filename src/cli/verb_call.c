/* verb_call.c: `cairn call`: asks a contract or a module, without a transaction. */
#include "cli/amount.h"
#include "cli/contract_call.h"
#include "cli/verbs.h"

static struct {
    const char *abi;
    const char *from;
    const char *value;
    const char *block;
} options = {.value = "0", .block = "latest"};

/* "latest" and the like, or a number, as JSON-RPC wants it. */
static err block_name(struct contract_call *call, const char **ret)
{
    u64 number;
    *ret = options.block;
    if (!parse_u64(&number, bytes_str(options.block))) {
        return ok();
    }
    *ret = arena_format(&call->arena, "0x%llx", (unsigned long long)number);
    return *ret != NULL ? ok() : fail(ERR_LIMIT);
}

static err ask(struct contract_call *call)
{
    struct address from;
    struct u256 value;
    const char *block;
    if (!amount_parse(&value, options.value)) {
        return client_fail(call->client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    if (options.from != NULL && !address_parse(&from, options.from)) {
        return client_fail(call->client, fail(ERR_USAGE), NULL, "'%s' is no address", options.from);
    }
    TRY(block_name(call, &block));
    TRY(contract_call_read(call));
    return contract_call_ask(call, options.from != NULL ? &from : NULL, value, block);
}

static err call_contract(struct client *client)
{
    struct contract_call call;
    err e = contract_call_open(&call, client, options.abi);
    if (is_ok(e)) {
        e = ask(&call);
    }
    contract_call_close(&call);
    return e;
}

static int run(struct cli *cli)
{
    return cli_parse(cli, 2, 2 + ABI_PARAMS_MAX) ? client_main_offline(cli, call_contract) : 2;
}

static const struct flag flags[] = {
    {"abi", FLAG_TEXT, &options.abi, "FILE", "names functions and errors (JSON)"},
    {"from", FLAG_TEXT, &options.from, "ADDRESS", "who seems to ask (default: nobody)"},
    {"value", FLAG_TEXT, &options.value, "AMOUNT", "seems to be sent along (default 0)"},
    {"block", FLAG_TEXT, &options.block, "BLOCK", "number, hash or name (default latest)"},
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

const struct verb verb_call = {
    .name = "call",
    .arguments = "MODULE|ADDRESS FUNCTION|SIGNATURE [ARGUMENT…] [FLAGS]",
    .summary = "asks a contract or module; changes nothing and costs nothing",
    .text =
        "FUNCTION is a name from the module's table or the ABI file, or a Solidity signature with "
        "what it\n"
        "returns; without that the answer is shown as bytes. Arrays and tuples are JSON arrays.\n"
        "The answer is the node's word: it is not proven.",
    .examples = "  cairn call territory price 1073741824 1 2592000\n"
                "  cairn call 0x1234…abcd 'balanceOf(address) returns (uint256)' 0x12…34\n"
                "  cairn call 0x1234…abcd hasAccess 0x12…34 --abi contracts/build/"
                "PaywalledArchive.json --json",
    .flags = flags,
    .run = run,
};
