/* sim.h: a whole network in one process, in virtual time, from one seed.
 *
 * The simulator links its own implementation of os/loop.h, os/stream.h and base/mem.h, so roles run
 * unchanged: a `struct loop` is one simulated process. One scheduler runs the fibers of all of them
 * and picks among the ready ones by the seed; when nobody is ready, time jumps to the next timer.
 * Killing a process discards its fibers, its heap, its connections and its open files at any wait, or
 * in the middle of its writes; the disk keeps what was synced, and of the rest what the seed says,
 * torn at sectors (disk.c).
 *
 * Nothing here reads a real clock or real entropy, and nothing is ordered by addresses, so a seed
 * gives the same run again: the audit hash over all events says whether it did.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "os/fiber_context.h"
#include "os/loop.h"
#include "os/timers.h"

#define SIM_START_WALL_MS 1767225600000ull /* 2026-01-01 */
#define SIM_HOST_MAX 64

struct sim_heap;
struct sim_disk;

/* Something that happens at a time: a delivery, the end of a worker's job. */
struct sim_event {
    struct timer timer;
    void (*fire)(struct sim_event *event);
};

struct sim_faults {
    u64 latency_min_ms;
    u64 latency_max_ms;
    u64 bytes_per_ms;       /* of a connection; 0: no limit */
    u64 reset_per_million;  /* deliveries that reset their connection instead */
    u64 worker_max_ms;      /* a job takes 0.. this */
    u64 io_error_per_million; /* writes that fail with EIO or ENOSPC */
    bool crash_loses_nothing;  /* every unsynced write is kept */
};

struct sim {
    u64 seed;
    struct prng prng;      /* scheduling and faults */
    u64 now_ms;
    struct list ready;     /* struct fiber */
    size_t ready_count;
    struct timers deadlines; /* of parked fibers */
    struct timers agenda;    /* of struct sim_event */
    struct list processes; /* struct loop */
    struct fiber_stacks stacks;
    struct fiber_context main;
    struct fiber *current;
    struct map listeners;  /* "host:port" → struct listener */
    struct list pipes;     /* open connections */
    struct sim_faults faults;
    u8 cut[32][32];        /* cut[a][b]: nothing passes from process slot a to b */
    u64 audit;             /* running hash of everything that happened */
    u64 events;
    u64 crashes;
    u64 torn_writes;
    u64 lost_writes;
    struct loop *entered;  /* whose heap and disk calls belong to, outside fibers */
};

extern struct sim *sim; /* the running world; one per operating-system process */

/* sim_init / sim_free: sim_free kills what still runs. */
void sim_init(struct sim *world, u64 seed);
void sim_free(struct sim *world);
/* sim_note: folds a value into the audit hash. */
void sim_note(u64 value);
void sim_note_text(const char *text);

/* sim_process_new: a process with an address ("10.0.0.3") and a slot for partitions; loop_open() is
 * not used in simulations. sim_kill: at once, as by kill -9 or a power cut (`power`: unsynced writes
 * are at risk; else they are all kept, as the kernel keeps them). Frees everything but the disk. */
struct loop *sim_process_new(const char *name, const char *host, unsigned slot);
void sim_kill(struct loop *process, bool power);
/* sim_crash_soon: kills with a power cut in the middle of its n-th write from now on. */
void sim_crash_soon(struct loop *process, u64 writes);
const char *sim_process_name(const struct loop *process);
bool sim_process_dead(const struct loop *process);

/* sim_run: until `until_ms` of virtual time, or done() says so (may be NULL), or nothing can ever
 * happen again. Processes that crash by sim_crash_soon() are reported to crashed(). */
void sim_run(u64 until_ms, bool (*done)(void *ctx), void *ctx);
void sim_on_crash(void (*crashed)(void *ctx, struct loop *process), void *ctx);
/* sim_at: fires once after delay_ms. */
void sim_at(struct sim_event *event, u64 delay_ms, void (*fire)(struct sim_event *event));
void sim_cancel(struct sim_event *event);

/* sim_enter / sim_leave: calls from outside fibers that allocate belong to this process. */
struct loop *sim_enter(struct loop *process);
void sim_leave(struct loop *former);

/* heap.c */
struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *heap);
/* disk.c: what belongs to a process that dies. */
struct sim_disk *sim_disk_new(struct loop *process);
void sim_disk_free(struct sim_disk *disk, bool power);
bool sim_disk_dying(const struct sim_disk *disk);
void sim_disk_crash_soon(struct sim_disk *disk, u64 writes);
/* net.c */
void sim_net_kill(struct loop *process);

/* What heap.c and disk.c need to know of a process; NULL outside any. */
struct loop *sim_self(void);
struct sim_heap *sim_process_heap(struct loop *process);
struct sim_disk *sim_process_disk(struct loop *process);
unsigned sim_process_slot(const struct loop *process);
const char *sim_process_host(const struct loop *process);

#endif
