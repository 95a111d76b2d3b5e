#include "ledger/exec/journal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <stdlib.h>

#define SLOT_KEY_BYTES 52
#define JOURNAL_FIRST_CAP 64

struct journal_account {
    struct address address;
    struct account account;
    struct account former; /* in the source */
    u64 warm_tx;           /* the transaction in whose warm set it is */
    u64 touched_tx;
    u64 created_tx;
    u64 destroyed_tx;
    bool loaded;
};

struct journal_slot {
    struct address address;
    struct hash slot;
    struct word word;
    struct word former;   /* in the source */
    struct word original; /* at the beginning of transaction original_tx */
    struct word transient;
    u64 original_tx;
    u64 transient_tx;
    u64 warm_tx;
    bool loaded;
};

struct journal_code {
    struct hash hash;
    bytes code;
    bool is_new;
};

enum undo_kind {
    UNDO_ACCOUNT,
    UNDO_ACCOUNT_WARM,
    UNDO_ACCOUNT_TOUCHED,
    UNDO_ACCOUNT_CREATED,
    UNDO_ACCOUNT_DESTROYED,
    UNDO_SLOT,
    UNDO_SLOT_WARM,
    UNDO_TRANSIENT,
    UNDO_LOG,
    UNDO_REFUND,
};

struct journal_undo {
    enum undo_kind kind;
    union {
        struct {
            struct journal_account *entry;
            struct account former;
        } account;
        struct {
            struct journal_slot *entry;
            struct word former;
            u64 former_tx;
        } slot;
        u64 refund;
    } as;
};

void journal_init(struct journal *journal, const struct state_source *source, size_t limit_bytes)
{
    *journal = (struct journal){.source = *source};
    arena_init(&journal->arena, limit_bytes);
    map_init(&journal->accounts);
    map_init(&journal->slots);
    map_init(&journal->codes);
}

void journal_free(struct journal *journal)
{
    map_free(&journal->accounts);
    map_free(&journal->slots);
    map_free(&journal->codes);
    mem_free(journal->undo);
    mem_free(journal->logs);
    mem_free(journal->ending);
    arena_free(&journal->arena);
    *journal = (struct journal){0};
}

void journal_begin_tx(struct journal *journal)
{
    journal->tx++;
    journal->undo_count = 0;
    journal->log_count = 0;
    journal->ending_count = 0;
    journal->refund = 0;
}

size_t journal_snapshot(const struct journal *journal) { return journal->undo_count; }

err journal_fault(const struct journal *journal) { return journal->fault; }

static struct journal_undo *undo_push(struct journal *journal, enum undo_kind kind)
{
    assert_that(journal->tx > 0);
    if (journal->undo_count == journal->undo_cap) {
        size_t cap = journal->undo_cap == 0 ? JOURNAL_FIRST_CAP : journal->undo_cap * 2;
        journal->undo = mem_resize(journal->undo, cap * sizeof *journal->undo);
        journal->undo_cap = cap;
    }
    struct journal_undo *undo = &journal->undo[journal->undo_count++];
    undo->kind = kind;
    return undo;
}

static void undo_one(struct journal *journal, const struct journal_undo *undo)
{
    switch (undo->kind) {
    case UNDO_ACCOUNT:
        undo->as.account.entry->account = undo->as.account.former;
        break;
    case UNDO_ACCOUNT_WARM:
        undo->as.account.entry->warm_tx = 0;
        break;
    case UNDO_ACCOUNT_TOUCHED:
        undo->as.account.entry->touched_tx = 0;
        break;
    case UNDO_ACCOUNT_CREATED:
        undo->as.account.entry->created_tx = 0;
        break;
    case UNDO_ACCOUNT_DESTROYED:
        undo->as.account.entry->destroyed_tx = 0;
        break;
    case UNDO_SLOT:
        undo->as.slot.entry->word = undo->as.slot.former;
        break;
    case UNDO_SLOT_WARM:
        undo->as.slot.entry->warm_tx = 0;
        break;
    case UNDO_TRANSIENT:
        undo->as.slot.entry->transient = undo->as.slot.former;
        undo->as.slot.entry->transient_tx = undo->as.slot.former_tx;
        break;
    case UNDO_LOG:
        journal->log_count--;
        break;
    case UNDO_REFUND:
        journal->refund = undo->as.refund;
        break;
    }
}

void journal_revert(struct journal *journal, size_t snapshot)
{
    assert_that(snapshot <= journal->undo_count);
    while (journal->undo_count > snapshot) {
        undo_one(journal, &journal->undo[--journal->undo_count]);
    }
}

/* The entry of an account, perhaps without its values. */
static err account_entry(struct journal *journal, const struct address *address,
                         struct journal_account **ret_entry)
{
    struct journal_account *entry = map_get(&journal->accounts, BYTES_OF(*address));
    if (entry == NULL) {
        entry = ARENA_NEW(&journal->arena, struct journal_account);
        if (entry == NULL) {
            return fail(ERR_LIMIT);
        }
        entry->address = *address;
        map_put(&journal->accounts, BYTES_OF(*address), entry);
    }
    *ret_entry = entry;
    return ok();
}

static err account_loaded(struct journal *journal, const struct address *address,
                          struct journal_account **ret_entry)
{
    struct journal_account *entry;
    TRY(account_entry(journal, address, &entry));
    if (!entry->loaded) {
        TRY(journal->source.account(journal->source.ctx, address, &entry->former));
        entry->former.exists |= !account_is_empty(&entry->former);
        entry->account = entry->former;
        entry->loaded = true;
    }
    *ret_entry = entry;
    return ok();
}

static void account_remember(struct journal *journal, struct journal_account *entry)
{
    struct journal_undo *undo = undo_push(journal, UNDO_ACCOUNT);
    undo->as.account.entry = entry;
    undo->as.account.former = entry->account;
}

/* What is not empty exists. */
static void account_changed(struct journal_account *entry)
{
    entry->account.exists |= !account_is_empty(&entry->account);
}

/* Remembers to look at the account when the transaction ends. */
static void ending_push(struct journal *journal, struct journal_account *entry)
{
    if (journal->ending_count == journal->ending_cap) {
        size_t cap = journal->ending_cap == 0 ? JOURNAL_FIRST_CAP : journal->ending_cap * 2;
        journal->ending = mem_resize(journal->ending, cap * sizeof *journal->ending);
        journal->ending_cap = cap;
    }
    journal->ending[journal->ending_count++] = entry;
}

static void account_touch(struct journal *journal, struct journal_account *entry)
{
    static const struct address ripemd = {{[19] = 3}};
    if (entry->touched_tx == journal->tx) {
        return;
    }
    entry->touched_tx = journal->tx;
    ending_push(journal, entry);
    if (!address_eq(&entry->address, &ripemd)) {
        undo_push(journal, UNDO_ACCOUNT_TOUCHED)->as.account.entry = entry;
    }
}

err journal_touch(struct journal *journal, const struct address *address)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    if (!entry->account.exists) {
        account_remember(journal, entry);
        entry->account.exists = true;
    }
    account_touch(journal, entry);
    return ok();
}

err journal_account(struct journal *journal, const struct address *address,
                    struct account *ret_account)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    *ret_account = entry->account;
    return ok();
}

err journal_set_nonce(struct journal *journal, const struct address *address, u64 nonce)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    account_remember(journal, entry);
    entry->account.nonce = nonce;
    account_changed(entry);
    return ok();
}

err journal_credit(struct journal *journal, const struct address *address, struct u256 amount)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    account_remember(journal, entry);
    bool fits = u256_add(&entry->account.balance, entry->account.balance, amount);
    assert_that(fits);
    account_changed(entry);
    return ok();
}

err journal_debit(struct journal *journal, const struct address *address, struct u256 amount,
                  bool *ret_enough)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    struct u256 rest;
    *ret_enough = u256_sub(&rest, entry->account.balance, amount);
    if (*ret_enough) {
        account_remember(journal, entry);
        entry->account.balance = rest;
        if (account_is_empty(&entry->account)) {
            account_touch(journal, entry);
        }
    }
    return ok();
}

err journal_clear_balance(struct journal *journal, const struct address *address)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    account_remember(journal, entry);
    entry->account.balance = u256_from_u64(0);
    return ok();
}

err journal_create(struct journal *journal, const struct address *address)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    if (entry->created_tx != journal->tx) {
        undo_push(journal, UNDO_ACCOUNT_CREATED)->as.account.entry = entry;
        entry->created_tx = journal->tx;
    }
    return ok();
}

err journal_is_created(struct journal *journal, const struct address *address, bool *ret_created)
{
    struct journal_account *entry;
    TRY(account_entry(journal, address, &entry));
    *ret_created = entry->created_tx == journal->tx;
    return ok();
}

err journal_destroy(struct journal *journal, const struct address *address, bool *ret_first)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    *ret_first = entry->destroyed_tx != journal->tx;
    if (*ret_first) {
        undo_push(journal, UNDO_ACCOUNT_DESTROYED)->as.account.entry = entry;
        entry->destroyed_tx = journal->tx;
        ending_push(journal, entry);
    }
    return ok();
}

static err code_entry(struct journal *journal, const struct hash *hash, bytes code, bool is_new)
{
    if (map_get(&journal->codes, BYTES_OF(*hash)) != NULL) {
        return ok();
    }
    struct journal_code *entry = ARENA_NEW(&journal->arena, struct journal_code);
    if (entry == NULL) {
        return fail(ERR_LIMIT);
    }
    *entry = (struct journal_code){.hash = *hash, .code = code, .is_new = is_new};
    map_put(&journal->codes, BYTES_OF(*hash), entry);
    return ok();
}

err journal_set_code(struct journal *journal, const struct address *address, bytes code)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    bytes copy = arena_copy(&journal->arena, code);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    struct hash hash;
    keccak256(&hash, code);
    TRY(code_entry(journal, &hash, copy, true));
    account_remember(journal, entry);
    entry->account.code_hash = hash;
    account_changed(entry);
    return ok();
}

err journal_code(struct journal *journal, const struct address *address, bytes *ret_code)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    if (!account_has_code(&entry->account)) {
        *ret_code = bytes_make("", 0);
        return ok();
    }
    const struct hash *hash = &entry->account.code_hash;
    const struct journal_code *known = map_get(&journal->codes, BYTES_OF(*hash));
    if (known == NULL) {
        bytes code;
        TRY(journal->source.code(journal->source.ctx, hash, &journal->arena, &code));
        TRY(code_entry(journal, hash, code, false));
        known = map_get(&journal->codes, BYTES_OF(*hash));
    }
    *ret_code = known->code;
    return ok();
}

static void slot_key(u8 key[SLOT_KEY_BYTES], const struct address *address, const struct hash *slot)
{
    memcpy(key, address->b, sizeof address->b);
    memcpy(key + sizeof address->b, slot->b, sizeof slot->b);
}

static err slot_entry(struct journal *journal, const struct address *address,
                      const struct hash *slot, struct journal_slot **ret_entry)
{
    u8 key[SLOT_KEY_BYTES];
    slot_key(key, address, slot);
    struct journal_slot *entry = map_get(&journal->slots, bytes_make(key, sizeof key));
    if (entry == NULL) {
        entry = ARENA_NEW(&journal->arena, struct journal_slot);
        if (entry == NULL) {
            return fail(ERR_LIMIT);
        }
        entry->address = *address;
        entry->slot = *slot;
        map_put(&journal->slots, bytes_make(key, sizeof key), entry);
    }
    *ret_entry = entry;
    return ok();
}

static err access_loaded(struct journal *journal, struct journal_slot *entry)
{
    if (!entry->loaded) {
        TRY(journal->source.slot(journal->source.ctx, &entry->address, &entry->slot,
                                 &entry->former));
        entry->word = entry->former;
        entry->loaded = true;
    }
    return ok();
}

static err slot_loaded(struct journal *journal, const struct address *address,
                       const struct hash *slot, struct journal_slot **ret_entry)
{
    struct journal_slot *entry;
    TRY(slot_entry(journal, address, slot, &entry));
    TRY(access_loaded(journal, entry));
    *ret_entry = entry;
    return ok();
}

/* Reverts bring a slot back at most to its value at the beginning of the transaction, so the
 * original, once noted, stays right until the transaction ends. */
static void slot_note_original(const struct journal *journal, struct journal_slot *entry)
{
    if (entry->original_tx != journal->tx) {
        entry->original = entry->word;
        entry->original_tx = journal->tx;
    }
}

static void slot_store(struct journal *journal, struct journal_slot *entry, const struct word *word)
{
    slot_note_original(journal, entry);
    struct journal_undo *undo = undo_push(journal, UNDO_SLOT);
    undo->as.slot.entry = entry;
    undo->as.slot.former = entry->word;
    entry->word = *word;
}

err journal_load(struct journal *journal, const struct address *address, const struct hash *slot,
                 struct word *ret_word)
{
    struct journal_slot *entry;
    TRY(slot_loaded(journal, address, slot, &entry));
    *ret_word = entry->word;
    return ok();
}

err journal_original(struct journal *journal, const struct address *address,
                     const struct hash *slot, struct word *ret_word)
{
    struct journal_slot *entry;
    TRY(slot_loaded(journal, address, slot, &entry));
    slot_note_original(journal, entry);
    *ret_word = entry->original;
    return ok();
}

err journal_store(struct journal *journal, const struct address *address, const struct hash *slot,
                  const struct word *word)
{
    struct journal_slot *entry;
    TRY(slot_loaded(journal, address, slot, &entry));
    slot_store(journal, entry, word);
    return ok();
}

err journal_access(struct journal *journal, const struct address *address, const struct hash *slot,
                   struct slot_access *ret_access)
{
    struct journal_slot *entry;
    TRY(slot_entry(journal, address, slot, &entry));
    ret_access->entry = entry;
    ret_access->was_warm = entry->warm_tx == journal->tx;
    if (!ret_access->was_warm) {
        undo_push(journal, UNDO_SLOT_WARM)->as.slot.entry = entry;
        entry->warm_tx = journal->tx;
    }
    return ok();
}

err journal_access_load(struct journal *journal, const struct slot_access *access,
                        struct word *ret_word)
{
    TRY(access_loaded(journal, access->entry));
    *ret_word = access->entry->word;
    return ok();
}

err journal_access_original(struct journal *journal, const struct slot_access *access,
                            struct word *ret_word)
{
    TRY(access_loaded(journal, access->entry));
    slot_note_original(journal, access->entry);
    *ret_word = access->entry->original;
    return ok();
}

err journal_access_store(struct journal *journal, const struct slot_access *access,
                         const struct word *word)
{
    TRY(access_loaded(journal, access->entry));
    slot_store(journal, access->entry, word);
    return ok();
}

err journal_transient_load(struct journal *journal, const struct address *address,
                           const struct hash *slot, struct word *ret_word)
{
    struct journal_slot *entry;
    TRY(slot_entry(journal, address, slot, &entry));
    *ret_word = entry->transient_tx == journal->tx ? entry->transient : (struct word){{0}};
    return ok();
}

err journal_transient_store(struct journal *journal, const struct address *address,
                            const struct hash *slot, const struct word *word)
{
    struct journal_slot *entry;
    TRY(slot_entry(journal, address, slot, &entry));
    struct journal_undo *undo = undo_push(journal, UNDO_TRANSIENT);
    undo->as.slot.entry = entry;
    undo->as.slot.former = entry->transient;
    undo->as.slot.former_tx = entry->transient_tx;
    entry->transient = *word;
    entry->transient_tx = journal->tx;
    return ok();
}

err journal_warm_account(struct journal *journal, const struct address *address, bool *ret_was_warm)
{
    struct journal_account *entry;
    TRY(account_entry(journal, address, &entry));
    *ret_was_warm = entry->warm_tx == journal->tx;
    if (!*ret_was_warm) {
        struct journal_undo *undo = undo_push(journal, UNDO_ACCOUNT_WARM);
        undo->as.account.entry = entry;
        entry->warm_tx = journal->tx;
    }
    return ok();
}

err journal_access_account(struct journal *journal, const struct address *address,
                           bool *ret_was_warm, struct account *ret_account)
{
    struct journal_account *entry;
    TRY(account_loaded(journal, address, &entry));
    *ret_was_warm = entry->warm_tx == journal->tx;
    if (!*ret_was_warm) {
        undo_push(journal, UNDO_ACCOUNT_WARM)->as.account.entry = entry;
        entry->warm_tx = journal->tx;
    }
    *ret_account = entry->account;
    return ok();
}

err journal_warm_slot(struct journal *journal, const struct address *address,
                      const struct hash *slot, bool *ret_was_warm)
{
    struct journal_slot *entry;
    TRY(slot_entry(journal, address, slot, &entry));
    *ret_was_warm = entry->warm_tx == journal->tx;
    if (!*ret_was_warm) {
        struct journal_undo *undo = undo_push(journal, UNDO_SLOT_WARM);
        undo->as.slot.entry = entry;
        entry->warm_tx = journal->tx;
    }
    return ok();
}

void journal_log(struct journal *journal, const struct address *address, const struct hash *topics,
                 size_t topic_count, bytes data)
{
    assert_that(topic_count <= JOURNAL_TOPICS_MAX);
    bytes copy = arena_copy(&journal->arena, data);
    if (copy.data == NULL) {
        journal->fault = fail(ERR_LIMIT);
        return;
    }
    if (journal->log_count == journal->log_cap) {
        size_t cap = journal->log_cap == 0 ? JOURNAL_FIRST_CAP : journal->log_cap * 2;
        journal->logs = mem_resize(journal->logs, cap * sizeof *journal->logs);
        journal->log_cap = cap;
    }
    (void)undo_push(journal, UNDO_LOG);
    struct journal_log *log = &journal->logs[journal->log_count++];
    *log = (struct journal_log){.address = *address, .topic_count = topic_count, .data = copy};
    for (size_t i = 0; i < topic_count; i++) {
        log->topics[i] = topics[i];
    }
}

static void refund_set(struct journal *journal, u64 refund)
{
    undo_push(journal, UNDO_REFUND)->as.refund = journal->refund;
    journal->refund = refund;
}

void journal_refund_add(struct journal *journal, u64 gas)
{
    u64 refund;
    bool fits = add_u64(&refund, journal->refund, gas);
    assert_that(fits);
    refund_set(journal, refund);
}

void journal_refund_sub(struct journal *journal, u64 gas)
{
    assert_that(gas <= journal->refund);
    refund_set(journal, journal->refund - gas);
}

/* --- the end of a transaction --- */

struct slot_search {
    struct journal *journal;
    const struct address *address;
    bool found; /* one that is not zero */
    bool clears;
};

static bool is_zero_word(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

static err visit_slot(void *ctx, const struct hash *slot)
{
    struct slot_search *search = ctx;
    struct journal_slot *entry;
    static const struct word zero;
    TRY(slot_loaded(search->journal, search->address, slot, &entry));
    if (!is_zero_word(&entry->word)) {
        search->found = true;
        if (search->clears) {
            slot_store(search->journal, entry, &zero);
        }
    }
    return ok();
}

static err visit_source(struct slot_search *search)
{
    const struct state_source *source = &search->journal->source;
    struct slot_visitor visitor = {.ctx = search, .visit = visit_slot};
    return source->slots != NULL ? source->slots(source->ctx, search->address, visitor) : ok();
}

/* Slots that only the journal has. */
static err visit_journal(struct slot_search *search)
{
    struct journal *journal = search->journal;
    map_each (it, &journal->slots) {
        const struct journal_slot *entry = it->value;
        if (entry->loaded && address_eq(&entry->address, search->address)) {
            TRY(visit_slot(search, &entry->slot));
        }
    }
    return ok();
}

err journal_has_storage(struct journal *journal, const struct address *address, bool *ret_has)
{
    /* Only running code stores, and what it stored is undone with it: an account that has no code
     * has no slots but the source's. */
    struct slot_search search = {.journal = journal, .address = address};
    struct account account;
    TRY(journal_account(journal, address, &account));
    if (account.exists) {
        TRY(visit_source(&search));
    }
    *ret_has = search.found;
    return ok();
}

err journal_clear_storage(struct journal *journal, const struct address *address)
{
    struct slot_search search = {.journal = journal, .address = address, .clears = true};
    TRY(visit_source(&search));
    return visit_journal(&search);
}

static err account_end(struct journal *journal, struct journal_account *entry)
{
    struct slot_search search = {.journal = journal, .address = &entry->address, .clears = true};
    TRY(visit_source(&search));
    if (entry->destroyed_tx == journal->tx) {
        TRY(visit_journal(&search));
    }
    account_remember(journal, entry);
    entry->account = account_none();
    return ok();
}

err journal_end_tx(struct journal *journal, bool clears_empty)
{
    for (size_t i = 0; i < journal->ending_count; i++) {
        struct journal_account *entry = journal->ending[i];
        bool is_over =
            entry->destroyed_tx == journal->tx ||
            (clears_empty && entry->touched_tx == journal->tx && account_is_empty(&entry->account));
        if (is_over && entry->account.exists) {
            TRY(account_end(journal, entry));
        }
    }
    journal->ending_count = 0;
    return ok();
}

static int by_address(const void *a, const void *b)
{
    const struct account_change *left = a;
    const struct account_change *right = b;
    return memcmp(left->address.b, right->address.b, sizeof left->address.b);
}

static int by_slot(const void *a, const void *b)
{
    const struct slot_change *left = a;
    const struct slot_change *right = b;
    int order = memcmp(left->address.b, right->address.b, sizeof left->address.b);
    return order != 0 ? order : memcmp(left->slot.b, right->slot.b, sizeof left->slot.b);
}

static int by_hash(const void *a, const void *b)
{
    const struct code_change *left = a;
    const struct code_change *right = b;
    return memcmp(left->hash.b, right->hash.b, sizeof left->hash.b);
}

static void sort(void *array, size_t count, size_t size, int (*order)(const void *, const void *))
{
    if (count > 1) {
        qsort(array, count, size, order);
    }
}

static void collect_accounts(const struct journal *journal, struct state_changes *changes)
{
    map_each (it, &journal->accounts) {
        const struct journal_account *entry = it->value;
        if (entry->loaded && !account_eq(&entry->account, &entry->former)) {
            changes->accounts[changes->account_count++] = (struct account_change){
                .address = entry->address, .former = entry->former, .account = entry->account};
        }
    }
    sort(changes->accounts, changes->account_count, sizeof changes->accounts[0], by_address);
}

static void collect_slots(const struct journal *journal, struct state_changes *changes)
{
    map_each (it, &journal->slots) {
        const struct journal_slot *entry = it->value;
        if (entry->loaded && memcmp(&entry->word, &entry->former, sizeof entry->word) != 0) {
            changes->slots[changes->slot_count++] = (struct slot_change){.address = entry->address,
                                                                         .slot = entry->slot,
                                                                         .former = entry->former,
                                                                         .word = entry->word};
        }
    }
    sort(changes->slots, changes->slot_count, sizeof changes->slots[0], by_slot);
}

/* Code that a reverted frame set is left out: only what a changed account points to is new. */
static void collect_codes(const struct journal *journal, struct state_changes *changes)
{
    struct map seen;
    map_init(&seen);
    for (size_t i = 0; i < changes->account_count; i++) {
        const struct hash *hash = &changes->accounts[i].account.code_hash;
        const struct journal_code *code = map_get(&journal->codes, BYTES_OF(*hash));
        if (code != NULL && code->is_new && map_get(&seen, BYTES_OF(*hash)) == NULL) {
            map_put(&seen, BYTES_OF(*hash), map_get(&journal->codes, BYTES_OF(*hash)));
            changes->codes[changes->code_count++] =
                (struct code_change){.hash = *hash, .code = code->code};
        }
    }
    map_free(&seen);
    sort(changes->codes, changes->code_count, sizeof changes->codes[0], by_hash);
}

err journal_changes(const struct journal *journal, struct arena *arena,
                    struct state_changes *ret_changes)
{
    struct state_changes changes = {
        .accounts = ARENA_ARRAY(arena, struct account_change, journal->accounts.count + 1),
        .slots = ARENA_ARRAY(arena, struct slot_change, journal->slots.count + 1),
        .codes = ARENA_ARRAY(arena, struct code_change, journal->codes.count + 1),
    };
    if (changes.accounts == NULL || changes.slots == NULL || changes.codes == NULL) {
        return fail(ERR_LIMIT);
    }
    collect_accounts(journal, &changes);
    collect_slots(journal, &changes);
    collect_codes(journal, &changes);
    *ret_changes = changes;
    return ok();
}
