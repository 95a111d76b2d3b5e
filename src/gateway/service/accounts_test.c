/* S3 users and the master key's envelope in an owner's system bucket. */
#include "data/bucket_name.h"
#include "gateway/service/testing_world.h"

static const struct master_key master = {{9, 8, 7}};
static const struct address owner = {{0x42}};

static void make_system_bucket(struct world *w, struct index_bucket *ret)
{
    struct hash salt;
    *ret = world_bucket(0, SYSTEM_BUCKET_NAME);
    ret->owner = owner;
    system_bucket_salt(&salt);
    bucket_id(&ret->id, &owner, &salt);
    struct index_update update = {.put_bucket = ret};
    assert_true(is_ok(index_apply(w->gateway->index, &update, NULL)));
}

static void make_envelope(struct envelope *ret, const char *passphrase)
{
    u8 random[40] = {1};
    memcpy(random, passphrase, min_size(strlen(passphrase), sizeof random));
    assert_true(is_ok(envelope_seal(ret, &master, bytes_str(passphrase), 1, 8, random)));
}

static struct gateway_user make_user(const char *access_key)
{
    struct gateway_user user = {.owner = owner,
                                .id = "alice",
                                .display_name = "Alice",
                                .email = "alice@example.org",
                                .tenant = "research",
                                .secret_key = "secret"};
    snprintf(user.access_key, sizeof user.access_key, "%s", access_key);
    return user;
}

static struct index_bucket system_now(struct world *w, const struct index_bucket *bucket)
{
    struct index_view *view;
    struct index_bucket now;
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    assert_true(is_ok(index_bucket_by_id(view, &bucket->id, &now)));
    index_view_close(view);
    return now;
}

/* What lies where a head points, as storage nodes have it. */
static bytes record_at(struct world *w, const struct journal_head *head)
{
    struct segment_key key = {WORLD_TERRITORY, head->locator.gateway, head->locator.number};
    struct world_segment *segment = world_find(w, &key);
    assert_non_null(segment);
    return bytes_make(segment->content + head->locator.offset, head->locator.length);
}

/* Kinds of the journal's records from the first to the last, as letters; and the envelope that is
 * met first on the way back, found without any key. */
static void walk(struct world *w, const struct index_bucket *bucket, char kinds[32],
                 struct envelope *ret_newest)
{
    static const char letters[] = {'?', 'c', 's', 'e'};
    struct journal_head head = system_now(w, bucket).head;
    char back[32];
    size_t count = 0;
    bool found = false;
    while (!hash_is_zero(&head.hash)) {
        struct journal_record record;
        struct arena arena;
        bytes body;
        bytes in = record_at(w, &head);
        assert_true(count < sizeof back && is_ok(journal_record_peek(in, &record)));
        back[count++] = letters[record.kind];
        arena_init(&arena, MIB(1));
        err e = journal_record_open(in, &head.hash, NULL, &arena, &record, &body);
        assert_true(is_ok(e) == (record.kind == JOURNAL_ENVELOPE));
        if (is_ok(e) && !found) {
            assert_int_equal(body.len, ENVELOPE_BYTES);
            memcpy(ret_newest->b, body.data, body.len);
            found = true;
        }
        arena_free(&arena);
        head = record.previous;
    }
    assert_true(found);
    for (size_t i = 0; i < count; i++) {
        kinds[i] = back[count - 1 - i];
    }
    kinds[count] = '\0';
}

static void opens_with(const struct envelope *envelope, const char *passphrase)
{
    struct master_key opened;
    assert_true(is_ok(envelope_open(&opened, BYTES_OF(*envelope), bytes_str(passphrase))));
    assert_memory_equal(opened.b, master.b, sizeof opened.b);
}

/* ---- tests: bodies run in a fiber ---- */

static void the_envelope_is_the_first_record(struct world *w)
{
    struct index_bucket bucket;
    struct envelope envelope;
    struct envelope found;
    char kinds[32];
    struct gateway_user user = make_user("ALICE");
    make_system_bucket(w, &bucket);
    make_envelope(&envelope, "first words");
    assert_true(is_err(gateway_envelope_find(w->gateway, &owner, &found), ERR_NOT_FOUND));
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 10000))));
    assert_true(is_ok(gateway_user_add(w->gateway, &user, world_in(w, 10000))));
    assert_true(is_ok(gateway_envelope_find(w->gateway, &owner, &found)));
    assert_memory_equal(found.b, envelope.b, sizeof found.b);
    walk(w, &bucket, kinds, &found);
    assert_string_equal(kinds, "ecc"); /* itself, its document, the user */
    opens_with(&found, "first words");
    assert_true(
        is_err(envelope_open(&(struct master_key){{0}}, BYTES_OF(found), bytes_str("other")),
               ERR_INTEGRITY));
    /* The same one again changes nothing. */
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 10000))));
    assert_int_equal(system_now(w, &bucket).sequence, 3);
    world_settle(w);
    bucket = system_now(w, &bucket);
    assert_true(hash_eq(world_head(w, &bucket.id), &bucket.head.hash));
}

static void a_new_passphrase_counts_from_then_on(struct world *w)
{
    struct index_bucket bucket;
    struct envelope first;
    struct envelope second;
    struct envelope found;
    char kinds[32];
    make_system_bucket(w, &bucket);
    make_envelope(&first, "first words");
    make_envelope(&second, "second words");
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(first), world_in(w, 10000))));
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(second), world_in(w, 10000))));
    walk(w, &bucket, kinds, &found);
    assert_string_equal(kinds, "ecec");
    opens_with(&found, "second words");
    world_settle(w);
    world_restart(w);
    assert_true(is_ok(gateway_envelope_find(w->gateway, &owner, &found)));
    opens_with(&found, "second words");
}

static bool has_snapshot(struct world *w, const struct index_bucket *bucket)
{
    return system_now(w, bucket).snapshot.length != 0;
}

/* What a snapshot makes superfluous may go: the envelope comes again behind it. */
static void a_snapshot_is_followed_by_the_envelope(struct world *w)
{
    struct index_bucket bucket;
    struct envelope envelope;
    struct envelope found;
    char kinds[32];
    make_system_bucket(w, &bucket);
    make_envelope(&envelope, "first words");
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 10000))));
    struct index_bucket grown = system_now(w, &bucket);
    grown.records_since_snapshot = 1000000;
    grown.journal_bytes_since_snapshot = GIB(1);
    snapshot_consider(w->gateway, &grown);
    u64 end = world_in(w, 10000);
    while (!has_snapshot(w, &bucket) && loop_now_ms(w->loop) < end) {
        assert_true(is_ok(fiber_sleep(w->loop, world_in(w, 5))));
    }
    world_settle(w);
    walk(w, &bucket, kinds, &found);
    assert_string_equal(kinds, "ecse");
    opens_with(&found, "first words");
}

static void what_is_no_envelope_is_refused(struct world *w)
{
    struct index_bucket bucket;
    struct envelope envelope;
    struct envelope found;
    make_system_bucket(w, &bucket);
    make_envelope(&envelope, "words");
    const bytes wrong[] = {bytes_make(NULL, 0), bytes_make(envelope.b, sizeof envelope.b - 1),
                           bytes_str("no envelope at all")};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_true(is_err(gateway_envelope_put(w->gateway, &owner, wrong[i], world_in(w, 1000)),
                           ERR_MALFORMED));
    }
    store_be32(envelope.b + 9, ENVELOPE_MEMORY_KIB_MAX + 1);
    assert_true(
        is_err(gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 1000)),
               ERR_MALFORMED));
    assert_true(is_err(gateway_envelope_find(w->gateway, &owner, &found), ERR_NOT_FOUND));
    assert_int_equal(system_now(w, &bucket).sequence, 0);
    /* Somebody who has no territory here. */
    struct address stranger = {{0x43}};
    territory_get(w->gateway, WORLD_TERRITORY)->owner = owner;
    make_envelope(&envelope, "words");
    assert_true(
        is_err(gateway_envelope_put(w->gateway, &stranger, BYTES_OF(envelope), world_in(w, 1000)),
               ERR_NOT_FOUND));
}

static void a_failed_commit_leaves_no_envelope(struct world *w)
{
    struct index_bucket bucket;
    struct envelope envelope;
    struct envelope found;
    make_system_bucket(w, &bucket);
    make_envelope(&envelope, "words");
    w->seal_faults = 1;
    err e = gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 10000));
    assert_true(is_err(e, ERR_BUSY));
    assert_true(is_err(gateway_envelope_find(w->gateway, &owner, &found), ERR_NOT_FOUND));
    assert_int_equal(system_now(w, &bucket).sequence, 0);
    assert_true(
        is_ok(gateway_envelope_put(w->gateway, &owner, BYTES_OF(envelope), world_in(w, 10000))));
    world_settle(w);
}

static void users_keep_all_their_fields(struct world *w)
{
    struct index_bucket bucket;
    struct gateway_user user = make_user("ALICE");
    struct gateway_user found;
    make_system_bucket(w, &bucket);
    assert_true(is_ok(gateway_user_add(w->gateway, &user, world_in(w, 10000))));
    assert_true(is_err(gateway_user_add(w->gateway, &user, world_in(w, 10000)), ERR_EXISTS));
    memset(user.email, 'e', sizeof user.email - 1);
    memset(user.tenant, 't', sizeof user.tenant - 1);
    memset(user.access_key, 'A', sizeof user.access_key - 1);
    memset(user.secret_key, 's', sizeof user.secret_key - 1);
    assert_true(is_ok(gateway_user_add(w->gateway, &user, world_in(w, 10000))));
    assert_true(is_ok(gateway_user_find(w->gateway, bytes_str(user.access_key), &found)));
    assert_string_equal(found.email, user.email);
    assert_string_equal(found.tenant, user.tenant);
    assert_string_equal(found.secret_key, user.secret_key);
    assert_true(is_ok(gateway_user_find(w->gateway, bytes_str("ALICE"), &found)));
    assert_string_equal(found.email, "alice@example.org");
    assert_string_equal(found.tenant, "research");
    assert_string_equal(found.display_name, "Alice");
    assert_true(address_eq(&found.owner, &owner));
    user = make_user("NOBODY");
    memset(user.email, 'e', sizeof user.email); /* no end */
    assert_true(is_err(gateway_user_add(w->gateway, &user, world_in(w, 1000)), ERR_USAGE));
    assert_true(is_err(gateway_user_find(w->gateway, bytes_str("NOBODY"), &found), ERR_NOT_FOUND));
    world_settle(w);
}

static void damaged_documents_are_no_users(void **state)
{
    static const u8 whole[] = {6, 5,   0, 1, 0,   1, 'i', 0,   1, 'd', 0,
                               1, 'e', 0, 1, 't', 0, 1,   'A', 0, 1,   's'};
    u8 changed[sizeof whole];
    struct gateway_user user;
    (void)state;
    assert_true(is_ok(gateway_user_read(&user, &owner, BYTES_OF(whole))));
    assert_string_equal(user.email, "e");
    for (size_t len = 0; len < sizeof whole; len++) {
        assert_true(
            is_err(gateway_user_read(&user, &owner, bytes_make(whole, len)), ERR_MALFORMED));
    }
    for (size_t i = 0; i < 6; i++) {
        memcpy(changed, whole, sizeof whole);
        changed[i] = (u8)(changed[i] + 9); /* another kind, version, or a length beyond the end */
        assert_true(is_err(gateway_user_read(&user, &owner, BYTES_OF(changed)), ERR_MALFORMED));
    }
    memcpy(changed, whole, sizeof whole);
    changed[6] = 0; /* a text that ends before its end */
    assert_true(is_err(gateway_user_read(&user, &owner, BYTES_OF(changed)), ERR_MALFORMED));
}

/* ---- running them ---- */

struct running {
    struct loop *loop;
    void (*body)(struct world *w);
};

static void run_body(void *arg)
{
    struct running *running = arg;
    struct world *w = world_new(running->loop);
    running->body(w);
    world_free(w);
    loop_stop(running->loop);
}

static void in_world(void (*body)(struct world *w))
{
    struct running running = {.body = body};
    assert_true(is_ok(loop_open(&running.loop, 2)));
    assert_true(is_ok(fiber_start(running.loop, "test", run_body, &running)));
    loop_run(running.loop);
    loop_close(running.loop);
}

#define WORLD_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        in_world(name);                                                                            \
    }

WORLD_TEST(the_envelope_is_the_first_record)
WORLD_TEST(a_new_passphrase_counts_from_then_on)
WORLD_TEST(a_snapshot_is_followed_by_the_envelope)
WORLD_TEST(what_is_no_envelope_is_refused)
WORLD_TEST(a_failed_commit_leaves_no_envelope)
WORLD_TEST(users_keep_all_their_fields)

int main(void)
{
    struct hash seed = {{1}};
    crypto_init(&seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_envelope_is_the_first_record),
        cmocka_unit_test(test_a_new_passphrase_counts_from_then_on),
        cmocka_unit_test(test_a_snapshot_is_followed_by_the_envelope),
        cmocka_unit_test(test_what_is_no_envelope_is_refused),
        cmocka_unit_test(test_a_failed_commit_leaves_no_envelope),
        cmocka_unit_test(test_users_keep_all_their_fields),
        cmocka_unit_test(damaged_documents_are_no_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
