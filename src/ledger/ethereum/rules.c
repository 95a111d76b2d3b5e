#include "ledger/ethereum/rules.h"

#include "base/assert.h"
#include "ledger/exec/account.h"

#define INITIAL_BASE_FEE 1000000000u
#define GAS_LIMIT_DIVISOR 1024u
#define LONDON_ELASTICITY 2u
#define BLOB_BASE_COST 8192u /* EIP-7918 */
#define DIFFICULTY_MIN 131072u
#define DIFFICULTY_DIVISOR 2048u
#define BOMB_PERIOD 100000u
#define CRC32_POLYNOMIAL 0xedb88320u
#define WEI_PER_GWEI 1000000000u

struct chain_rules rules_own(u64 chain_id, struct u256 base_fee_floor)
{
    return (struct chain_rules){
        .chain_id = chain_id, .is_own = true, .base_fee_floor = base_fee_floor};
}

enum fork rules_fork(const struct chain_rules *rules, u64 number, u64 time)
{
    for (int fork = FORK_OSAKA; fork > FORK_FRONTIER; fork--) {
        u64 at = fork > FORK_PARIS ? time : number;
        if (at >= rules->starts[fork]) {
            return (enum fork)fork;
        }
    }
    return FORK_FRONTIER;
}

enum block_form rules_form(enum fork fork)
{
    if (fork >= FORK_PRAGUE) {
        return BLOCK_PRAGUE;
    }
    if (fork >= FORK_CANCUN) {
        return BLOCK_CANCUN;
    }
    if (fork >= FORK_SHANGHAI) {
        return BLOCK_SHANGHAI;
    }
    return fork >= FORK_LONDON ? BLOCK_LONDON : BLOCK_FRONTIER;
}

/* --- blobs --- */

const struct rules_blobs *rules_blobs_at(const struct chain_rules *rules, u64 time)
{
    const struct rules_blobs *found = NULL;
    for (size_t i = 0; i < rules->blob_count && rules->blobs[i].time <= time; i++) {
        found = &rules->blobs[i];
    }
    return found;
}

/* The Taylor series of e^(excess / fraction), as EIP-4844 defines it in integers. The terms fall
 * once i is above excess / fraction; before that they overflow long before i gets large. */
struct u256 rules_blob_base_fee(const struct rules_blobs *blobs, u64 excess)
{
    const struct u256 most = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    if (blobs == NULL) {
        return u256_from_u64(1);
    }
    struct u256 sum = u256_from_u64(0);
    struct u256 term = u256_from_u64(blobs->fraction);
    for (u64 i = 1; !u256_is_zero(term); i++) {
        if (!u256_add(&sum, sum, term) || !u256_mul_u64(&term, term, excess)) {
            return most;
        }
        term = u256_div_u64(u256_div_u64(term, blobs->fraction, NULL), i, NULL);
    }
    return u256_div_u64(sum, blobs->fraction, NULL);
}

/* EIP-7918: whether a blob costs less than what its transaction pays for execution. */
static bool below_reserve(const struct rules_blobs *blobs, const struct block_header *parent)
{
    struct u256 reserve;
    struct u256 price;
    return u256_mul_u64(&reserve, parent->base_fee, BLOB_BASE_COST) &&
           u256_mul_u64(&price, rules_blob_base_fee(blobs, parent->excess_blob_gas),
                        RULES_GAS_PER_BLOB) &&
           u256_cmp(reserve, price) > 0;
}

u64 rules_excess_blob_gas(const struct chain_rules *rules, const struct block_header *parent,
                          u64 time)
{
    const struct rules_blobs *blobs = rules_blobs_at(rules, time);
    u64 sum;
    if (blobs == NULL || !add_u64(&sum, parent->excess_blob_gas, parent->blob_gas_used)) {
        return 0;
    }
    u64 target = blobs->target * RULES_GAS_PER_BLOB;
    if (sum < target) {
        return 0;
    }
    if (time >= rules->starts[FORK_OSAKA] && below_reserve(blobs, parent)) {
        u128 part = (u128)parent->blob_gas_used * (blobs->max - blobs->target) / blobs->max;
        return parent->excess_blob_gas + (u64)part;
    }
    return sum - target;
}

/* --- fees, difficulty, rewards --- */

struct u256 rules_base_fee(const struct chain_rules *rules, const struct block_header *parent)
{
    if (parent->form < BLOCK_LONDON) {
        return u256_from_u64(INITIAL_BASE_FEE);
    }
    return block_base_fee(parent, rules->base_fee_floor);
}

/* By how many 2048ths the difficulty of the parent moves, at least -99. */
static i64 difficulty_steps(enum fork fork, const struct block_header *parent, u64 elapsed)
{
    if (fork < FORK_HOMESTEAD) {
        return elapsed < 13 ? 1 : -1;
    }
    i64 first = 1;
    u64 span = 10;
    if (fork >= FORK_BYZANTIUM) {
        struct block_header empty;
        block_header_init(&empty);
        first = hash_eq(&parent->ommers_hash, &empty.ommers_hash) ? 1 : 2;
        span = 9;
    }
    u64 late = min_u64(elapsed / span, 100 + (u64)first);
    i64 steps = first - (i64)late;
    return steps < -99 ? -99 : steps;
}

/* 2^(n / 100,000 - 2) from the second period on. */
static u64 bomb(const struct chain_rules *rules, u64 number)
{
    u64 delay = 0;
    for (size_t i = 0; i < rules->bomb_count && rules->bombs[i].number <= number; i++) {
        delay = rules->bombs[i].delay;
    }
    u64 fake = number > delay ? number - delay : 0;
    u64 period = fake / BOMB_PERIOD;
    return period < 2 ? 0 : (u64)1 << min_u64(period - 2, 62);
}

u64 rules_difficulty(const struct chain_rules *rules, const struct block_header *parent, u64 time)
{
    u64 number = parent->number + 1;
    enum fork fork = rules_fork(rules, number, time);
    u64 step = parent->difficulty / DIFFICULTY_DIVISOR;
    i64 steps = difficulty_steps(fork, parent, time - parent->time);
    u64 difficulty = parent->difficulty;
    if (steps >= 0) {
        difficulty += step * (u64)steps;
    } else {
        u64 less = step * (u64)-steps;
        difficulty = less < difficulty ? difficulty - less : 0;
    }
    difficulty = max_u64(difficulty, DIFFICULTY_MIN);
    u64 sum;
    return add_u64(&sum, difficulty, bomb(rules, number)) ? sum : UINT64_MAX;
}

/* Takes away what the form does not have. */
static void cut_header(struct block_header *header, enum block_form form)
{
    header->form = form;
    if (form < BLOCK_SHANGHAI) {
        header->withdrawals_root = (struct hash){{0}};
    }
    if (form < BLOCK_PRAGUE) {
        header->requests_hash = (struct hash){{0}};
    }
}

void rules_next_header(const struct chain_rules *rules, const struct block_header *parent, u64 time,
                       struct block_header *ret_header)
{
    struct block_header header;
    block_header_init(&header);
    header.number = parent->number + 1;
    header.time = time;
    enum fork fork = rules_fork(rules, header.number, time);
    cut_header(&header, rules_form(fork));
    block_header_hash(&header.parent_hash, parent);
    header.gas_limit = parent->gas_limit;
    if (header.form >= BLOCK_LONDON) {
        header.base_fee = rules_base_fee(rules, parent);
        if (parent->form < BLOCK_LONDON) {
            header.gas_limit *= LONDON_ELASTICITY;
        }
    }
    if (header.form >= BLOCK_CANCUN) {
        header.excess_blob_gas = rules_excess_blob_gas(rules, parent, time);
    }
    if (fork < FORK_PARIS) {
        header.difficulty = rules_difficulty(rules, parent, time);
    }
    *ret_header = header;
}

struct block_env rules_env(const struct chain_rules *rules, const struct block_header *header)
{
    const struct rules_blobs *blobs = rules_blobs_at(rules, header->time);
    enum fork fork = rules_fork(rules, header->number, header->time);
    return (struct block_env){
        .fork = fork,
        .chain_id = rules->chain_id,
        .height = header->number,
        .time = header->time,
        .gas_limit = header->gas_limit,
        .coinbase = header->coinbase,
        .base_fee = header->base_fee,
        .prev_randao = header->prev_randao,
        .parent_hash = header->parent_hash,
        .difficulty = u256_from_u64(header->difficulty),
        .blob_base_fee = rules_blob_base_fee(blobs, header->excess_blob_gas),
        .blob_gas_max = blobs != NULL ? blobs->max * RULES_GAS_PER_BLOB : 0,
        .is_foreign = !rules->is_own,
        .blobs_per_tx_max = fork >= FORK_OSAKA ? RULES_BLOBS_PER_TX_OSAKA : 0,
    };
}

struct u256 rules_reward(enum fork fork)
{
    u64 gwei = 5 * (u64)WEI_PER_GWEI;
    struct u256 reward;
    if (fork >= FORK_PARIS) {
        return u256_from_u64(0);
    }
    if (fork >= FORK_CONSTANTINOPLE) {
        gwei = 2 * (u64)WEI_PER_GWEI;
    } else if (fork >= FORK_BYZANTIUM) {
        gwei = 3 * (u64)WEI_PER_GWEI;
    }
    bool fits = u256_mul_u64(&reward, u256_from_u64(gwei), WEI_PER_GWEI);
    assert_that(fits);
    return reward;
}

/* --- headers --- */

/* Moves by less than a 1024th; London's first block doubles it to keep its target. */
static bool gas_limit_fits(const struct chain_rules *rules, const struct block_header *parent,
                           const struct block_header *header)
{
    u64 from = parent->gas_limit;
    bool is_london = parent->form < BLOCK_LONDON && header->form >= BLOCK_LONDON;
    if (rules->is_own) {
        return header->gas_limit == from;
    }
    if (is_london && !mul_u64(&from, from, LONDON_ELASTICITY)) {
        return false;
    }
    u64 difference = header->gas_limit > from ? header->gas_limit - from : from - header->gas_limit;
    return difference < from / GAS_LIMIT_DIVISOR && header->gas_limit >= BLOCK_GAS_LIMIT_MIN;
}

/* What Paris made constant. */
static const char *check_paris(const struct block_header *header)
{
    static const u8 no_nonce[8];
    struct block_header empty;
    block_header_init(&empty);
    if (header->difficulty != 0 || memcmp(header->nonce, no_nonce, sizeof no_nonce) != 0) {
        return "difficulty or nonce after the merge";
    }
    return hash_eq(&header->ommers_hash, &empty.ommers_hash) ? NULL : "ommers after the merge";
}

static const char *check_blobs(const struct chain_rules *rules, const struct block_header *parent,
                               const struct block_header *header)
{
    const struct rules_blobs *blobs = rules_blobs_at(rules, header->time);
    u64 most = blobs != NULL ? blobs->max * RULES_GAS_PER_BLOB : 0;
    if (header->blob_gas_used > most || header->blob_gas_used % RULES_GAS_PER_BLOB != 0) {
        return "blob gas used";
    }
    return header->excess_blob_gas == rules_excess_blob_gas(rules, parent, header->time)
               ? NULL
               : "excess blob gas";
}

static const char *check_order(const struct chain_rules *rules, const struct block_header *parent,
                               const struct block_header *header)
{
    struct hash hash;
    if (header->number != parent->number + 1) {
        return "number";
    }
    block_header_hash(&hash, parent);
    if (!hash_eq(&hash, &header->parent_hash)) {
        return "parent hash";
    }
    if (header->time <= parent->time) {
        return "time not after the parent's";
    }
    if (!gas_limit_fits(rules, parent, header)) {
        return "gas limit";
    }
    return header->gas_used <= header->gas_limit ? NULL : "gas used above the gas limit";
}

const char *rules_check_header(const struct chain_rules *rules, const struct block_header *parent,
                               const struct block_header *header)
{
    const char *wrong = check_order(rules, parent, header);
    if (wrong != NULL) {
        return wrong;
    }
    enum fork fork = rules_fork(rules, header->number, header->time);
    if (header->form != rules_form(fork)) {
        return "number of header fields";
    }
    if (fork >= FORK_PARIS) {
        wrong = check_paris(header);
    } else if (header->difficulty != rules_difficulty(rules, parent, header->time)) {
        wrong = "difficulty";
    }
    if (wrong == NULL && header->form >= BLOCK_LONDON &&
        u256_cmp(header->base_fee, rules_base_fee(rules, parent)) != 0) {
        wrong = "base fee";
    }
    if (wrong == NULL && header->form >= BLOCK_CANCUN) {
        wrong = check_blobs(rules, parent, header);
    }
    return wrong;
}

/* CRC-32 (IEEE 802.3), a bit at a time: there is little to sum. */
static u32 crc32_add(u32 crc, bytes in)
{
    crc = ~crc;
    for (size_t i = 0; i < in.len; i++) {
        crc ^= in.data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (CRC32_POLYNOMIAL & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

static u32 add_steps(u32 sum, const u64 *steps, size_t count, u64 at)
{
    for (size_t i = 0; i < count && steps[i] <= at; i++) {
        u8 word[8];
        store_be64(word, steps[i]);
        sum = crc32_add(sum, BYTES_OF(word));
    }
    return sum;
}

u32 rules_fork_id(const struct chain_rules *rules, const struct hash *genesis, u64 number, u64 time)
{
    u32 sum = crc32_add(0, BYTES_OF(*genesis));
    sum = add_steps(sum, rules->number_steps, rules->number_step_count, number);
    return add_steps(sum, rules->time_steps, rules->time_step_count, time);
}
