/* devnet_roles.c: the children of a devnet: started, asked for their health, watched, ended. */
#include "cli/devnet.h"

#include "base/assert.h"
#include "base/log.h"

#define HEALTH_POLL_MS 50
#define LOG_TAIL_BYTES 1000
#define HEALTH_CALL_MS 2000
#define STOP_PATIENCE_MS 20000
#define RESPAWN_MS 1000
#define REVIVE_POLL_MS 200
#define REVIVE_START_MS 60000
#define REVIVE_BYTES_MAX KIB(8)

/* ---- health ---- */

static bool is_healthy(const struct devnet_role *role, struct http_client *http)
{
    char base[DEVNET_URL_BYTES];
    char url[DEVNET_URL_BYTES + 8];
    struct arena arena;
    bytes body;
    int status = 0;
    devnet_url(base, "http", role->host, role->metrics_port);
    snprintf(url, sizeof url, "%s/health", base);
    const struct http_call_options call = {
        .method = "GET",
        .url = url,
        .deadline_ms = loop_now_ms(role->devnet->loop) + HEALTH_CALL_MS,
    };
    arena_init(&arena, KIB(64));
    err e = http_fetch(http, &call, bytes_str(""), &arena, &status, &body);
    arena_free(&arena);
    return is_ok(e) && status == 200;
}

/* What a role said last, for whoever wonders why there is no devnet. */
static void show_log(const struct devnet_role *role)
{
    char path[PATH_BYTES_MAX];
    char text[LOG_TAIL_BYTES + 1];
    struct file *file;
    u64 size = 0;
    size_t len = 0;
    path_join(path, role->dir, "log");
    if (!is_ok(file_open(path, FILE_READ, &file))) {
        return;
    }
    err e = file_size(file, &size);
    u64 from = size > LOG_TAIL_BYTES ? size - LOG_TAIL_BYTES : 0;
    if (is_ok(e) && is_ok(file_read_some(file, from, text, LOG_TAIL_BYTES, &len))) {
        text[len] = '\0';
        fprintf(stderr, "---- the end of %s:\n%s----\n", path, text);
    }
    file_close(file);
}

static err ended_early(const struct devnet_role *role, int status)
{
    log_error("devnet", "%s ended with status %d before it was ready", role->name, status);
    show_log(role);
    return fail(ERR_FAILED);
}

static err await_health(struct devnet_role *role, u64 deadline_ms)
{
    struct loop *loop = role->devnet->loop;
    struct http_client *http;
    int status;
    TRY(http_client_new(loop, &(struct http_client_options){0}, &http));
    err e = ok();
    while (is_ok(e) && !is_healthy(role, http)) {
        if (role->process == NULL || process_ended(role->process, &status)) {
            e = ended_early(role, role->process != NULL ? status : -1);
        } else if (role->devnet->stopping) {
            e = fail(ERR_CANCELLED);
        } else if (loop_now_ms(loop) >= deadline_ms) {
            log_error("devnet", "%s is not ready in time", role->name);
            show_log(role);
            e = fail(ERR_TIMEOUT);
        } else {
            e = fiber_sleep(loop, loop_now_ms(loop) + HEALTH_POLL_MS);
        }
    }
    http_client_free(http);
    return e;
}

/* ---- processes ---- */

static void update_description(struct devnet *devnet)
{
    if (devnet->ready && !devnet->stopping) {
        IGNORE(devnet_publish(devnet)); /* logged; the next change writes it again */
    }
}

static err spawn(struct devnet_role *role)
{
    char program[PATH_BYTES_MAX];
    char config[PATH_BYTES_MAX];
    char log_path[PATH_BYTES_MAX];
    const char *const node[] = {program, "node", "--config", config, NULL};
    const char *const store[] = {program, "store", "run", "--config", config, NULL};
    const char *const gateway[] = {program, "gateway", "run", "--config", config, NULL};
    const char *const *const commands[] = {node, store, gateway};
    process_self_path(program);
    path_join(config, role->dir, "config.json");
    path_join(log_path, role->dir, "log");
    const struct process_options options = {.argv = commands[role->kind], .log_path = log_path};
    process_free(role->process);
    role->process = NULL;
    return process_spawn(role->devnet->loop, &options, &role->process);
}

/* A role that ended by itself is started anew if that is wanted; false: it stays dead. */
static bool respawn(struct devnet_role *role)
{
    struct devnet *devnet = role->devnet;
    if (!devnet->respawn ||
        !is_ok(fiber_sleep(devnet->loop, loop_now_ms(devnet->loop) + RESPAWN_MS)) ||
        devnet->stopping) {
        return false;
    }
    if (!is_ok(spawn(role))) {
        log_error("devnet", "cannot start %s again", role->name);
        return false;
    }
    log_info("devnet", "%s runs again (pid %u)", role->name, process_pid(role->process));
    update_description(devnet);
    return true;
}

/* Lives as long as the role's processes do and says how they end. */
static void supervise(void *arg)
{
    struct devnet_role *role = arg;
    struct devnet *devnet = role->devnet;
    int status = 0;
    do {
        if (!is_ok(process_wait(role->process, DEADLINE_NONE, &status)) || devnet->stopping) {
            break;
        }
        log_warn("devnet", "%s (pid %u) ended with status %d; see %s/log", role->name,
                 process_pid(role->process), status, role->dir);
        update_description(devnet);
    } while (respawn(role));
    role->supervised = false;
}

err devnet_start_role(struct devnet_role *role, u64 deadline_ms)
{
    assert_that(!role->supervised);
    TRY(devnet_write_config(role));
    TRY(spawn(role));
    role->supervised = true;
    err e = group_start(role->devnet->loop, &role->devnet->fibers, "supervisor", supervise, role);
    if (!is_ok(e)) {
        role->supervised = false;
        return e;
    }
    return await_health(role, deadline_ms);
}

/* ---- all stores at once ---- */

struct start {
    struct devnet_role *role;
    u64 deadline_ms;
    err result;
};

static void start_one(void *arg)
{
    struct start *start = arg;
    start->result = devnet_start_role(start->role, start->deadline_ms);
}

err devnet_start_stores(struct devnet *devnet, u64 deadline_ms)
{
    struct start starts[DEVNET_ROLES_MAX];
    struct group group;
    size_t count = 0;
    err result = ok();
    group_init(&group);
    for (size_t i = 0; is_ok(result) && i < devnet->role_count; i++) {
        if (devnet_is_store(&devnet->roles[i])) {
            starts[count] = (struct start){&devnet->roles[i], deadline_ms, ok()};
            result = group_start(devnet->loop, &group, "start", start_one, &starts[count]);
            count += is_ok(result);
        }
    }
    group_wait(devnet->loop, &group);
    for (size_t i = 0; i < count; i++) {
        if (is_ok(result)) {
            result = starts[i].result;
        }
    }
    return result;
}

/* ---- ending ---- */

static void stop_kind(struct devnet *devnet, enum devnet_kind kind)
{
    int status;
    u64 deadline = loop_now_ms(devnet->loop) + STOP_PATIENCE_MS;
    for (size_t i = 0; i < devnet->role_count; i++) {
        struct devnet_role *role = &devnet->roles[i];
        if (role->kind == kind && role->process != NULL) {
            process_kill(role->process, SIGTERM);
        }
    }
    for (size_t i = 0; i < devnet->role_count; i++) {
        struct devnet_role *role = &devnet->roles[i];
        if (role->kind != kind || role->process == NULL) {
            continue;
        }
        if (!is_ok(process_wait(role->process, deadline, &status))) {
            log_warn("devnet", "%s does not stop: killed", role->name);
            process_kill(role->process, SIGKILL);
            IGNORE(process_wait(role->process, DEADLINE_NONE, &status)); /* SIGKILL ends it */
        } else if (status != 0 && role->supervised) {
            log_warn("devnet", "%s stopped with status %d; see %s/log", role->name, status,
                     role->dir);
        }
    }
}

void devnet_stop_roles(struct devnet *devnet)
{
    static const enum devnet_kind order[] = {DEVNET_GATEWAY, DEVNET_STORE, DEVNET_LEDGER};
    devnet->stopping = true;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        stop_kind(devnet, order[i]);
    }
    group_wait(devnet->loop, &devnet->fibers);
    for (size_t i = 0; i < devnet->role_count; i++) {
        process_free(devnet->roles[i].process);
        devnet->roles[i].process = NULL;
    }
}

/* ---- reviving ---- */

/* Whether the text of DIR/revive names the role, one name a line; an empty file names all. */
static bool is_named(bytes text, const char *name)
{
    bool any = false;
    for (size_t at = 0; at < text.len;) {
        bytes rest = bytes_slice(text, at, text.len - at);
        size_t end = bytes_find(rest, bytes_str("\n"));
        bytes line = bytes_slice(rest, 0, end == SIZE_MAX ? rest.len : end);
        if (bytes_eq_str(line, name)) {
            return true;
        }
        any |= line.len > 0;
        at += line.len + 1;
    }
    return !any;
}

static void revive_role(struct devnet_role *role)
{
    if (role->supervised) {
        return;
    }
    err e = devnet_start_role(role, loop_now_ms(role->devnet->loop) + REVIVE_START_MS);
    if (is_ok(e)) {
        log_info("devnet", "%s runs again (pid %u)", role->name, process_pid(role->process));
    }
    update_description(role->devnet);
}

static void revive_named(struct devnet *devnet, const char *path)
{
    struct arena arena;
    bytes text;
    arena_init(&arena, REVIVE_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = file_remove(path);
    }
    for (size_t i = 0; is_ok(e) && i < devnet->role_count; i++) {
        if (is_named(text, devnet->roles[i].name)) {
            revive_role(&devnet->roles[i]);
        }
    }
    arena_free(&arena);
}

static void revive(void *arg)
{
    struct devnet *devnet = arg;
    char path[PATH_BYTES_MAX];
    devnet_path(devnet, path, "revive");
    while (!devnet->stopping &&
           is_ok(fiber_sleep(devnet->loop, loop_now_ms(devnet->loop) + REVIVE_POLL_MS))) {
        if (!devnet->stopping && file_exists(path)) {
            revive_named(devnet, path);
        }
    }
}

err devnet_revive_start(struct devnet *devnet)
{
    return group_start(devnet->loop, &devnet->fibers, "revive", revive, devnet);
}
