/* resend.h: fragments that are coded again from the spool file. Internal to src/transfer.
 *
 * One pass over the spool feeds all wanted fragments to their new holders. What the file gives is
 * hashed on the way: a file that a crash left torn is found out before any holder is asked to sign,
 * and removed.
 */
#ifndef TRANSFER_RESEND_H
#define TRANSFER_RESEND_H

#include "transfer/segment_put.h"

struct resend {
    const struct segment_put_options *options;
    const struct segment_seal *seal;
    u8 count;
    u8 fragments[FRAGMENTS_MAX];
    struct placement_holder holders[FRAGMENTS_MAX]; /* of fragments[i] */
};

/* resend_run: receipts join the entry, in order of fragments. ERR_NOT_FOUND: there is no (good)
 * spool file; else ok with any number of receipts, or why there is none. */
err resend_run(const struct resend *resend, u64 deadline_ms, struct segment_entry *entry);
/* entry_sort: by fragment, as a commit wants it. entry_missing: fragments without a receipt. */
void entry_sort(struct segment_entry *entry);
u8 entry_missing(const struct segment_entry *entry, u8 missing[FRAGMENTS_MAX]);

#endif
