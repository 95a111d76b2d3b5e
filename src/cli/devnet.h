/* devnet.h: a whole network on one machine: its plan, its files, its processes, its first steps.
 *
 * A devnet is one folder. Everything that must outlive a restart is made once, each file whole or
 * not at all, and then only read: keys, genesis, certificates. What depends on ports is written at
 * every start: the config file of each role. Steps on the ledger (registering storage nodes and the
 * gateway, leasing the owner's territory, authorising) look at the ledger first and do only what is
 * missing, so a devnet that was killed anywhere in its first start simply goes on at the next.
 *
 *   DIR/genesis.json  DIR/devnet.json (while it runs)  DIR/lock
 *   DIR/keys/         seat, owner, owner.master, governance, operator-I, account-I, s3.json
 *   DIR/tls/          the authority (ca.pem) and the gateway's certificate
 *   DIR/ROLE-I/       config.json, key, log; data/ is its disk and may be wiped
 *
 * Each role is a child process that runs `cairn VERB --config DIR/ROLE-I/config.json`; the same
 * line by hand starts the role without the devnet.
 */
#ifndef CLI_DEVNET_H
#define CLI_DEVNET_H

#include "chain/chain.h"
#include "cli/cli.h"
#include "cli/keyfile.h"
#include "os/process.h"

#define DEVNET_STORES_MAX 60
#define DEVNET_STORES_DEFAULT 12
#define DEVNET_OPERATORS 6
#define DEVNET_ACCOUNTS 10
#define DEVNET_PORTS_DEFAULT 9000
#define DEVNET_PORT_WS 3
#define DEVNET_PORT_STORE_DATA 30
#define DEVNET_ROLES_MAX (DEVNET_STORES_MAX + 2)
#define DEVNET_URL_BYTES 64
#define DEVNET_TOKEN_BYTES 48

enum devnet_kind { DEVNET_LEDGER, DEVNET_STORE, DEVNET_GATEWAY };

struct devnet;

/* One child. */
/* Below the devnet's folder: the owner's master key under a passphrase, and that. */
#define DEVNET_ENVELOPE "keys/owner.envelope.json"
#define DEVNET_PASSPHRASE "keys/owner.passphrase"

struct devnet_role {
    struct devnet *devnet;
    enum devnet_kind kind;
    unsigned number; /* from 1, of its kind */
    char name[16];   /* "store-3" */
    char host[16];   /* it listens on */
    u16 port;        /* stores: data; gateway: S3; ledger: RPC */
    u16 metrics_port;
    char dir[PATH_BYTES_MAX];
    struct secp_secret secret;
    struct address address;
    u32 provider;            /* stores: number on the ledger, once registered */
    struct process *process; /* NULL: not running */
    bool supervised;         /* a fiber waits for the process to end */
};

struct devnet_account {
    struct secp_secret secret;
    struct address address;
};

struct devnet {
    struct loop *loop;
    const struct cli *cli;
    char dir[PATH_BYTES_MAX]; /* absolute */
    u16 ports;
    u64 capacity; /* bytes each storage node offers */
    bool respawn;
    struct file *lock;
    struct devnet_account seat;
    struct devnet_account governance;
    struct devnet_account owner;
    struct devnet_account operators[DEVNET_OPERATORS];
    struct devnet_account accounts[DEVNET_ACCOUNTS];
    struct master_key master;
    char access_key[DEVNET_TOKEN_BYTES];
    char secret_key[DEVNET_TOKEN_BYTES];
    struct devnet_role roles[DEVNET_ROLES_MAX]; /* the ledger, the gateway, the stores */
    size_t role_count;
    struct chain *chain;
    u64 territory;
    bool stopping;
    bool ready;           /* devnet.json is there and kept up to date */
    struct group fibers;  /* of the supervisor */
    struct event stopped; /* woken when it shall stop */
};

static inline struct devnet_role *devnet_ledger(struct devnet *devnet) { return &devnet->roles[0]; }
static inline struct devnet_role *devnet_gateway(struct devnet *devnet)
{
    return &devnet->roles[1];
}
static inline const struct devnet_account *devnet_operator(const struct devnet_role *role)
{
    return &role->devnet->operators[(role->number - 1) % DEVNET_OPERATORS];
}
static inline bool devnet_is_store(const struct devnet_role *role)
{
    return role->kind == DEVNET_STORE;
}

/* devnet_path: DIR/name into out; name may hold slashes. */
void devnet_path(const struct devnet *devnet, char out[PATH_BYTES_MAX], const char *name);
/* devnet_url: "http://127.0.0.1:9002". */
void devnet_url(char out[DEVNET_URL_BYTES], const char *scheme, const char *host, u16 port);

/* devnet_setup.c */
/* devnet_plan: fills roles from devnet->dir, ports and store_count. */
void devnet_plan(struct devnet *devnet, unsigned store_count);
/* devnet_stores_before: how many storage nodes this folder already has. */
unsigned devnet_stores_before(const struct devnet *devnet);
/* devnet_prepare: takes the folder (ERR_BUSY: another devnet runs in it), makes or reads keys,
 * genesis and certificates. */
err devnet_prepare(struct devnet *devnet);

/* devnet_config.c */
/* devnet_write_config: the role's config file; needs the territory for none of them. */
err devnet_write_config(const struct devnet_role *role);

/* devnet_roles.c */
/* devnet_start_role: spawns and waits for its health; supervised from then on. */
err devnet_start_role(struct devnet_role *role, u64 deadline_ms);
/* devnet_start_stores: all at once. */
err devnet_start_stores(struct devnet *devnet, u64 deadline_ms);
/* devnet_stop_roles: gateway, stores, ledger, each with time to end by itself. */
void devnet_stop_roles(struct devnet *devnet);
/* devnet_revive_start: a fiber that starts dead roles again when DIR/revive asks for it. */
err devnet_revive_start(struct devnet *devnet);

/* devnet_ledger.c */
/* devnet_open_chain, then devnet_register: what must be on the ledger before stores and gateway can
 * work. */
err devnet_open_chain(struct devnet *devnet, u64 deadline_ms);
err devnet_register(struct devnet *devnet, u64 deadline_ms);

/* devnet_add_user: the envelope of the owner's master key and his S3 keys, into the running
 * gateway. */
err devnet_add_user(struct devnet *devnet, u64 deadline_ms);

/* devnet_json.c */
/* devnet_describe: the content of devnet.json; a new reference. */
json_t *devnet_describe(const struct devnet *devnet);
err devnet_publish(const struct devnet *devnet);
/* devnet_write_json: a file of the devnet for people and programs, replaced as a whole. */
err devnet_write_json(const char *path, const json_t *value);
void devnet_unpublish(const struct devnet *devnet);

#endif
