/* world.h: accounts in memory: what a state test starts from, and what came out of it.
 *
 * A world is a source for a journal; world_apply() puts a journal's changes on top, and
 * world_root() builds the state trie anew and gives its root. Nothing is kept on disk: a test has a
 * handful of accounts.
 */
#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include "base/map.h"
#include "codec/json.h"
#include "ledger/exec/journal.h"

#define WORLD_BYTES_MAX MIB(512)

struct world_slot {
    struct hash slot;
    struct word word;
};

struct world_account {
    struct address address;
    struct account account;
    struct map slots; /* slot → struct world_slot, none zero */
};

struct world {
    struct arena arena;
    struct map accounts; /* address → struct world_account */
    struct map codes;    /* hash → struct bytes */
};

void world_init(struct world *world);
void world_free(struct world *world);
/* world_fill: from `{address: {balance, nonce, code, storage}}`; ERR_MALFORMED. */
err world_fill(struct world *world, const json_t *accounts);
struct state_source world_source(struct world *world);
err world_apply(struct world *world, const struct state_changes *changes);
err world_root(const struct world *world, struct hash *ret_root);
/* world_diff: in words, what `is` has that differs from `expected`. */
void world_diff(struct buf *out, const struct world *is, const struct world *expected);

#endif
