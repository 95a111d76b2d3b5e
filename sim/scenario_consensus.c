/* scenario_consensus.c: many seats agree, whatever the network and the faulty among them do.
 *
 * Chaos first: loss, delay, duplicates, partitions both ways and one way, crashes that lose what
 * was not synced, faulty seats. Then the network heals while the faulty seats go on, and everybody
 * must get further. --nodes and --byzantine fix what a seed else draws; with more than f faulty
 * seats a disagreement is allowed, and then at least f + 1 of them must be proven guilty.
 */
#include "base/log.h"
#include "base/mem.h"
#include "crypto/sign.h"
#include "sim/consensus.h"

#define CHAOS_HEIGHTS 100
#define CHAOS_MS 600000
#define CALM_MS 180000
#define CALM_HEIGHTS 5
#define FAULT_EVERY_MS 3000
#define DOWN_MAX_MS 4000
#define REAL_SIGNATURES_ONE_IN 100

struct consensus_world *consensus;

/* --- network --- */

struct delivery {
    struct sim_event event;
    struct node *to;
    struct message message;
};

static void deliver(struct sim_event *event)
{
    struct delivery *delivery = (struct delivery *)event;
    host_receive(delivery->to, &delivery->message);
    mem_free(delivery);
}

static void send_once(struct node *to, const struct message *message)
{
    struct delivery *delivery = MEM_NEW(struct delivery);
    u64 spread = consensus->latency_max_ms - consensus->latency_min_ms + 1;
    delivery->to = to;
    delivery->message = *message;
    sim_at(&delivery->event, consensus->latency_min_ms + sim_below(spread), deliver);
}

void net_send(const struct node *from, struct node *to, const struct message *message)
{
    if (from == to || consensus->cut[from->index][to->index] ||
        sim_chance(consensus->loss_per_mille, 1000)) {
        return;
    }
    send_once(to, message);
    if (sim_chance(consensus->duplicate_per_mille, 1000)) {
        send_once(to, message);
    }
}

void net_broadcast(const struct node *from, const struct message *message)
{
    for (size_t i = 0; i < consensus->node_count; i++) {
        net_send(from, &consensus->nodes[i], message);
    }
}

static void join_all(void) { memset(consensus->cut, 0, sizeof consensus->cut); }

/* Two sides that do not hear each other, or only one of them does not; a twin and its original are
 * mostly on different sides, which is how they come to differ. */
static void split(void)
{
    bool side[CONSENSUS_NODES_MAX];
    bool one_way = sim_chance(1, 3);
    for (size_t i = 0; i < consensus->node_count; i++) {
        bool is_twin = i >= consensus->seat_count;
        side[i] = is_twin && sim_chance(3, 4) ? !side[consensus->nodes[i].seat] : sim_chance(1, 2);
    }
    for (size_t i = 0; i < consensus->node_count; i++) {
        for (size_t j = 0; j < consensus->node_count; j++) {
            consensus->cut[i][j] = side[i] != side[j] && (!one_way || side[i]);
        }
    }
}

/* --- faults --- */

static void on_restart(struct sim_event *event)
{
    struct node *node = (struct node *)((char *)event - offsetof(struct node, restart));
    if (!node->up) {
        host_restart(node);
    }
}

static void crash_one(void)
{
    struct node *node = &consensus->nodes[sim_below(consensus->node_count)];
    bool power = sim_chance(1, 2);
    if (!node->up || node->fault == FAULT_SILENT) {
        return;
    }
    host_crash(node, power);
    consensus->counters->crashes++;
    consensus->counters->power_cuts += power;
    sim_at(&node->restart, sim_below(DOWN_MAX_MS), on_restart);
}

static void on_fault(struct sim_event *event)
{
    (void)event;
    if (!consensus->chaos) {
        return;
    }
    switch (sim_below(5)) {
    case 0:
    case 1:
        split();
        break;
    case 2:
        join_all();
        break;
    case 3:
        crash_one();
        break;
    case 4:
        consensus->loss_per_mille = sim_chance(1, 2) ? sim_below(300) : 0;
        consensus->duplicate_per_mille = sim_below(100);
        break;
    }
    sim_at(&consensus->fault_event, sim_below(2 * FAULT_EVERY_MS), on_fault);
}

/* --- one seed --- */

static void make_seats(u64 seed)
{
    consensus->real_signatures = seed % REAL_SIGNATURES_ONE_IN == 0;
    consensus->seats.count = consensus->seat_count;
    for (size_t i = 0; i < consensus->seat_count; i++) {
        u8 secret[32] = {[31] = (u8)(i + 1)};
        scenario_check(secp_secret_from(&consensus->secrets[i], secret));
        consensus->seats.items[i] = (struct address){{[0] = (u8)i}};
        if (consensus->real_signatures) {
            secp_address_of_secret(&consensus->seats.items[i], &consensus->secrets[i]);
        }
    }
}

static void choose_faults(void)
{
    static const enum fault kinds[] = {FAULT_TWIN, FAULT_LIAR, FAULT_SILENT};
    size_t left = consensus->faulty;
    for (size_t i = 0; i < consensus->seat_count; i++) {
        /* Each remaining seat with the same chance, so that exactly `faulty` are chosen. */
        if (sim_below(consensus->seat_count - i) < left) {
            consensus->faults[i] = kinds[sim_below(COUNT_OF(kinds))];
            left--;
        }
    }
}

static void add_node(u32 seat)
{
    struct node *node = &consensus->nodes[consensus->node_count];
    node->index = (u32)consensus->node_count++;
    node->seat = seat;
    node->fault = consensus->faults[seat];
}

static void make_nodes(void)
{
    for (u32 seat = 0; seat < consensus->seat_count; seat++) {
        add_node(seat);
    }
    for (u32 seat = 0; seat < consensus->seat_count; seat++) {
        if (consensus->faults[seat] == FAULT_TWIN) {
            add_node(seat);
        }
    }
}

static bool far_enough(void *ctx)
{
    const u64 *height = ctx;
    return consensus->disagreed || consensus->height_max >= *height;
}

static bool all_there(void *ctx)
{
    const u64 *height = ctx;
    for (size_t i = 0; i < consensus->node_count; i++) {
        const struct node *node = &consensus->nodes[i];
        if (is_correct(node) && (!node->up || node->height <= *height)) {
            return consensus->disagreed;
        }
    }
    return true;
}

/* Where everybody stands, for whoever has to find out why. */
static void show_nodes(void)
{
    for (size_t i = 0; i < consensus->node_count; i++) {
        const struct node *node = &consensus->nodes[i];
        const struct bft *bft = &node->bft;
        log_warn("consensus",
                 "node %u seat %u fault %d up %d height %llu round %u step %d locked %d valid %d "
                 "log %zu deadline %lld ms",
                 node->index, node->seat, (int)node->fault, (int)node->up,
                 (unsigned long long)node->height, bft->round, (int)bft->step,
                 (int)bft->locked_round, (int)bft->valid_round, node->logged,
                 (long long)(bft_deadline(bft) - sim->now_ms));
    }
}

static void heal(void)
{
    consensus->chaos = false;
    join_all();
    consensus->loss_per_mille = 0;
    consensus->duplicate_per_mille = 0;
    for (size_t i = 0; i < consensus->node_count; i++) {
        struct node *node = &consensus->nodes[i];
        if (!node->up && node->fault != FAULT_SILENT) {
            sim_cancel(&node->restart);
            host_restart(node);
        }
    }
}

static void draw_world(u64 seed)
{
    const struct scenario_settings *fixed = &scenario_settings;
    consensus->seat_count = fixed->nodes != 0 ? fixed->nodes : 4 + sim_below(SEATS_MAX - 3);
    size_t faulty_max = (consensus->seat_count - 1) / 3;
    consensus->faulty = fixed->has_byzantine ? fixed->byzantine : sim_below(faulty_max + 1);
    scenario_check(consensus->faulty <= consensus->seat_count);
    consensus->latency_min_ms = sim_below(20);
    consensus->latency_max_ms = consensus->latency_min_ms + 1 + sim_below(300);
    consensus->loss_per_mille = sim_chance(1, 2) ? sim_below(100) : 0;
    consensus->duplicate_per_mille = sim_below(50);
    make_seats(seed);
    choose_faults();
    make_nodes();
}

static void run(u64 seed, struct scenario_counters *counters)
{
    u64 goal = CHAOS_HEIGHTS;
    consensus = MEM_NEW(struct consensus_world);
    consensus->counters = counters;
    consensus->chaos = true;
    check_reset();
    draw_world(seed);
    for (size_t i = 0; i < consensus->node_count; i++) {
        host_start(&consensus->nodes[i]);
    }
    sim_at(&consensus->fault_event, sim_below(FAULT_EVERY_MS), on_fault);
    sim_run(CHAOS_MS, far_enough, &goal);
    heal();
    goal = consensus->height_max + CALM_HEIGHTS;
    if (consensus->faulty <= (consensus->seat_count - 1) / 3) {
        sim_run(sim->now_ms + CALM_MS, all_there, &goal);
        if (!all_there(&goal)) {
            show_nodes();
            scenario_fail("no progress after healing: highest %llu, goal %llu",
                          (unsigned long long)consensus->height_max, (unsigned long long)goal);
        }
    }
    counters->proofs += consensus->proofs;
    counters->disagreements += consensus->disagreed;
    mem_free(consensus);
}

const struct scenario scenario_consensus = {
    .name = "consensus",
    .summary = "many seats, some of them faulty, agree on one chain (--nodes, --byzantine)",
    .run = run,
};
