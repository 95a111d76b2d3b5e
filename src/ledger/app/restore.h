/* restore.h: a ledger's state as files that another node can begin with.
 *
 * A node writes one snapshot an era (app_snapshot_*): the state of a height in parts that can each
 * be checked alone (state/snapshot.h), and the block that makes it a head. app_restore() fills a
 * new store from such a folder. Nothing in the folder is trusted: the caller names the hash of the
 * height's Ethereum header, which says everything else. Layout: docs/formats/snapshot.md.
 */
#ifndef LEDGER_APP_RESTORE_H
#define LEDGER_APP_RESTORE_H

#include "ledger/app/app.h"
#include "ledger/state/snapshot.h"

struct app_snapshot;

/* app_snapshot_begin: of the head, into a new folder below `parent` (made if absent), named by the
 * height once it is whole. Must be called while nobody else uses the application. */
err app_snapshot_begin(struct app *app, const char *parent, struct app_snapshot **ret_snapshot);
/* app_snapshot_step: writes the next part; *ret_done after the last, when the folder has its name
 * and all but the two newest snapshots are removed. Touches no application: meant for a worker. */
err app_snapshot_step(struct app_snapshot *snapshot, bool *ret_done);
u64 app_snapshot_height(const struct app_snapshot *snapshot);
/* app_snapshot_free: an unfinished one leaves a folder that the next begin removes. */
void app_snapshot_free(struct app_snapshot *snapshot);

/* app_restore: makes the store at options->dir, whose head is then the snapshot's height.
 * ERR_REFUSED: the snapshot is not of the trusted block, or a part is wrong (the log says which);
 * ERR_EXISTS: the store has a head already, and nothing was done; ERR_USAGE: the genesis is wrong;
 * ERR_NOT_FOUND: no snapshot there. */
err app_restore(const struct app_options *options, const char *folder, const struct hash *trusted);

#endif
