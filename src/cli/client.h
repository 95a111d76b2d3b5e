/* client.h: what client verbs need to know about the network, and where they find it.
 *
 * Flags win; else devnet.json (--devnet FILE, $CAIRN_DEVNET, ./devnet/devnet.json) names the RPC
 * URL, the genesis, the owner's keys and the S3 endpoint. So on a devnet no flag is needed.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "chain/chain.h"
#include "cli/cli.h"

#define CLIENT_CALL_MS 60000

/* Targets of the flags below; a process runs one verb. */
struct client_options {
    const char *devnet;
    struct flag_list rpc;
    const char *genesis;
    const char *key;
    const char *master;
};
extern struct client_options client_options;

/* For a verb's flag table. */
#define CLIENT_CHAIN_FLAGS                                                                         \
    {"devnet", FLAG_TEXT, &client_options.devnet, "FILE",                                          \
     "devnet.json, or its folder, with defaults (./devnet)"},                                      \
        {"rpc", FLAG_LIST, &client_options.rpc, "URL",                                             \
         "a ledger node; may be given several times"},                                             \
    {                                                                                              \
        "genesis", FLAG_TEXT, &client_options.genesis, "FILE", "genesis of the chain"              \
    }
#define CLIENT_KEY_FLAG                                                                            \
    {                                                                                              \
        "key", FLAG_TEXT, &client_options.key, "FILE", "account key (default: the devnet's owner)" \
    }
#define CLIENT_MASTER_FLAG                                                                         \
    {                                                                                              \
        "master", FLAG_TEXT, &client_options.master, "FILE",                                       \
            "master key (default: the devnet's owner)"                                             \
    }

struct client {
    struct cli *cli;
    struct loop *loop;
    json_t *devnet; /* NULL: none found */
    struct chain *chain;
    struct chain_account *account; /* NULL until client_account() */
};

/* client_init: reads devnet.json if there is one. ERR_NOT_FOUND: --devnet names no file. */
err client_init(struct client *client, struct cli *cli);
/* client_setting: a text below an object of devnet.json ("owner", "key_file"); object NULL: of the
 * file itself. NULL if there is none. */
const char *client_setting(const struct client *client, const char *object, const char *member);
/* client_rpc_url: the first one; NULL: not known. */
const char *client_rpc_url(const struct client *client);
/* client_open: follows the chain. ERR_USAGE: no RPC URL or genesis is known (logged). */
err client_open(struct client *client, struct loop *loop);
/* client_account: opens the account of --key. */
err client_account(struct client *client);
/* client_close: stops the loop and closes everything; the last thing in cli_run's function. */
void client_close(struct client *client);
u64 client_deadline(const struct client *client);

/* client_main: client_init, then cli_run: client_open, fn, client_close; prints the failure that fn
 * has not printed (client_fail). Returns the exit status. */
int client_main(struct cli *cli, err (*fn)(struct client *client));
/* client_main_offline: the same without opening the chain; fn may call client_open(). */
int client_main_offline(struct cli *cli, err (*fn)(struct client *client));
/* client_fail: remembers what to print for the fault, which it returns. */
err client_fail(struct client *client, err e, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* client_report: prints the failure, in the words of client_fail() if there were any; returns the
 * exit status. */
int client_report(const struct cli *cli, err e);

#endif
