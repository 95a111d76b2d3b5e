#include "ledger/ethereum/genesis.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "ledger/exec/account.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES MIB(512)
#define NAME_BYTES_MAX 32
#define BPO_MAX 5 /* bpo1 … bpo5 */
#define BLOBS_MAX 4096
#define FRACTION_MAX ((u64)1 << 40)

static err bad(const char *member)
{
    log_error("genesis", "genesis file: \"%s\" is wrong or missing", member);
    return fail(ERR_USAGE);
}

/* --- values in any spelling --- */

static bool parse_hex_word(bytes digits, u8 word[32])
{
    u8 padded[64];
    if (digits.len == 0 || digits.len > sizeof padded) {
        return false;
    }
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - digits.len, digits.data, digits.len);
    return hex_decode(word, 32, BYTES_OF(padded));
}

static bool parse_number(const json_t *value, struct u256 *ret)
{
    u8 word[32];
    if (json_is_integer(value)) {
        *ret = u256_from_u64((u64)json_integer_value(value));
        return json_integer_value(value) >= 0;
    }
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    if (!json_is_string(value)) {
        return false;
    }
    if (!bytes_starts_with(text, bytes_str("0x"))) {
        return u256_parse_decimal(ret, text);
    }
    if (!parse_hex_word(bytes_slice(text, 2, text.len - 2), word)) {
        return false;
    }
    *ret = u256_from_be(word);
    return true;
}

/* Absent and null are the same. */
static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static err read_u64(const json_t *object, const char *key, u64 fallback, u64 *ret)
{
    const json_t *value = find(object, key);
    struct u256 number;
    if (value == NULL) {
        *ret = fallback;
        return ok();
    }
    return parse_number(value, &number) && u256_to_u64(ret, number) ? ok() : bad(key);
}

static err read_u256(const json_t *object, const char *key, u64 fallback, struct u256 *ret)
{
    const json_t *value = find(object, key);
    *ret = u256_from_u64(fallback);
    return value == NULL || parse_number(value, ret) ? ok() : bad(key);
}

static bool parse_fixed(const char *text, u8 *out, size_t len)
{
    bytes in = bytes_str(text);
    return bytes_starts_with(in, bytes_str("0x")) ? hex_decode_0x(out, len, in)
                                                  : hex_decode(out, len, in);
}

static err read_fixed(const json_t *object, const char *key, u8 *out, size_t len)
{
    const json_t *value = find(object, key);
    const char *text = json_string_value(value);
    return value == NULL || (text != NULL && parse_fixed(text, out, len)) ? ok() : bad(key);
}

/* A storage word: up to 32 bytes, padded on the left. */
static bool parse_word(const char *text, u8 out[32])
{
    bytes in = bytes_str(text);
    size_t skip = bytes_starts_with(in, bytes_str("0x")) ? 2 : 0;
    return parse_hex_word(bytes_slice(in, skip, in.len - skip), out);
}

/* --- config --- */

struct fork_name {
    enum fork fork;
    const char *key;
};

static const struct fork_name number_forks[] = {
    {FORK_HOMESTEAD, "homesteadBlock"},
    {FORK_TANGERINE, "eip150Block"},
    {FORK_SPURIOUS, "eip158Block"},
    {FORK_BYZANTIUM, "byzantiumBlock"},
    {FORK_CONSTANTINOPLE, "constantinopleBlock"},
    {FORK_PETERSBURG, "petersburgBlock"},
    {FORK_ISTANBUL, "istanbulBlock"},
    {FORK_BERLIN, "berlinBlock"},
    {FORK_LONDON, "londonBlock"},
};

static const struct fork_name time_forks[] = {
    {FORK_SHANGHAI, "shanghaiTime"},
    {FORK_CANCUN, "cancunTime"},
    {FORK_PRAGUE, "pragueTime"},
    {FORK_OSAKA, "osakaTime"},
};

/* Numbers that are steps of the fork id without being a rule set of their own. */
static const char *const more_numbers[] = {"eip155Block", "muirGlacierBlock", "arrowGlacierBlock",
                                           "grayGlacierBlock", "mergeNetsplitBlock"};

static const struct {
    const char *key;
    u64 delay;
} bomb_names[] = {
    {"byzantiumBlock", 3000000}, {"constantinopleBlock", 5000000}, {"muirGlacierBlock", 9000000},
    {"londonBlock", 9700000},    {"arrowGlacierBlock", 10700000},  {"grayGlacierBlock", 11400000},
};

/* Keeps the list ascending and without doubles; what holds from genesis on is no step. */
static err add_step(u64 *steps, size_t *count, u64 at)
{
    size_t i = *count;
    if (at == 0 || at == RULES_NEVER) {
        return ok();
    }
    for (size_t j = 0; j < *count; j++) {
        if (steps[j] == at) {
            return ok();
        }
    }
    if (*count == RULES_STEPS_MAX) {
        return fail(ERR_LIMIT);
    }
    for (; i > 0 && steps[i - 1] > at; i--) {
        steps[i] = steps[i - 1];
    }
    steps[i] = at;
    (*count)++;
    return ok();
}

static err read_numbers(struct chain_rules *rules, const json_t *config)
{
    u64 at;
    for (size_t i = 0; i < COUNT_OF(number_forks); i++) {
        TRY(read_u64(config, number_forks[i].key, RULES_NEVER, &at));
        rules->starts[number_forks[i].fork] = at;
        TRY(add_step(rules->number_steps, &rules->number_step_count, at));
    }
    for (size_t i = 0; i < COUNT_OF(more_numbers); i++) {
        TRY(read_u64(config, more_numbers[i], RULES_NEVER, &at));
        TRY(add_step(rules->number_steps, &rules->number_step_count, at));
    }
    /* Geth reads a missing Petersburg as "with Constantinople". */
    if (rules->starts[FORK_PETERSBURG] == RULES_NEVER) {
        rules->starts[FORK_PETERSBURG] = rules->starts[FORK_CONSTANTINOPLE];
    }
    return ok();
}

static err read_bombs(struct chain_rules *rules, const json_t *config)
{
    for (size_t i = 0; i < COUNT_OF(bomb_names); i++) {
        u64 at;
        TRY(read_u64(config, bomb_names[i].key, RULES_NEVER, &at));
        if (at != RULES_NEVER) {
            rules->bombs[rules->bomb_count++] =
                (struct rules_bomb){.number = at, .delay = bomb_names[i].delay};
        }
    }
    return ok();
}

/* The merge; see genesis.h. */
static err read_paris(struct chain_rules *rules, const json_t *config)
{
    struct u256 total;
    u64 at;
    TRY(read_u64(config, "mergeNetsplitBlock", RULES_NEVER, &at));
    TRY(read_u256(config, "terminalTotalDifficulty", 1, &total));
    if (at == RULES_NEVER && u256_is_zero(total)) {
        at = 0;
    }
    rules->starts[FORK_PARIS] = at;
    return ok();
}

static err read_schedule(struct chain_rules *rules, const json_t *config, const char *name, u64 at)
{
    const json_t *entry = json_object_get(json_object_get(config, "blobSchedule"), name);
    struct rules_blobs blobs = {.time = at};
    if (entry == NULL) {
        return rules->blob_count > 0 ? ok() : bad("blobSchedule");
    }
    TRY(read_u64(entry, "target", 0, &blobs.target));
    TRY(read_u64(entry, "max", 0, &blobs.max));
    TRY(read_u64(entry, "baseFeeUpdateFraction", 0, &blobs.fraction));
    if (blobs.max == 0 || blobs.max > BLOBS_MAX || blobs.target > blobs.max ||
        blobs.fraction == 0 || blobs.fraction > FRACTION_MAX) {
        return bad("blobSchedule");
    }
    if (rules->blob_count > 0 && rules->blobs[rules->blob_count - 1].time == at) {
        rules->blob_count--; /* forks at one time: the later one counts */
    }
    rules->blobs[rules->blob_count++] = blobs;
    return ok();
}

static err read_bpos(struct chain_rules *rules, const json_t *config)
{
    for (int i = 1; i <= BPO_MAX; i++) {
        char key[NAME_BYTES_MAX];
        u64 at;
        snprintf(key, sizeof key, "bpo%dTime", i);
        TRY(read_u64(config, key, RULES_NEVER, &at));
        if (at == RULES_NEVER) {
            continue;
        }
        if (rules->blob_count == 0 || at < rules->blobs[rules->blob_count - 1].time) {
            return bad(key);
        }
        TRY(add_step(rules->time_steps, &rules->time_step_count, at));
        snprintf(key, sizeof key, "bpo%d", i);
        TRY(read_schedule(rules, config, key, at));
    }
    return ok();
}

static err read_times(struct chain_rules *rules, const json_t *config)
{
    static const char *const schedule_names[] = {NULL, "cancun", "prague", "osaka"};
    for (size_t i = 0; i < COUNT_OF(time_forks); i++) {
        u64 at;
        TRY(read_u64(config, time_forks[i].key, RULES_NEVER, &at));
        rules->starts[time_forks[i].fork] = at;
        TRY(add_step(rules->time_steps, &rules->time_step_count, at));
        if (at != RULES_NEVER && schedule_names[i] != NULL) {
            TRY(read_schedule(rules, config, schedule_names[i], at));
        }
    }
    return read_bpos(rules, config);
}

/* Each fork begins at or after the one before it. A fork that a chain leaves out begins with the
 * next one that it has. */
static err order_forks(u64 *starts, int first, int last)
{
    u64 next = RULES_NEVER;
    for (int fork = last; fork >= first; fork--) {
        if (starts[fork] == RULES_NEVER) {
            starts[fork] = next;
        }
        if (starts[fork] > next) {
            return bad("config: forks out of order");
        }
        next = starts[fork];
    }
    return ok();
}

static err check_forks(struct chain_rules *rules)
{
    TRY(order_forks(rules->starts, FORK_HOMESTEAD, FORK_PARIS));
    TRY(order_forks(rules->starts, FORK_SHANGHAI, FORK_OSAKA));
    for (size_t i = 1; i < rules->bomb_count; i++) {
        if (rules->bombs[i].number < rules->bombs[i - 1].number) {
            return bad("config: forks out of order");
        }
    }
    if (rules->starts[FORK_SHANGHAI] != RULES_NEVER && rules->starts[FORK_PARIS] == RULES_NEVER) {
        return bad("mergeNetsplitBlock");
    }
    return ok();
}

static err read_config(struct chain_rules *rules, const json_t *root)
{
    const json_t *config = json_object_get(root, "config");
    if (!json_is_object(config)) {
        return bad("config");
    }
    for (int fork = FORK_HOMESTEAD; fork < FORK_COUNT; fork++) {
        rules->starts[fork] = RULES_NEVER;
    }
    TRY(read_u64(config, "chainId", 1, &rules->chain_id));
    TRY(read_numbers(rules, config));
    TRY(read_bombs(rules, config));
    TRY(read_paris(rules, config));
    TRY(read_times(rules, config));
    rules->has_deposit_contract = find(config, "depositContractAddress") != NULL;
    TRY(read_fixed(config, "depositContractAddress", rules->deposit_contract.b,
                   sizeof rules->deposit_contract.b));
    if (find(config, "daoForkBlock") != NULL && json_is_true(find(config, "daoForkSupport"))) {
        return bad("daoForkSupport"); /* the one irregular change of state; not needed here */
    }
    return check_forks(rules);
}

/* --- header --- */

static err read_extra(struct eth_genesis *genesis, const json_t *root)
{
    const json_t *value = find(root, "extraData");
    bytes extra = {0};
    if (value == NULL) {
        return ok();
    }
    if (!json_read_data(value, &genesis->arena, &extra) || extra.len > BLOCK_EXTRA_BYTES_MAX) {
        return bad("extraData");
    }
    memcpy(genesis->header.extra, extra.data, extra.len);
    genesis->header.extra_len = (u8)extra.len;
    return ok();
}

/* The fields of the fork that holds from genesis on. */
static err read_later(struct block_header *header, const json_t *root)
{
    if (header->form >= BLOCK_LONDON) {
        TRY(read_u256(root, "baseFeePerGas", 1000000000, &header->base_fee));
    }
    if (header->form < BLOCK_SHANGHAI) {
        header->withdrawals_root = (struct hash){{0}};
    }
    if (header->form >= BLOCK_CANCUN) {
        TRY(read_u64(root, "blobGasUsed", 0, &header->blob_gas_used));
        TRY(read_u64(root, "excessBlobGas", 0, &header->excess_blob_gas));
        TRY(read_fixed(root, "parentBeaconBlockRoot", header->parent_beacon_root.b,
                       sizeof header->parent_beacon_root.b));
    }
    if (header->form < BLOCK_PRAGUE) {
        header->requests_hash = (struct hash){{0}};
    }
    return ok();
}

static err read_header(struct eth_genesis *genesis, const json_t *root)
{
    struct block_header *header = &genesis->header;
    u64 nonce;
    block_header_init(header);
    TRY(read_u64(root, "nonce", 0, &nonce));
    store_be64(header->nonce, nonce);
    TRY(read_u64(root, "number", 0, &header->number));
    TRY(read_u64(root, "timestamp", 0, &header->time));
    TRY(read_u64(root, "gasLimit", 0, &header->gas_limit));
    TRY(read_u64(root, "gasUsed", 0, &header->gas_used));
    TRY(read_u64(root, "difficulty", 0, &header->difficulty));
    TRY(read_fixed(root, "coinbase", header->coinbase.b, sizeof header->coinbase.b));
    TRY(read_fixed(root, "mixHash", header->prev_randao.b, sizeof header->prev_randao.b));
    TRY(read_fixed(root, "parentHash", header->parent_hash.b, sizeof header->parent_hash.b));
    TRY(read_extra(genesis, root));
    if (header->number != 0) {
        return bad("number");
    }
    if (header->gas_limit < BLOCK_GAS_LIMIT_MIN) {
        return bad("gasLimit");
    }
    header->form = rules_form(rules_fork(&genesis->rules, 0, header->time));
    return read_later(header, root);
}

/* --- accounts --- */

static err read_storage(struct eth_genesis *genesis, const json_t *object,
                        struct eth_genesis_account *account)
{
    const char *key;
    json_t *value;
    const json_t *storage = find(object, "storage");
    if (storage == NULL) {
        return ok();
    }
    size_t count = json_object_size(storage);
    account->slots = ARENA_ARRAY(&genesis->arena, struct eth_genesis_slot, count + 1);
    if (!json_is_object(storage) || account->slots == NULL) {
        return bad("storage");
    }
    json_object_foreach((json_t *)storage, key, value)
    {
        struct eth_genesis_slot *slot = &account->slots[account->slot_count++];
        if (!json_is_string(value) || !parse_word(key, slot->slot.b) ||
            !parse_word(json_string_value(value), slot->word.b)) {
            return bad("storage");
        }
    }
    return ok();
}

static err read_account(struct eth_genesis *genesis, const char *key, const json_t *object,
                        struct eth_genesis_account *account)
{
    const json_t *code = find(object, "code");
    if (!json_is_object(object) ||
        !parse_fixed(key, account->address.b, sizeof account->address.b)) {
        return bad(key);
    }
    TRY(read_u256(object, "balance", 0, &account->balance));
    TRY(read_u64(object, "nonce", 0, &account->nonce));
    if (code != NULL && !json_read_data(code, &genesis->arena, &account->code)) {
        return bad("code");
    }
    return read_storage(genesis, object, account);
}

static int by_address(const void *a, const void *b)
{
    const struct eth_genesis_account *left = a;
    const struct eth_genesis_account *right = b;
    return memcmp(left->address.b, right->address.b, sizeof left->address.b);
}

/* No account twice (keys may be spelt differently), a sum below 2^256. */
static err check_accounts(const struct eth_genesis *genesis)
{
    struct u256 sum = {{0}};
    for (size_t i = 0; i < genesis->account_count; i++) {
        const struct eth_genesis_account *account = &genesis->accounts[i];
        if ((i > 0 && address_eq(&account[-1].address, &account->address)) ||
            !u256_add(&sum, sum, account->balance)) {
            return bad("alloc");
        }
    }
    return ok();
}

static err read_alloc(struct eth_genesis *genesis, const json_t *root)
{
    const json_t *alloc = json_object_get(root, "alloc");
    const char *key;
    json_t *value;
    size_t count = json_object_size(alloc);
    if (!json_is_object(alloc)) {
        return bad("alloc");
    }
    genesis->accounts = ARENA_ARRAY(&genesis->arena, struct eth_genesis_account, count + 1);
    if (genesis->accounts == NULL) {
        return fail(ERR_LIMIT);
    }
    json_object_foreach((json_t *)alloc, key, value)
    {
        TRY(read_account(genesis, key, value, &genesis->accounts[genesis->account_count]));
        genesis->account_count++;
    }
    if (count > 1) {
        qsort(genesis->accounts, count, sizeof genesis->accounts[0], by_address);
    }
    return check_accounts(genesis);
}

static err read_genesis(struct eth_genesis *genesis, const json_t *root)
{
    if (!json_is_object(root)) {
        return bad("the whole");
    }
    TRY(read_config(&genesis->rules, root));
    TRY(read_header(genesis, root));
    return read_alloc(genesis, root);
}

err eth_genesis_parse(bytes text, struct eth_genesis **ret_genesis)
{
    json_t *root;
    err parsed = json_parse(text, ETH_GENESIS_BYTES_MAX, &root);
    if (!is_ok(parsed)) {
        log_error("genesis", "the genesis file is no JSON text, or too long");
        return parsed;
    }
    struct eth_genesis *genesis = MEM_NEW(struct eth_genesis);
    arena_init(&genesis->arena, ARENA_BYTES);
    err e = read_genesis(genesis, root);
    json_decref(root);
    if (!is_ok(e)) {
        eth_genesis_free(genesis);
        return e;
    }
    *ret_genesis = genesis;
    return ok();
}

void eth_genesis_free(struct eth_genesis *genesis)
{
    if (genesis != NULL) {
        arena_free(&genesis->arena);
        mem_free(genesis);
    }
}
