#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/state.h"

#include "base/log.h"
#include "codec/json.h"

#define DAY_S 86400

enum params_event { EV_CHANGED, EV_GOVERNANCE };

struct param_state {
    u64 value;
    u64 changed; /* block time */
};

static err load_state(struct frame *frame, enum param param, struct param_state *ret_state)
{
    struct slot_source source = frame_slots(frame);
    struct hash slot = slot_number(PARAMS_SLOT_FIRST + (u64)param);
    struct word word;
    TRY(layout_words(&source, MODULE_PARAMS, &slot, &word, 1));
    *ret_state = (struct param_state){.value = param_info_of(param)->standard};
    if (word.b[31] == 1) {
        *ret_state = (struct param_state){word_get(&word, 0, 8), word_get(&word, 8, 8)};
    }
    return ok();
}

static err store_state(struct frame *frame, enum param param, u64 value, u64 changed)
{
    struct hash slot = slot_number(PARAMS_SLOT_FIRST + (u64)param);
    struct word word = {{0}};
    word_put(&word, 0, 8, value);
    word_put(&word, 8, 8, changed);
    word.b[31] = 1;
    return state_store(frame, MODULE_PARAMS, &slot, &word, 1);
}

static err store_governance(struct frame *frame, const struct address *account)
{
    struct hash slot = slot_number(PARAMS_SLOT_GOVERNANCE);
    struct word word = {{0}};
    word_put_address(&word, 12, account);
    return state_store(frame, MODULE_PARAMS, &slot, &word, 1);
}

static bool find(struct frame *frame, const struct abi_value *name, enum param *ret)
{
    return require(frame, param_find(ret, name->data), "no such parameter");
}

static err handle_get(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    enum param param;
    if (!find(frame, &args[0], &param)) {
        return ok();
    }
    struct param_state state;
    TRY(load_state(frame, param, &state));
    ret[0] = abi_u64(state.value);
    return ok();
}

static err handle_info(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    enum param param;
    if (!find(frame, &args[0], &param)) {
        return ok();
    }
    const struct param_info *info = param_info_of(param);
    struct param_state state;
    TRY(load_state(frame, param, &state));
    ret[0] = abi_u64(state.value);
    ret[1] = abi_u64(info->standard);
    ret[2] = abi_u64(info->low);
    ret[3] = abi_u64(info->high);
    ret[4] = abi_u64(info->rate_percent);
    ret[5] = abi_u64(state.changed);
    return ok();
}

static err handle_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)frame;
    (void)args;
    ret[0] = abi_u64(PARAM_COUNT);
    return ok();
}

static err handle_name_at(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    u64 position = abi_as_u64(&args[0]);
    if (require(frame, position < PARAM_COUNT, "no such position")) {
        ret[0] = abi_bytes(bytes_str(param_info_of((enum param)position)->name));
    }
    return ok();
}

static err handle_governance(struct frame *frame, const struct abi_value *args,
                             struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    struct address account;
    TRY(params_governance(&source, &account));
    ret[0] = abi_address(&account);
    return ok();
}

static err require_governance(struct frame *frame)
{
    struct slot_source source = frame_slots(frame);
    struct address account;
    TRY(params_governance(&source, &account));
    bool is_governance = !address_is_zero(&account) && address_eq(&account, &frame->caller);
    (void)require(frame, is_governance, "only governance may change parameters");
    return ok();
}

/* A rated parameter moves at most rate percent of its value, and not twice in a day. */
static bool change_allowed(const struct param_info *info, const struct param_state *old, u64 value,
                           u64 block_time)
{
    if (info->rate_percent == 0) {
        return true;
    }
    u64 distance = value > old->value ? value - old->value : old->value - value;
    u128 limit = (u128)old->value * info->rate_percent;
    bool rested = old->changed == 0 || block_time >= old->changed + DAY_S;
    return rested && (u128)distance * 100 <= limit;
}

static err handle_set(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    enum param param;
    TRY(require_governance(frame));
    if (!frame_running(frame) || !find(frame, &args[0], &param)) {
        return ok();
    }
    const struct param_info *info = param_info_of(param);
    u64 value = abi_as_u64(&args[1]);
    struct param_state old;
    TRY(load_state(frame, param, &old));
    if (!require(frame, value >= info->low && value <= info->high, "out of bounds") ||
        !require(frame, change_allowed(info, &old, value, frame->block->time),
                 "changes too much or too soon")) {
        return ok();
    }
    TRY(store_state(frame, param, value, frame->block->time));
    struct abi_value values[] = {args[0], abi_u64(old.value), abi_u64(value)};
    native_emit(frame, &params_module, EV_CHANGED, values);
    return ok();
}

static err handle_set_governance(struct frame *frame, const struct abi_value *args,
                                 struct abi_value *ret)
{
    (void)ret;
    TRY(require_governance(frame));
    if (!frame_running(frame)) {
        return ok();
    }
    struct address account = abi_as_address(&args[0]);
    TRY(store_governance(frame, &account));
    struct abi_value values[] = {abi_address(&frame->caller), args[0]};
    native_emit(frame, &params_module, EV_GOVERNANCE, values);
    return ok();
}

static err genesis_profile(struct frame *frame, const char *profile)
{
    if (profile == NULL || strcmp(profile, "standard") == 0) {
        return ok();
    }
    if (strcmp(profile, "devnet") != 0) {
        log_error("params", "genesis: params.profile must be \"standard\" or \"devnet\"");
        return fail(ERR_USAGE);
    }
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        const struct param_info *info = param_info_of((enum param)i);
        if (info->devnet != info->standard) {
            TRY(store_state(frame, (enum param)i, info->devnet, 0));
        }
    }
    return ok();
}

static err genesis_member(struct frame *frame, const char *name, const json_t *value)
{
    enum param param;
    if (!param_find(&param, bytes_str(name)) || !json_is_integer(value) ||
        json_integer_value(value) < 0) {
        log_error("params", "genesis: params.%s is no parameter or no number", name);
        return fail(ERR_USAGE);
    }
    u64 number = (u64)json_integer_value(value);
    if (number < param_info_of(param)->low || number > param_info_of(param)->high) {
        log_error("params", "genesis: params.%s is out of bounds", name);
        return fail(ERR_USAGE);
    }
    return store_state(frame, param, number, 0);
}

/* {"profile": "devnet", "governance": "0x…", "<name>": number, …} */
static err genesis(struct frame *frame, const void *config)
{
    const json_t *object = config;
    TRY(genesis_profile(frame, json_read_str(object, "profile")));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        struct address account;
        if (strcmp(key, "profile") == 0) {
            continue;
        }
        if (strcmp(key, "governance") != 0) {
            TRY(genesis_member(frame, key, value));
        } else if (json_read_fixed(value, account.b, sizeof account.b)) {
            TRY(store_governance(frame, &account));
        } else {
            log_error("params", "genesis: params.governance is no address");
            return fail(ERR_USAGE);
        }
    }
    return ok();
}

static const struct native_function functions[] = {
    {PARAMS_GET, handle_get, NATIVE_VIEW, 100, "Value in force of a parameter."},
    {PARAMS_INFO, handle_info, NATIVE_VIEW, 100,
     "Value, default, bounds, largest change in percent per day (0: free) and block time of the "
     "last change."},
    {PARAMS_COUNT, handle_count, NATIVE_VIEW, 50, "Number of parameters."},
    {PARAMS_NAME_AT, handle_name_at, NATIVE_VIEW, 50, "Name of a parameter by position."},
    {PARAMS_GOVERNANCE, handle_governance, NATIVE_VIEW, 50,
     "The account that may change parameters; zero: nobody."},
    {PARAMS_SET, handle_set, 0, 500, "Changes a parameter within its bounds. Governance only."},
    {PARAMS_SET_GOVERNANCE, handle_set_governance, 0, 500,
     "Hands governance to another account. Governance only."},
};

static const struct native_event events[] = {
    [EV_CHANGED] = {PARAMS_EV_CHANGED, "A parameter got a new value."},
    [EV_GOVERNANCE] = {PARAMS_EV_GOVERNANCE, "Governance passed to another account."},
};

const struct native_module params_module = {
    .name = "params",
    .number = MODULE_PARAMS,
    .version = 1,
    .doc = "Every tunable of the network, with hard bounds and a rate of change; changed only by "
           "governance.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .events = events,
    .event_count = COUNT_OF(events),
    .genesis = genesis,
};
