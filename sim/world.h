/* world.h: a storage network: one ledger seat, stores, a gateway; and who stands behind them.
 *
 * Each role is a process on a host of its own, started, watched and started again as a service
 * manager would: a role that ends by itself or is killed comes back after a delay. What is set up
 * on the ledger (registrations, the owner's lease, the gateway's authorisation) is done once,
 * before any fault.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "data/class.h"
#include "data/keys.h"
#include "gateway/service/gateway.h"
#include "ledger/node/node.h"
#include "sim/scenario.h"
#include "sim/sim.h"
#include "storage/store.h"

#define WORLD_STORES_MAX 16
#define WORLD_ROLES_MAX (WORLD_STORES_MAX + 2)
#define WORLD_LEDGER_URL "http://10.0.0.1:9002"
#define WORLD_GENESIS "genesis.json"
#define WORLD_BUCKET "sim"

enum role_kind { ROLE_LEDGER, ROLE_GATEWAY, ROLE_STORE };

struct world;
struct workload;

struct role {
    struct world *world;
    enum role_kind kind;
    unsigned number; /* from 1, of its kind */
    char name[16];   /* also its folder */
    char url[56];
    u16 port;
    struct sim_host *host;
    struct secp_secret secret;
    struct address address;

    struct loop *process;     /* NULL: down */
    struct sim_event restart; /* armed while down and wanted */
    bool power_next;          /* how the planned crash ends */
    bool is_up;               /* serves */
    struct event *stop;       /* on the role's stack while it serves: asked to end */
    struct group *clients;    /* of the gateway, likewise: who uses it */
    bool stopping;
    u64 starts;
    struct store_fault fault; /* of a store, at its next start */
    struct node *node;        /* valid while up */
    struct store *store;
    struct gateway *gateway;
};

struct world {
    struct role roles[WORLD_ROLES_MAX]; /* the ledger, the gateway, the stores */
    size_t role_count;
    unsigned store_count;
    enum redundancy class_number;
    struct sim_host *owner_host;
    struct secp_secret owner;
    struct address owner_address;
    struct master_key master;
    u64 territory;
    bool is_set_up;
    /* Runs in the gateway's process each time it serves; set by the workload. */
    void (*serving)(struct role *gateway);
    struct workload *workload;
    struct scenario_counters *counters;
};

static inline struct role *world_ledger(struct world *world) { return &world->roles[0]; }
static inline struct role *world_gateway(struct world *world) { return &world->roles[1]; }
static inline struct role *world_store(struct world *world, unsigned i)
{
    return &world->roles[2 + i];
}

/* role_box: the gateway's X25519 key. */
void role_box(const struct role *role, struct x_secret *ret_box);
extern const struct chain_options world_chain_options;

/* world_make: hosts, keys, the genesis file. Nothing runs yet. */
void world_make(struct world *world, unsigned store_count, enum redundancy class_number,
                struct scenario_counters *counters);
/* world_set_up: the ledger starts, everybody is registered, then the other roles start. Without
 * faults. */
void world_set_up(struct world *world);

/* role_start: now. role_kill: kill -9, or with the power; it comes back after delay_ms. role_wipe:
 * killed, and its disk is empty. role_stop: asked to end, as by SIGTERM; starts again, too. */
void role_start(struct role *role);
void role_kill(struct role *role, bool power, u64 delay_ms);
void role_wipe(struct role *role, u64 delay_ms);
void role_stop(struct role *role);
/* role_crash_soon: in the middle of its n-th change of the disk from now. */
void role_crash_soon(struct role *role, u64 changes, bool power);
/* world_all_up: every role serves. */
bool world_all_up(struct world *world);

#endif
