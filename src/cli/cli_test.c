/* cli_test.c: flags, config files, sizes, progress lines, ABI values as text, key files. The
 * command line is a program, not a library: its files are compiled in. */
#include "cli/abi_text.c"
#include "cli/amount.c"
#include "cli/args.c"
#include "cli/contract_file.c"
#include "cli/keyfile.c"
#include "cli/output.c"
#include "cli/progress.c"

#include "tests/support/check.h"

static struct {
    bool flag;
    const char *text;
    u64 number;
    u64 size;
    u64 seconds;
    struct flag_list list;
    json_t *object;
} o;

static const struct flag flags[] = {
    {"flag", FLAG_BOOL, &o.flag, NULL, "a flag"},
    {"text", FLAG_TEXT, &o.text, "TEXT", "text"},
    {"number", FLAG_NUMBER, &o.number, "N", "number"},
    {"size", FLAG_SIZE, &o.size, "SIZE", "size"},
    {"for", FLAG_DURATION, &o.seconds, "TIME", "time"},
    {"item", FLAG_LIST, &o.list, "ITEM", "list"},
    {"object", FLAG_OBJECT, &o.object, NULL, NULL},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct verb verb = {.name = "try", .flags = flags};

static bool parse(struct cli *cli, size_t low, size_t high, int argc, ...)
{
    static char *argv[32];
    va_list args;
    memset(&o, 0, sizeof o);
    va_start(args, argc);
    for (int i = 0; i < argc; i++) {
        argv[i] = va_arg(args, char *);
    }
    va_end(args);
    *cli = (struct cli){.verb = &verb, .argc = argc, .argv = argv, .quiet = true};
    return cli_parse(cli, low, high);
}

static void test_flags(void **state)
{
    (void)state;
    struct cli cli;
    assert_true(parse(&cli, 0, 0, 0));
    assert_true(parse(&cli, 1, 2, 7, "--flag", "a", "--text=x=y", "--size", "3MiB", "--item", "p"));
    assert_true(o.flag);
    assert_string_equal(o.text, "x=y");
    assert_int_equal(o.size, MIB(3));
    assert_int_equal(o.list.count, 1);
    assert_int_equal(cli.positional_count, 1);
    assert_true(cli_given(&cli, "size"));
    assert_false(cli_given(&cli, "number"));
    assert_true(parse(&cli, 1, 1, 2, "--", "--flag"));
    assert_string_equal(cli.positionals[0], "--flag");
    assert_false(o.flag);
}

static void test_flags_refused(void **state)
{
    (void)state;
    struct cli cli;
    assert_false(parse(&cli, 0, 0, 1, "--nope"));
    assert_false(parse(&cli, 0, 0, 1, "--fla"));
    assert_false(parse(&cli, 0, 0, 1, "--text"));
    assert_false(parse(&cli, 0, 0, 1, "--flag=1"));
    assert_false(parse(&cli, 0, 0, 2, "--number", "-1"));
    assert_false(parse(&cli, 0, 0, 2, "--number", "18446744073709551616"));
    assert_false(parse(&cli, 0, 0, 2, "--size", "99999999TiB"));
    assert_false(parse(&cli, 0, 0, 2, "--for", "1y"));
    assert_false(parse(&cli, 0, 0, 2, "--object", "{}"));
    assert_false(parse(&cli, 0, 0, 1, "extra"));
    assert_false(parse(&cli, 1, 1, 0));
}

static void test_units(void **state)
{
    (void)state;
    u64 v;
    char text[32];
    assert_true(cli_parse_size(&v, "10G"));
    assert_int_equal(v, GIB(10));
    assert_true(cli_parse_size(&v, "512"));
    assert_int_equal(v, 512);
    assert_false(cli_parse_size(&v, ""));
    assert_false(cli_parse_size(&v, "G"));
    assert_false(cli_parse_size(&v, "1 G"));
    assert_true(cli_parse_duration(&v, "90s"));
    assert_int_equal(v, 90);
    assert_true(cli_parse_duration(&v, "30d"));
    assert_int_equal(v, 2592000);
    assert_false(cli_parse_duration(&v, "1ms"));
    cli_size(text, 1023);
    assert_string_equal(text, "1023 B");
    cli_size(text, MIB(3) + KIB(205));
    assert_string_equal(text, "3.2 MiB");
    cli_size(text, UINT64_MAX);
    assert_true(strlen(text) < 32);
}

static void write_file(const char *path, const char *text)
{
    assert_true(is_ok(file_replace(path, bytes_str(text))));
}

static void test_config(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"nope\": 1}",
        "{\"number\": -1}",
        "{\"number\": true}",
        "{\"flag\": \"yes\"}",
        "{\"item\": [1, null]}",
        "{\"config\": \"x\"}",
        "{\"size\": \"3 elephants\"}",
        "{\"number\": 1} x",
    };
    char dir[] = "/tmp/cairn-cli-XXXXXX";
    char path[PATH_BYTES_MAX];
    struct cli cli;
    assert_non_null(mkdtemp(dir));
    path_join(path, dir, "config.json");
    write_file(path,
               "{\"flag\": true, \"text\": \"t\", \"number\": 7, \"size\": \"2KiB\", \"for\": "
               "\"1m\", \"item\": [\"a\", \"b\"], \"object\": {\"kind\": \"x\"}}");
    assert_true(parse(&cli, 0, 0, 2, "--number", "9"));
    assert_true(cli_config(&cli, path));
    assert_true(o.flag);
    assert_string_equal(o.text, "t");
    assert_int_equal(o.number, 9); /* the command line wins */
    assert_int_equal(o.size, 2048);
    assert_int_equal(o.seconds, 60);
    assert_int_equal(o.list.count, 2);
    assert_string_equal(json_read_str(o.object, "kind"), "x");
    json_decref(cli.config);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_file(path, bad[i]);
        assert_true(parse(&cli, 0, 0, 0));
        assert_false(cli_config(&cli, path));
        json_decref(cli.config);
    }
    assert_true(is_ok(dir_remove_all(dir)));
    assert_false(cli_config(&cli, path));
}

static void test_endpoints(void **state)
{
    (void)state;
    char host[URL_HOST_MAX];
    u16 port;
    assert_true(cli_parse_endpoint(host, &port, "127.0.0.1:9000"));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 9000);
    assert_true(cli_parse_endpoint(host, &port, "[::1]:80"));
    assert_false(cli_parse_endpoint(host, &port, "127.0.0.1"));
    assert_false(cli_parse_endpoint(host, &port, "127.0.0.1:"));
    assert_false(cli_parse_endpoint(host, &port, "127.0.0.1:99999"));
    assert_false(cli_parse_endpoint(host, &port, ""));
    assert_false(cli_parse_endpoint(host, &port, NULL));
}

static void test_progress(void **state)
{
    (void)state;
    char line[256];
    struct progress p = {.label = "file", .total = MIB(100), .done = MIB(25), .start_ms = 1000};
    progress_line(line, sizeof line, &p, 6000, 200);
    assert_string_equal(line, "file  [######..................] 25.0 MiB of 100.0 MiB  5.0 MiB/s  "
                              "0m15s left");
    progress_line(line, sizeof line, &p, 6000, 20);
    assert_int_equal(strlen(line), 19);
    p.done = MIB(200); /* more than was told */
    progress_line(line, sizeof line, &p, 1000, 200);
    assert_non_null(strstr(line, "[########################]"));
    p = (struct progress){.label = "pipe", .done = 10};
    progress_line(line, sizeof line, &p, 1000, 200);
    assert_string_equal(line, "pipe  10 B  10 B/s");
}

/* ---- ABI values ---- */

static json_t *round_trip(struct arena *arena, const char *signature, const char *text)
{
    struct abi_entry entry;
    struct abi_value value;
    struct abi_value back[1];
    struct buf out;
    assert_true(is_ok(abi_parse(arena, signature, &entry)));
    if (!is_ok(abi_from_text(arena, &entry.inputs[0], text, &value))) {
        return NULL;
    }
    buf_init(&out, KIB(64));
    abi_encode(&out, entry.inputs, 1, &value);
    assert_true(is_ok(buf_done(&out)));
    bytes encoded = arena_copy(arena, buf_bytes(&out));
    buf_free(&out);
    assert_true(is_ok(abi_decode(arena, entry.inputs, 1, encoded, back)));
    return abi_to_json(&entry.inputs[0], &back[0]);
}

static void test_abi_text(void **state)
{
    (void)state;
    static const char *const good[][3] = {
        {"f(uint64 x)", "12", "12"},
        {"f(uint64 x)", "0x10", "16"},
        {"f(uint256 x)",
         "115792089237316195423570985008687907853269984665640564039457584007913129639935",
         "\"115792089237316195423570985008687907853269984665640564039457584007913129639935\""},
        {"f(uint64 x)", "18446744073709551615", "\"18446744073709551615\""},
        {"f(bool x)", "true", "true"},
        {"f(address x)", "0x00000000000000000000000000000000cA1a0005",
         "\"0x00000000000000000000000000000000ca1a0005\""},
        {"f(bytes x)", "0x", "\"0x\""},
        {"f(bytes x)", "0x0aFF", "\"0x0aff\""},
        {"f(bytes4 x)", "0x01020304", "\"0x01020304\""},
        {"f(int8 x)", "-128", "-128"},
        {"f(int8 x)", "127", "127"},
        {"f(int256 x)", "-1", "-1"},
        {"f(int64[] x)", "[-7, \"-0x8\"]", "[-7,-8]"},
        {"f(int256 x)",
         "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
         "\"-57896044618658097711785492504343953926634992332820282019728792003956564819968\""},
        {"f(string x)", "a \"b\"", "\"a \\\"b\\\"\""},
        {"f(uint8[] x)", "[1, \"0x2\"]", "[1,2]"},
        {"f((uint64 a, bool b)[] x)", "[[1, true], [2, false]]",
         "[{\"a\":1,\"b\":true},{\"a\":2,\"b\":false}]"},
    };
    static const char *const bad[][2] = {
        {"f(uint8 x)", "256"},
        {"f(uint64 x)", "-1"},
        {"f(int8 x)", "-129"},
        {"f(int8 x)", "128"},
        {"f(int8 x)", "--1"},
        {"f(int8 x)", "-"},
        {"f(uint64 x)", "0x"},
        {"f(uint64 x)", "1e3"},
        {"f(uint64 x)", ""},
        {"f(bool x)", "1"},
        {"f(address x)", "0x12"},
        {"f(bytes x)", "0x1"},
        {"f(bytes x)", "zz"},
        {"f(bytes4 x)", "0x01"},
        {"f(uint8[] x)", "[1,256]"},
        {"f(uint8[] x)", "7"},
        {"f(uint8[] x)", "[1"},
        {"f((uint64 a, bool b) x)", "[1]"},
        {"f(uint256 x)", "0x10000000000000000000000000000000000000000000000000000000000000000"},
    };
    struct arena arena;
    arena_init(&arena, MIB(4));
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        json_t *json = round_trip(&arena, good[i][0], good[i][1]);
        assert_non_null(json);
        struct buf text;
        buf_init(&text, KIB(4));
        json_write(&text, json);
        assert_true(is_ok(buf_done(&text)));
        assert_true(bytes_eq_str(buf_bytes(&text), good[i][2]));
        buf_free(&text);
        json_decref(json);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(round_trip(&arena, bad[i][0], bad[i][1]));
    }
    arena_free(&arena);
}

/* ---- amounts ---- */

static void test_amounts(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"0", "0 CRN"},
        {"12.5", "12.5 CRN"},
        {"1wei", "0.000000000000000001 CRN"},
        {"007.10", "7.1 CRN"},
        {"1000000", "1000000 CRN"},
        {"0.000000000000000001", "0.000000000000000001 CRN"},
    };
    static const char *const bad[] = {
        "",  ".",     "1.",    ".5", "-1", "1e3", "wei", "1 CRN", "1.0000000000000000001",
        "x", "1.2.3", "1.5wei"};
    struct u256 wei;
    char text[AMOUNT_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(amount_parse(&wei, good[i][0]));
        amount_text(text, wei);
        assert_string_equal(text, good[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(amount_parse(&wei, bad[i]));
    }
}

/* ---- what compilers write ---- */

static const char artifact[] =
    "{\"abi\":["
    "{\"type\":\"constructor\",\"inputs\":[{\"name\":\"a\",\"type\":\"uint256\"}]},"
    "{\"type\":\"function\",\"name\":\"f\",\"inputs\":[{\"name\":\"x\",\"type\":\"uint8\"}],"
    "\"outputs\":[{\"name\":\"\",\"type\":\"bool\"}],\"stateMutability\":\"view\"},"
    "{\"type\":\"function\",\"name\":\"g\",\"inputs\":[{\"name\":\"x\",\"type\":\"uint8\"}],"
    "\"outputs\":[],\"stateMutability\":\"payable\"},"
    "{\"type\":\"function\",\"name\":\"g\",\"inputs\":[{\"name\":\"x\",\"type\":\"string\"}],"
    "\"outputs\":[]},"
    "{\"type\":\"function\",\"name\":\"t\",\"inputs\":[{\"name\":\"p\",\"type\":\"tuple[]\","
    "\"components\":[{\"name\":\"a\",\"type\":\"uint64\"},{\"name\":\"b\",\"type\":\"bytes\"}]}]},"
    "{\"type\":\"function\",\"name\":\"deep\",\"inputs\":[{\"name\":\"p\",\"type\":\"tuple\","
    "\"components\":[{\"name\":\"a\",\"type\":\"tuple\",\"components\":[]}]}]},"
    "{\"type\":\"function\",\"name\":\"fixed\",\"inputs\":[{\"name\":\"p\",\"type\":\"uint8[3]\"}]}"
    ","
    "{\"type\":\"error\",\"name\":\"Low\",\"inputs\":[{\"name\":\"have\",\"type\":\"uint256\"}]},"
    "{\"type\":\"event\",\"name\":\"E\",\"inputs\":[{\"name\":\"who\",\"type\":\"address\","
    "\"indexed\":true},{\"name\":\"n\",\"type\":\"uint256\",\"indexed\":false}]}],"
    "\"bytecode\":\"0x6001\"}";

static void write_text(const char *path, const char *text)
{
    assert_true(is_ok(file_replace(path, bytes_str(text))));
}

static void check_entries(const struct contract_file *file, struct arena *arena)
{
    struct abi_entry entry;
    bool is_view = false;
    assert_true(
        is_ok(contract_file_entry(file, arena, "function", "f", SIZE_MAX, &entry, &is_view)));
    assert_true(is_view && entry.input_count == 1 && entry.output_count == 1);
    assert_true(is_err(contract_file_entry(file, arena, "function", "g", 1, &entry, &is_view),
                       ERR_CONFLICT));
    assert_true(
        is_ok(contract_file_entry(file, arena, "function", "g(string)", 1, &entry, &is_view)));
    assert_false(is_view);
    assert_int_equal(entry.inputs[0].kind, ABI_STRING);
    assert_true(is_ok(contract_file_entry(file, arena, "function", "t", 1, &entry, NULL)));
    assert_int_equal(entry.inputs[0].kind, ABI_ARRAY);
    assert_true(
        is_ok(contract_file_entry(file, arena, "constructor", NULL, SIZE_MAX, &entry, NULL)));
    assert_true(is_err(contract_file_entry(file, arena, "function", "none", SIZE_MAX, &entry, NULL),
                       ERR_NOT_FOUND));
    assert_true(
        is_err(contract_file_entry(file, arena, "function", "f", 2, &entry, NULL), ERR_NOT_FOUND));
    assert_false(
        is_ok(contract_file_entry(file, arena, "function", "deep", SIZE_MAX, &entry, NULL)));
    assert_false(
        is_ok(contract_file_entry(file, arena, "function", "fixed", SIZE_MAX, &entry, NULL)));
}

static void check_reverts(const struct contract_file *file, struct arena *arena)
{
    static const struct {
        const char *data;
        const char *text;
    } cases[] = {
        {"08c379a000000000000000000000000000000000000000000000000000000000000000200000000000000000"
         "0000000000000000000000000000000000000000000000036e6f0a0000000000000000000000000000000000"
         "0000000000000000000000000000",
         NULL}, /* padding is short: not Error(string) */
        {"4e487b710000000000000000000000000000000000000000000000000000000000000011", "panic 0x11"},
        {"", "0x"},
        {"12", "0x12"},
        {"deadbeef", "0xdeadbeef"},
    };
    u8 data[256];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = unhex(data, sizeof data, cases[i].data);
        const char *text = contract_file_revert(file, arena, bytes_make(data, len));
        if (cases[i].text != NULL) {
            assert_string_equal(text, cases[i].text);
        } else {
            assert_memory_equal(text, "0x08c379a0", 10);
        }
    }
    struct buf out;
    buf_init(&out, KIB(1));
    abi_revert(&out, "no\nway");
    assert_string_equal(contract_file_revert(NULL, arena, buf_bytes(&out)), "no?way");
    buf_free(&out);
    struct abi_entry entry;
    struct abi_value value = abi_u64(7);
    assert_true(is_ok(contract_file_entry(file, arena, "error", "Low", 1, &entry, NULL)));
    buf_init(&out, KIB(1));
    abi_encode_call(&out, &entry, &value);
    assert_string_equal(contract_file_revert(file, arena, buf_bytes(&out)), "Low {\"have\":7}");
    assert_memory_equal(contract_file_revert(NULL, arena, buf_bytes(&out)), "0x", 2);
    buf_free(&out);
}

static void check_logs(const struct contract_file *file, struct arena *arena)
{
    struct abi_entry entry;
    struct hash topics[ABI_TOPICS_MAX];
    struct buf data;
    struct address who = {{1}};
    struct abi_value values[] = {abi_address(&who), abi_u64(5)};
    assert_true(is_ok(contract_file_entry(file, arena, "event", "E", 2, &entry, NULL)));
    buf_init(&data, KIB(1));
    size_t count = abi_encode_event(topics, &data, &entry, values);
    json_t *log = contract_file_log(file, arena, topics, count, buf_bytes(&data));
    assert_non_null(log);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(log, "values"), "n")), 5);
    json_decref(log);
    topics[0].b[0] ^= 1;
    assert_null(contract_file_log(file, arena, topics, count, buf_bytes(&data)));
    buf_free(&data);
}

static void test_contract_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *code; /* NULL: refused */
        bool has_abi;
    } cases[] = {
        {artifact, "6001", true},
        {"[]", "", true},
        {" 0x60016002\n", "60016002", false},
        {"6001", "6001", false},
        {"{\"bytecode\":{\"object\":\"60aa\"}}", "60aa", false},
        {"{}", NULL, false},
        {"{\"bytecode\":\"0x60__$lib$__\"}", NULL, false},
        {"{\"abi\":7}", NULL, false},
        {"0x601", NULL, false},
        {"hello", NULL, false},
        {"7", NULL, false},
        {"{\"abi\":[", NULL, false},
    };
    char dir[] = "/tmp/cairn-contract-XXXXXX";
    char path[PATH_BYTES_MAX];
    struct arena arena;
    assert_non_null(mkdtemp(dir));
    path_join(path, dir, "file");
    arena_init(&arena, MIB(4));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct contract_file file = {.abi = NULL};
        write_text(path, cases[i].text);
        err e = contract_file_read(&file, path, &arena);
        assert_true(is_ok(e) == (cases[i].code != NULL));
        if (is_ok(e)) {
            check_hex(file.code, cases[i].code);
            assert_true((file.abi != NULL) == cases[i].has_abi);
        }
        if (i == 0) {
            check_entries(&file, &arena);
            check_reverts(&file, &arena);
            check_logs(&file, &arena);
        }
        contract_file_free(&file);
    }
    struct contract_file file = {.abi = NULL};
    path_join(path, dir, "none");
    assert_true(is_err(contract_file_read(&file, path, &arena), ERR_NOT_FOUND));
    arena_free(&arena);
    assert_true(is_ok(dir_remove_all(dir)));
}

/* ---- keys ---- */

static void test_key_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/cairn-keys-XXXXXX";
    char path[PATH_BYTES_MAX];
    struct secp_secret made;
    struct secp_secret loaded;
    assert_non_null(mkdtemp(dir));
    path_join(path, dir, "a.key");
    assert_true(is_err(key_load(path, &loaded), ERR_NOT_FOUND));
    assert_true(is_ok(key_make(path, &made)));
    assert_true(is_err(key_make(path, &loaded), ERR_EXISTS));
    assert_true(is_ok(key_load(path, &loaded)));
    assert_memory_equal(made.b, loaded.b, 32);
    assert_int_equal(chmod(path, 0644), 0);
    assert_true(is_err(key_load(path, &loaded), ERR_REFUSED));
    path_join(path, dir, "b.key");
    write_file(path, "0000000000000000000000000000000000000000000000000000000000000000\n");
    assert_true(is_err(key_load(path, &loaded), ERR_MALFORMED)); /* no scalar */
    write_file(path, "12\n");
    assert_true(is_err(key_load(path, &loaded), ERR_MALFORMED));
    assert_true(is_ok(dir_remove_all(dir)));
}

static void test_addresses(void **state)
{
    (void)state;
    /* EIP-55, test cases. */
    static const char *const known[] = {
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct address address;
        char text[43];
        assert_true(hex_decode_0x(address.b, 20, bytes_str(known[i])));
        key_address_text(text, &address);
        assert_string_equal(text, known[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),          cmocka_unit_test(test_flags_refused),
        cmocka_unit_test(test_units),          cmocka_unit_test(test_config),
        cmocka_unit_test(test_endpoints),      cmocka_unit_test(test_progress),
        cmocka_unit_test(test_abi_text),       cmocka_unit_test(test_key_files),
        cmocka_unit_test(test_addresses),      cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_contract_files),
    };
    struct hash seed = {{1}};
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
