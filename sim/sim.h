/* sim.h: a whole network in one process, in virtual time, from one seed.
 *
 * The simulator links its own implementation of os/loop.h, os/stream.h and base/mem.h, so roles run
 * unchanged: a `struct loop` is one simulated process. One scheduler runs the fibers of all of them
 * and picks among the ready ones by the seed; when nobody is ready, time jumps to the next timer. A
 * host is where processes run, one at a time: it has an address, a slot for partitions, and a disk
 * that outlives them.
 *
 * A process ends at any wait, or in the middle of any write, sync or change of a folder. Killed
 * (kill -9), what it wrote stays; with the power of its host, what was not synced is kept, lost or
 * torn at sectors (disk.c), and its peers hear nothing.
 *
 * Nothing here reads a real clock or real entropy, and nothing is ordered by addresses, so a seed
 * gives the same run again: the audit hash over everything that happened says whether it did.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/list.h"
#include "base/prng.h"
#include "os/fiber_context.h"
#include "os/loop.h"
#include "os/timers.h"

#define SIM_START_WALL_MS 1767225600000ull /* 2026-01-01 */
#define SIM_HOST_MAX 64
#define SIM_SLOTS_MAX 32

struct sim_heap;
struct sim_disk;

/* Something that happens at a time: a delivery, a fault. Not in any process. */
struct sim_event {
    struct timer timer;
    void (*fire)(struct sim_event *event);
};

struct sim_faults {
    u64 latency_min_ms;
    u64 latency_max_ms;
    u64 bytes_per_ms;         /* of a connection; 0: no limit */
    u64 reset_per_million;    /* deliveries that reset their connection instead */
    u64 worker_max_ms;        /* a job takes 0.. this */
    u64 io_error_per_million; /* writes and syncs that fail with EIO */
    u64 ready_window;         /* among how many ready fibers the next is drawn; 0: 8 */
};

/* One machine. */
struct sim_host {
    struct list node;
    char address[SIM_HOST_MAX];
    unsigned slot;
    bool up; /* has power: refuses connections if nobody listens */
    struct sim_disk *disk;
};

struct sim {
    u64 seed;
    struct prng prng; /* scheduling and faults */
    u64 now_ms;
    struct list ready; /* struct fiber */
    size_t ready_count;
    struct timers deadlines; /* of parked fibers */
    struct timers agenda;    /* of struct sim_event */
    struct list processes;   /* struct loop */
    struct list hosts;
    struct fiber_stacks stacks;
    struct fiber_context main;
    struct fiber *current;
    struct loop *owner; /* whose memory and disk are used; NULL: the simulator's own */
    struct list listeners;
    struct list connections;
    u16 next_port;
    struct sim_faults faults;
    bool cut[SIM_SLOTS_MAX][SIM_SLOTS_MAX]; /* cut[a][b]: nothing passes from slot a to b */
    u64 stalled_until_ms[SIM_SLOTS_MAX];    /* what the slot sends waits until then */
    u64 audit;                              /* running hash of everything that happened */
    u64 events;
    u64 steps; /* of fibers */
    u64 crashes;
    u64 torn_writes;
    u64 lost_writes;
};

extern struct sim *sim; /* the running world; one per operating-system process */

/* sim_init / sim_free: sim_free kills what still runs. */
void sim_init(struct sim *world, u64 seed);
void sim_free(struct sim *world);
/* sim_note: folds a value into the audit hash. */
void sim_note(u64 value);
void sim_note_text(const char *text);

/* sim_host_new: `dir` is made and holds all that its processes write ("store-1"). Lives as long as
 * the world. */
struct sim_host *sim_host_new(const char *address, const char *dir);
void sim_cut(const struct sim_host *a, const struct sim_host *b, bool cut);
void sim_cut_one_way(const struct sim_host *from, const struct sim_host *to, bool cut);

/* sim_process_new: loop_open() is not used in simulations. `ended` is told when it has died by
 * itself: by sim_crash_soon() or sim_exit(). */
typedef void sim_ended(void *ctx, struct loop *process);
struct loop *sim_process_new(const char *name, struct sim_host *host, sim_ended *ended, void *ctx);
/* sim_kill: at once; `power`: with its host. Frees everything but the disk. Not for the process
 * that is running. */
void sim_kill(struct loop *process, bool power);
/* sim_crash_soon: kills it in the middle of its n-th change of the disk from now on. */
void sim_crash_soon(struct loop *process, u64 changes, bool power);
/* sim_exit: ends the process whose fiber calls it, as exit() does. */
__attribute__((noreturn)) void sim_exit(struct loop *process);
/* sim_pause: the process is not scheduled until then (a stopped or overloaded machine). */
void sim_pause(struct loop *process, u64 until_ms);
void sim_set_skew(struct loop *process, i64 skew_ms);
const char *sim_process_name(const struct loop *process);
struct sim_host *sim_process_host(const struct loop *process);
/* sim_process_idle: no fiber is left: what loop_run() would return at, once stopping. */
bool sim_process_idle(const struct loop *process);
/* sim_process_memory: bytes it has allocated now; blocks still there. */
u64 sim_process_memory(const struct loop *process, u64 *ret_blocks);

/* sim_run: until `until_ms` of virtual time, or done() says so (may be NULL), or nothing can ever
 * happen again. */
void sim_run(u64 until_ms, bool (*done)(void *ctx), void *ctx);
/* sim_at: fires once after delay_ms. */
void sim_at(struct sim_event *event, u64 delay_ms, void (*fire)(struct sim_event *event));
void sim_cancel(struct sim_event *event);

/* sim_act_as: memory and disk calls belong to this process (NULL: to the simulator) until it is
 * called with the former owner, which it returns. */
struct loop *sim_act_as(struct loop *process);

/* sim_below / sim_chance: draws of the world. */
u64 sim_below(u64 bound);
bool sim_chance(u64 numerator, u64 denominator);

/* ---- between the files ---- */

/* sim_die: loop.c; never returns to the fiber that calls it. */
__attribute__((noreturn)) void sim_die(struct loop *process, bool power);
struct sim_heap *sim_process_heap(struct loop *process);
/* sim_crash_due: disk.c asks before each change of a process's disk whether it is the last. */
bool sim_crash_due(struct loop *process, bool *ret_power);

/* heap.c */
struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *heap);
u64 sim_heap_bytes(const struct sim_heap *heap, u64 *ret_blocks);

/* disk.c */
struct sim_disk *sim_disk_new(const char *dir);
void sim_disk_free(struct sim_disk *disk);
/* sim_disk_close: what a dead process leaves: its descriptors and mappings are closed. */
void sim_disk_close(struct loop *process);
/* sim_disk_power_cut: decides what is left of everything that was not synced. */
void sim_disk_power_cut(struct sim_disk *disk);
/* sim_disk_wipe: an empty disk. No process may have it. */
void sim_disk_wipe(struct sim_disk *disk);
/* sim_disk_set_full: writes that need room fail with ENOSPC. */
void sim_disk_set_full(struct sim_disk *disk, bool full);

/* net.c */
void sim_net_kill(struct loop *process, bool power);
void sim_net_free(void);

#endif
