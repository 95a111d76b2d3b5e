/* external.h: chains of Ethereum, imported and served read-only.
 *
 * An app over such a chain has no seats, no native modules and no consensus headers; its blocks
 * come from files in Ethereum's own encoding and are executed by the rules of their forks
 * (ledger/ethereum). Everything that a header says is checked but the proof of work: roots, bloom,
 * gas, fees, difficulty, ommers, withdrawals, requests. What reads a chain (app_call and the rest,
 * JSON-RPC) works as on our own; the table of app.h must not be used with it.
 *
 * A block is bounded by EXTERNAL_BLOCK_BYTES_MAX, its memory by that of any block. An import may be
 * repeated: blocks that the store already has are passed over.
 */
#ifndef LEDGER_APP_EXTERNAL_H
#define LEDGER_APP_EXTERNAL_H

#include "ledger/app/app.h"

#define EXTERNAL_BLOCK_BYTES_MAX MIB(16)

/* app_open_external: `genesis` is the text of a genesis file in geth's form; for a new store its
 * accounts become block 0. ERR_REFUSED if the store was made with another one; ERR_USAGE,
 * ERR_MALFORMED: the file is wrong. */
err app_open_external(const struct app_options *options, struct app **ret_app);

/* app_import_block: executes and commits the block after the head. *ret_wrong: NULL, or what is
 * wrong with it; then nothing has changed. `block` is one block of at most
 * EXTERNAL_BLOCK_BYTES_MAX; a block that the store has is fine too. */
err app_import_block(struct app *app, bytes block, const char **ret_wrong);

struct app_import {
    u64 blocks;        /* executed and committed */
    u64 known;         /* passed over */
    u64 place;         /* from 1, of the block that `wrong` is about: its number in most files */
    const char *wrong; /* NULL: the whole file was imported */
};

/* app_import_file: blocks one after another, until the end of the file or until one is wrong.
 * stop: asked after every block, may be NULL; ERR_CANCELLED if it says so. */
err app_import_file(struct app *app, const char *path, bool (*stop)(void *ctx), void *ctx,
                    struct app_import *ret_import);

#endif
