#include "cli/envelope_drop.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "os/file.h"

#include <stdio.h>

#define FOLDER "envelopes"
#define FILE_BYTES_MAX KIB(4)
#define AWAIT_POLL_MS 100
#define PUT_MS 60000
#define OWNER_DIGITS 40
#define KIND "master"

/* ---- the file ---- */

err envelope_text_write(const char *path, const char *kind, const char *address,
                        const struct envelope *envelope)
{
    char text[4 * ((ENVELOPE_BYTES + 2) / 3) + 1];
    base64_encode(text, sizeof text, BYTES_OF(*envelope));
    json_t *object = json_pack("{s:i, s:s, s:s}", "version", 1, "kind", kind, "envelope", text);
    if (address != NULL) {
        json_object_set_new(object, "address", json_string(address));
    }
    struct buf out;
    buf_init(&out, FILE_BYTES_MAX);
    json_write(&out, object);
    buf_put_str(&out, "\n");
    err e = buf_done(&out);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&out));
    }
    buf_free(&out);
    json_decref(object);
    return e;
}

err envelope_text_read(const char *path, const char *kind, struct envelope *ret_envelope)
{
    struct arena arena;
    bytes text;
    json_t *object = NULL;
    size_t len = 0;
    arena_init(&arena, FILE_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, FILE_BYTES_MAX, &object);
    }
    if (is_ok(e)) {
        const char *base64 = json_read_str(object, "envelope");
        const char *of = json_read_str(object, "kind");
        bool fine =
            base64 != NULL && of != NULL &&
            base64_decode(ret_envelope->b, sizeof ret_envelope->b, bytes_str(base64), &len) &&
            len == sizeof ret_envelope->b;
        e = !fine ? fail(ERR_MALFORMED) : strcmp(of, kind) != 0 ? fail(ERR_USAGE) : ok();
    }
    json_decref(object);
    arena_free(&arena);
    return e;
}

/* ---- leaving ---- */

static void drop_path(char out[PATH_BYTES_MAX], const char *data_dir, const struct address *owner,
                      const char *ending)
{
    char folder[PATH_BYTES_MAX];
    char name[OWNER_DIGITS + 16];
    hex_encode(name, sizeof name, BYTES_OF(*owner));
    snprintf(name + OWNER_DIGITS, sizeof name - OWNER_DIGITS, ".%s", ending);
    path_join(folder, data_dir, FOLDER);
    path_join(out, folder, name);
}

err envelope_drop_leave(const char *data_dir, const struct address *owner,
                        const struct envelope *envelope)
{
    char path[PATH_BYTES_MAX];
    path_join(path, data_dir, FOLDER);
    TRY(dir_make(path));
    drop_path(path, data_dir, owner, "refused");
    if (file_exists(path)) {
        TRY(file_remove(path));
    }
    drop_path(path, data_dir, owner, "json");
    return envelope_text_write(path, KIND, NULL, envelope);
}

bool envelope_drop_waits(const char *data_dir, const struct address *owner)
{
    char path[PATH_BYTES_MAX];
    drop_path(path, data_dir, owner, "json");
    return file_exists(path);
}

err envelope_drop_await(struct loop *loop, const char *data_dir, const struct address *owner,
                        u64 deadline_ms)
{
    char refused[PATH_BYTES_MAX];
    drop_path(refused, data_dir, owner, "refused");
    while (envelope_drop_waits(data_dir, owner)) {
        if (loop_now_ms(loop) >= deadline_ms) {
            return fail(ERR_TIMEOUT);
        }
        TRY(fiber_sleep(loop, loop_now_ms(loop) + AWAIT_POLL_MS));
    }
    if (!file_exists(refused)) {
        return ok();
    }
    log_error("envelope", "the gateway refused the envelope; %s says why", refused);
    return fail(ERR_REFUSED);
}

/* ---- taking ---- */

struct taking {
    struct loop *loop;
    struct gateway *gateway;
    const char *data_dir;
};

static void take(const struct taking *taking, const struct address *owner)
{
    char path[PATH_BYTES_MAX];
    char refused[PATH_BYTES_MAX];
    struct envelope envelope;
    drop_path(path, taking->data_dir, owner, "json");
    drop_path(refused, taking->data_dir, owner, "refused");
    err e = envelope_text_read(path, KIND, &envelope);
    if (is_ok(e)) {
        e = gateway_envelope_put(taking->gateway, owner, BYTES_OF(envelope),
                                 loop_now_ms(taking->loop) + PUT_MS);
    }
    if (is_err(e, ERR_CANCELLED) || err_exit_status(e) == 5 || is_err(e, ERR_NOT_FOUND)) {
        log_warn("envelope", "%s waits: %s", path, err_text(e));
        return; /* the network or the owner's authorisation may come */
    }
    if (!is_ok(e)) {
        log_error("envelope", "%s is refused: %s", path, err_text(e));
        IGNORE(file_replace(refused, bytes_str(err_text(e)))); /* the log has it too */
    }
    IGNORE(file_remove(path)); /* if it stays it is taken again, which changes nothing */
}

/* "0123….json", and no other way to write an address. */
static bool parse_name(const char *name, struct address *ret_owner)
{
    return strlen(name) == OWNER_DIGITS + 5 && strcmp(name + OWNER_DIGITS, ".json") == 0 &&
           hex_decode(ret_owner->b, sizeof ret_owner->b, bytes_make(name, OWNER_DIGITS)) &&
           strspn(name, "0123456789abcdef") == OWNER_DIGITS;
}

static err look_at(void *ctx, const char *name)
{
    const struct taking *taking = ctx;
    struct address owner;
    if (parse_name(name, &owner)) {
        take(taking, &owner);
    }
    return ok();
}

void envelope_drop_look(struct loop *loop, struct gateway *gateway, const char *data_dir)
{
    char folder[PATH_BYTES_MAX];
    struct taking taking = {.loop = loop, .gateway = gateway, .data_dir = data_dir};
    path_join(folder, data_dir, FOLDER);
    if (file_exists(folder)) {
        IGNORE(dir_each(folder, look_at, &taking)); /* logged; looked at again */
    }
}
