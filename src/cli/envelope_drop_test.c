/* Envelopes as files, and on their way into a gateway. The command line is a program, not a
 * library: its file is compiled in. */
#include "cli/envelope_drop.c"

#include "tests/support/check.h"

static char root[] = "/tmp/cairn-envelope-XXXXXX";
static const struct address owner = {{0xab, 1, 2}};
#define OWNER_TEXT "ab01020000000000000000000000000000000000"

static void make(struct envelope *ret)
{
    static const struct master_key master = {{7}};
    u8 random[40] = {3};
    assert_true(is_ok(envelope_seal(ret, &master, bytes_str("words"), 1, 8, random)));
}

static void write_text(const char *path, const char *text)
{
    assert_true(is_ok(file_replace(path, bytes_str(text))));
}

static void test_text(void **state)
{
    struct envelope envelope;
    struct envelope found;
    char path[PATH_BYTES_MAX];
    char base64[4 * ((ENVELOPE_BYTES + 2) / 3) + 1];
    char text[1024];
    (void)state;
    path_join(path, root, "backup.json");
    assert_true(is_err(envelope_text_read(path, "master", &found), ERR_NOT_FOUND));
    make(&envelope);
    assert_true(is_ok(envelope_text_write(path, "master", NULL, &envelope)));
    assert_true(is_ok(envelope_text_read(path, "master", &found)));
    assert_memory_equal(found.b, envelope.b, sizeof found.b);
    assert_true(is_err(envelope_text_read(path, "account", &found), ERR_USAGE));
    base64_encode(base64, sizeof base64, BYTES_OF(envelope));
    static const char *const forms[] = {
        "{\"kind\":\"master\",\"envelope\":\"%.100s\"}", /* short */
        "{\"kind\":\"master\",\"envelope\":\"%sAAAA\"}", /* long */
        "{\"kind\":\"master\",\"envelope\":[\"%s\"]}",   /* no text */
        "{\"kind\":\"master\",\"envelope\":\"*%s\"}",    /* no base64 */
        "{\"envelope\":\"%s\"}",                         /* of no kind */
        "{\"kind\":\"master\",\"envelope\":\"%s\"",      /* no end */
        "{\"kind\":\"master\",\"envelope\":null,\"x\":\"%s\"}",
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, forms[i], base64);
#pragma GCC diagnostic pop
        write_text(path, text);
        assert_true(is_err(envelope_text_read(path, "master", &found), ERR_MALFORMED));
    }
}

static bool there(const char *name)
{
    char folder[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    path_join(folder, root, FOLDER);
    path_join(path, folder, name);
    return file_exists(path);
}

static void put(const char *name, const char *text)
{
    char folder[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    path_join(folder, root, FOLDER);
    assert_true(is_ok(dir_make(folder)));
    path_join(path, folder, name);
    write_text(path, text);
}

static void drops(void *arg)
{
    struct loop *loop = arg;
    struct envelope envelope;
    make(&envelope);
    assert_false(envelope_drop_waits(root, &owner));
    assert_true(is_ok(envelope_drop_leave(root, &owner, &envelope)));
    assert_true(envelope_drop_waits(root, &owner) && there(OWNER_TEXT ".json"));
    err e = envelope_drop_await(loop, root, &owner, loop_now_ms(loop) + 10);
    assert_true(is_err(e, ERR_TIMEOUT)); /* nobody looks */
    /* What is no envelope never gets to the gateway; the reason is left. */
    put(OWNER_TEXT ".json", "{}");
    put("AB01020000000000000000000000000000000000.json", "{}"); /* another way to write it */
    put("ab01.json", "{}");
    put(OWNER_TEXT ".jso", "{}");
    envelope_drop_look(loop, NULL, root);
    assert_false(there(OWNER_TEXT ".json"));
    assert_true(there(OWNER_TEXT ".refused") && there("ab01.json") && there(OWNER_TEXT ".jso"));
    assert_true(there("AB01020000000000000000000000000000000000.json"));
    e = envelope_drop_await(loop, root, &owner, loop_now_ms(loop) + 10);
    assert_true(is_err(e, ERR_REFUSED));
    assert_true(is_ok(envelope_drop_leave(root, &owner, &envelope))); /* another try */
    assert_false(there(OWNER_TEXT ".refused"));
    loop_stop(loop);
}

static void test_drops(void **state)
{
    struct loop *loop;
    (void)state;
    assert_true(is_ok(loop_open(&loop, 1)));
    assert_true(is_ok(fiber_start(loop, "test", drops, loop)));
    loop_run(loop);
    loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_drops)};
    assert_true(mkdtemp(root) != NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return is_ok(dir_remove_all(root)) ? failed : 1;
}
