/* verb_deploy.c: `cairn deploy`: puts a contract on the ledger. */
#include "cli/amount.h"
#include "cli/contract_call.h"
#include "cli/verbs.h"

static struct {
    const char *constructor;
    const char *value;
} options = {.value = "0"};

/* The constructor of --constructor, of the file's ABI, or one without arguments. */
static err find_constructor(struct contract_call *call)
{
    struct client *client = call->client;
    err e;
    call->entry = (struct abi_entry){.name = "constructor"};
    if (options.constructor != NULL) {
        const char *text = arena_format(&call->arena, "constructor%s", options.constructor);
        e = text != NULL ? abi_parse(&call->arena, text, &call->entry) : fail(ERR_LIMIT);
    } else {
        e = contract_file_entry(&call->file, &call->arena, "constructor", NULL, SIZE_MAX,
                                &call->entry, NULL);
        e = is_err(e, ERR_NOT_FOUND) ? ok() : e;
    }
    return is_ok(e) ? e
                    : client_fail(client, fail(ERR_USAGE), "like --constructor '(address,uint256)'",
                                  "the constructor's types cannot be used");
}

static err deploy_in(struct contract_call *call)
{
    struct chain_call what = {.is_create = true};
    const char *path = call->client->cli->positionals[0];
    if (call->file.code.len == 0) {
        return client_fail(call->client, fail(ERR_USAGE),
                           "an ABI alone is not enough; an interface has none",
                           "there is no bytecode in %s", path);
    }
    if (!amount_parse(&what.value, options.value)) {
        return client_fail(call->client, fail(ERR_USAGE), NULL, "'%s' is no amount", options.value);
    }
    TRY(find_constructor(call));
    buf_put(&call->input, call->file.code);
    TRY(contract_call_arguments(call, 1));
    what.input = buf_bytes(&call->input);
    return contract_call_send(call, &what, NULL);
}

static err deploy(struct client *client)
{
    struct contract_call call;
    err e = contract_call_open(&call, client, client->cli->positionals[0]);
    if (is_ok(e)) {
        e = deploy_in(&call);
    }
    contract_call_close(&call);
    return e;
}

static int run(struct cli *cli)
{
    return cli_parse(cli, 1, 1 + ABI_PARAMS_MAX) ? client_main(cli, deploy) : 2;
}

static const struct flag flags[] = {
    {"constructor", FLAG_TEXT, &options.constructor, "TYPES",
     "its types, if the file does not say: '(address,uint256)'"},
    {"value", FLAG_TEXT, &options.value, "AMOUNT", "sent along (default 0)"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

const struct verb verb_deploy = {
    .name = "deploy",
    .arguments = "FILE [ARGUMENT…] [FLAGS]",
    .summary = "puts a contract on the ledger and waits until it is final",
    .text = "FILE is what a compiler writes: JSON with `abi` and `bytecode` (Hardhat, Foundry, "
            "contracts/build),\n"
            "or hexadecimal bytecode. ARGUMENTs go to the constructor; arrays and tuples are JSON "
            "arrays.",
    .examples = "  cairn deploy contracts/build/TestToken.json 'A token' TOK 1000000\n"
                "  cairn deploy counter.hex --constructor '(uint256)' 7\n"
                "  cairn deploy contracts/build/PaywalledArchive.json 1073741824 2592000 "
                "100000000000000000 86400 0x 0x02ab…cd --value 20 --json",
    .flags = flags,
    .run = run,
};
