/* args.c: flags and config files, sizes and durations. */
#include "cli/cli.h"

#include "base/assert.h"
#include "net/url.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *suffix;
    u64 factor;
} size_units[] = {
    {"", 1},           {"B", 1},        {"K", 1u << 10},   {"KiB", 1u << 10}, {"M", 1u << 20},
    {"MiB", 1u << 20}, {"G", 1u << 30}, {"GiB", 1u << 30}, {"T", 1ull << 40}, {"TiB", 1ull << 40},
};

static const struct {
    const char *suffix;
    u64 factor;
} duration_units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};

static size_t digits_of(const char *text) { return strspn(text, "0123456789"); }

bool cli_parse_size(u64 *ret, const char *text)
{
    size_t digits = digits_of(text);
    u64 value;
    for (size_t i = 0; parse_u64(&value, bytes_make(text, digits)) && i < COUNT_OF(size_units);
         i++) {
        if (strcmp(text + digits, size_units[i].suffix) == 0) {
            return mul_u64(ret, value, size_units[i].factor);
        }
    }
    return false;
}

bool cli_parse_duration(u64 *ret_seconds, const char *text)
{
    size_t digits = digits_of(text);
    u64 value;
    for (size_t i = 0; parse_u64(&value, bytes_make(text, digits)) && i < COUNT_OF(duration_units);
         i++) {
        if (strcmp(text + digits, duration_units[i].suffix) == 0) {
            return mul_u64(ret_seconds, value, duration_units[i].factor);
        }
    }
    return false;
}

void cli_size(char out[32], u64 bytes_)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    u64 tenths = bytes_ > UINT64_MAX / 10 ? bytes_ : bytes_ * 10;
    for (; tenths >= 10240 && unit + 1 < COUNT_OF(units); unit++) {
        tenths /= 1024;
    }
    if (unit == 0) {
        snprintf(out, 32, "%llu B", (unsigned long long)bytes_);
    } else {
        snprintf(out, 32, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), units[unit]);
    }
}

static const struct flag *find_flag(const struct verb *verb, const char *name, size_t len)
{
    for (const struct flag *flag = verb->flags; flag != NULL && flag->name != NULL; flag++) {
        if (strlen(flag->name) == len && memcmp(flag->name, name, len) == 0) {
            return flag;
        }
    }
    return NULL;
}

static bool store_value(const struct cli *cli, const struct flag *flag, const char *value)
{
    bool fine = true;
    struct flag_list *list;
    switch (flag->kind) {
    case FLAG_BOOL:
        *(bool *)flag->target = true;
        break;
    case FLAG_TEXT:
        *(const char **)flag->target = value;
        break;
    case FLAG_NUMBER:
        fine = parse_u64(flag->target, bytes_str(value));
        break;
    case FLAG_SIZE:
        fine = cli_parse_size(flag->target, value);
        break;
    case FLAG_DURATION:
        fine = cli_parse_duration(flag->target, value);
        break;
    case FLAG_LIST:
        list = flag->target;
        fine = list->count < FLAG_LIST_MAX;
        if (fine) {
            list->items[list->count++] = value;
        }
        break;
    case FLAG_OBJECT:
        fine = false;
        break;
    }
    if (!fine) {
        cli_usage(cli, "'%s' is no value for --%s %s", value, flag->name, flag->value);
    }
    return fine;
}

static void mark_given(struct cli *cli, const struct flag *flag)
{
    size_t at = (size_t)(flag - cli->verb->flags);
    assert_that(at < CLI_FLAGS_MAX);
    cli->given[at] = true;
}

bool cli_given(const struct cli *cli, const char *name)
{
    const struct flag *flag = find_flag(cli->verb, name, strlen(name));
    assert_that(flag != NULL);
    return cli->given[flag - cli->verb->flags];
}

/* --name VALUE, --name=VALUE or --name. *i moves past a value. */
static bool take_flag(struct cli *cli, int *i)
{
    const char *text = cli->argv[*i] + 2;
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct flag *flag = find_flag(cli->verb, text, len);
    if (flag == NULL || flag->kind == FLAG_OBJECT) {
        cli_usage(cli, "there is no flag --%.*s", (int)len, text);
        return false;
    }
    mark_given(cli, flag);
    if (flag->kind == FLAG_BOOL) {
        if (equals != NULL) {
            cli_usage(cli, "--%s takes no value", flag->name);
            return false;
        }
        return store_value(cli, flag, NULL);
    }
    const char *value = equals ? equals + 1 : NULL;
    if (value == NULL && *i + 1 < cli->argc) {
        value = cli->argv[++*i];
    }
    if (value == NULL) {
        cli_usage(cli, "--%s needs a value: %s", flag->name, flag->value);
        return false;
    }
    return store_value(cli, flag, value);
}

bool cli_parse(struct cli *cli, size_t positionals_min, size_t positionals_max)
{
    bool only_positionals = false;
    for (int i = 0; i < cli->argc; i++) {
        const char *text = cli->argv[i];
        if (!only_positionals && strcmp(text, "--") == 0) {
            only_positionals = true;
        } else if (!only_positionals && strncmp(text, "--", 2) == 0) {
            if (!take_flag(cli, &i)) {
                return false;
            }
        } else if (cli->positional_count == positionals_max) {
            cli_usage(cli, "one argument too many: '%s'", text);
            return false;
        } else {
            cli->positionals[cli->positional_count++] = text;
        }
    }
    if (cli->positional_count < positionals_min) {
        cli_usage(cli, "an argument is missing");
        return false;
    }
    return true;
}

/* ---- config files ---- */

static bool config_text(const struct cli *cli, const struct flag *flag, const json_t *value)
{
    char number[24];
    bool is_text = flag->kind == FLAG_TEXT || flag->kind == FLAG_LIST;
    const char *text = flag->kind != FLAG_BOOL ? json_string_value(value) : NULL;
    if (flag->kind != FLAG_BOOL && !is_text && json_is_integer(value) &&
        json_integer_value(value) >= 0) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (text == NULL) {
        cli_usage(cli, "\"%s\" in the config file is no %s", flag->name,
                  flag->value != NULL ? flag->value : "true or false");
        return false;
    }
    return store_value(cli, flag, text); /* what stays is borrowed from cli->config */
}

static bool config_value(const struct cli *cli, const struct flag *flag, json_t *value)
{
    bool fine = true;
    if (flag->kind == FLAG_BOOL && json_is_boolean(value)) {
        *(bool *)flag->target = json_is_true(value);
    } else if (flag->kind == FLAG_OBJECT) {
        *(json_t **)flag->target = value;
    } else if (flag->kind == FLAG_LIST && json_is_array(value)) {
        for (size_t i = 0; fine && i < json_array_size(value); i++) {
            fine = config_text(cli, flag, json_array_get(value, i));
        }
    } else {
        fine = config_text(cli, flag, value);
    }
    return fine;
}

static bool config_members(struct cli *cli, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        cli_usage(cli, "the config file holds no JSON object");
        return false;
    }
    json_object_foreach(object, key, value)
    {
        const struct flag *flag = find_flag(cli->verb, key, strlen(key));
        if (flag == NULL || strcmp(key, "config") == 0) {
            cli_usage(cli, "there is no setting \"%s\" for a config file", key);
            return false;
        }
        if (!cli->given[flag - cli->verb->flags] && !config_value(cli, flag, value)) {
            return false;
        }
    }
    return true;
}

bool cli_config(struct cli *cli, const char *path)
{
    struct arena arena;
    bytes text;
    json_t *object = NULL;
    arena_init(&arena, CLI_CONFIG_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, CLI_CONFIG_BYTES_MAX, &object);
    }
    arena_free(&arena);
    if (!is_ok(e)) {
        cli_usage(cli, "cannot read the config file %s: %s", path, err_text(e));
        return false;
    }
    json_decref(cli->config);
    cli->config = object;
    return config_members(cli, object);
}

bool cli_parse_endpoint(char *ret_host, u16 *ret_port, const char *text)
{
    return text != NULL && url_authority_split(ret_host, ret_port, bytes_str(text), 0) &&
           *ret_port != 0;
}
