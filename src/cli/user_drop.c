#include "cli/user_drop.h"

#include "cli/envelope_drop.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "os/file.h"

#include <stdio.h>

#define FOLDER "users"
#define FILE_BYTES_MAX KIB(4)
#define POLL_MS 300
#define AWAIT_POLL_MS 100
#define ADD_MS 60000

/* Letters, digits, and what base64 and e-mail addresses need but slashes. */
static bool is_file_name(const char *key)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+=@";
    size_t len = strlen(key);
    return len > 0 && len <= 128 && key[0] != '.' && strspn(key, allowed) == len;
}

static void drop_path(char out[PATH_BYTES_MAX], const char *data_dir, const char *access_key,
                      const char *ending)
{
    char name[160];
    char folder[PATH_BYTES_MAX];
    snprintf(name, sizeof name, "%s.%s", access_key, ending);
    path_join(folder, data_dir, FOLDER);
    path_join(out, folder, name);
}

/* ---- leaving ---- */

err user_drop_leave(const char *data_dir, const struct gateway_user *user)
{
    char path[PATH_BYTES_MAX];
    char owner[43] = "0x";
    if (!is_file_name(user->access_key)) {
        log_error("user", "an access key is made of letters, digits and -_.+=@");
        return fail(ERR_USAGE);
    }
    path_join(path, data_dir, FOLDER);
    TRY(dir_make(path));
    drop_path(path, data_dir, user->access_key, "refused");
    if (file_exists(path)) {
        TRY(file_remove(path));
    }
    hex_encode(owner + 2, sizeof owner - 2, BYTES_OF(user->owner));
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "owner", owner, "id", user->id,
                  "display_name", user->display_name, "email", user->email, "tenant", user->tenant,
                  "access_key", user->access_key, "secret_key", user->secret_key);
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    json_write(&text, object);
    json_decref(object);
    drop_path(path, data_dir, user->access_key, "json");
    err e = buf_done(&text);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&text));
    }
    mem_wipe(text.data, text.len);
    buf_free(&text);
    return e;
}

err user_drop_await(struct loop *loop, const char *data_dir, const struct gateway_user *user,
                    u64 deadline_ms)
{
    char waiting[PATH_BYTES_MAX];
    char refused[PATH_BYTES_MAX];
    drop_path(waiting, data_dir, user->access_key, "json");
    drop_path(refused, data_dir, user->access_key, "refused");
    while (file_exists(waiting)) {
        if (loop_now_ms(loop) >= deadline_ms) {
            return fail(ERR_TIMEOUT);
        }
        TRY(fiber_sleep(loop, loop_now_ms(loop) + AWAIT_POLL_MS));
    }
    if (!file_exists(refused)) {
        return ok();
    }
    log_error("user", "the gateway refused the user; %s says why", refused);
    return fail(ERR_REFUSED);
}

/* ---- taking ---- */

struct user_drop {
    struct loop *loop;
    struct gateway *gateway;
    char data_dir[PATH_BYTES_MAX];
};

static bool copy_text(char *out, size_t cap, const json_t *object, const char *member)
{
    const char *text = json_read_str(object, member);
    if (text == NULL || strlen(text) >= cap) {
        return false;
    }
    snprintf(out, cap, "%s", text);
    return true;
}

static bool parse_user(const json_t *object, struct gateway_user *ret)
{
    return json_read_fixed(json_object_get(object, "owner"), ret->owner.b, sizeof ret->owner.b) &&
           copy_text(ret->id, sizeof ret->id, object, "id") &&
           copy_text(ret->display_name, sizeof ret->display_name, object, "display_name") &&
           copy_text(ret->email, sizeof ret->email, object, "email") &&
           copy_text(ret->tenant, sizeof ret->tenant, object, "tenant") &&
           copy_text(ret->access_key, sizeof ret->access_key, object, "access_key") &&
           copy_text(ret->secret_key, sizeof ret->secret_key, object, "secret_key");
}

static err load_user(const char *path, struct gateway_user *ret)
{
    struct arena arena;
    bytes text;
    json_t *object = NULL;
    arena_init(&arena, FILE_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, FILE_BYTES_MAX, &object);
        mem_wipe((void *)(uintptr_t)text.data, text.len);
    }
    if (is_ok(e) && !parse_user(object, ret)) {
        e = fail(ERR_MALFORMED);
    }
    json_decref(object);
    arena_free(&arena);
    return e;
}

/* The same user again is fine. */
static err add(struct user_drop *drop, const struct gateway_user *user)
{
    struct gateway_user found;
    if (is_ok(gateway_user_find(drop->gateway, bytes_str(user->access_key), &found))) {
        bool same = strcmp(found.secret_key, user->secret_key) == 0 &&
                    address_eq(&found.owner, &user->owner);
        mem_wipe(&found, sizeof found);
        return same ? ok() : fail(ERR_EXISTS);
    }
    return gateway_user_add(drop->gateway, user, loop_now_ms(drop->loop) + ADD_MS);
}

static void take(struct user_drop *drop, const char *path, const char *refused)
{
    struct gateway_user user = {.id = ""};
    err e = load_user(path, &user);
    if (is_ok(e) && envelope_drop_waits(drop->data_dir, &user.owner)) {
        e = fail(ERR_BUSY); /* it comes first */
    }
    if (is_ok(e)) {
        e = add(drop, &user);
    }
    mem_wipe(&user, sizeof user);
    if (is_err(e, ERR_CANCELLED) || err_exit_status(e) == 5 || is_err(e, ERR_NOT_FOUND)) {
        log_warn("user", "%s waits: %s", path, err_text(e));
        return; /* the network or the owner's authorisation may come */
    }
    if (!is_ok(e)) {
        log_error("user", "%s is refused: %s", path, err_text(e));
        IGNORE(file_replace(refused, bytes_str(err_text(e)))); /* the log has it too */
    }
    IGNORE(file_remove(path)); /* if it stays it is taken again, which changes nothing */
}

static err look_at(void *ctx, const char *name)
{
    struct user_drop *drop = ctx;
    char path[PATH_BYTES_MAX];
    char refused[PATH_BYTES_MAX];
    char key[160];
    size_t len = strlen(name);
    if (len < 6 || len >= sizeof key || !bytes_ends_with(bytes_str(name), bytes_str(".json"))) {
        return ok();
    }
    snprintf(key, sizeof key, "%.*s", (int)(len - 5), name);
    if (is_file_name(key)) {
        drop_path(path, drop->data_dir, key, "json");
        drop_path(refused, drop->data_dir, key, "refused");
        take(drop, path, refused);
    }
    return ok();
}

static void look(void *arg)
{
    struct user_drop *drop = arg;
    char folder[PATH_BYTES_MAX];
    path_join(folder, drop->data_dir, FOLDER);
    do {
        envelope_drop_look(drop->loop, drop->gateway, drop->data_dir);
        if (file_exists(folder)) {
            IGNORE(dir_each(folder, look_at, drop)); /* logged; looked at again */
        }
    } while (is_ok(fiber_sleep(drop->loop, loop_now_ms(drop->loop) + POLL_MS)));
    mem_free(drop);
}

err user_drop_start(struct loop *loop, struct gateway *gateway, const char *data_dir,
                    struct group *fibers)
{
    struct user_drop *drop = MEM_NEW(struct user_drop);
    drop->loop = loop;
    drop->gateway = gateway;
    snprintf(drop->data_dir, sizeof drop->data_dir, "%s", data_dir);
    err e = group_start(loop, fibers, "users", look, drop);
    if (!is_ok(e)) {
        mem_free(drop);
    }
    return e;
}
