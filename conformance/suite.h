/* suite.h: what a suite of public tests is to the runner.
 *
 * A suite runs documents: files of a folder, of an archive, or one file. A suite with `document`
 * gets them one by one, in any order and on several threads, so it must not keep anything between
 * them; memory stays bounded by one document per job. A suite with `whole` gets all that it wants
 * at once, sorted by path, for tests whose files belong together (at most SUITE_BYTES_MAX).
 *
 * What a document's tests gave goes into `struct results`, which also answers what the caller of
 * the program asked for (filter, verbosity). Nothing is skipped: what cannot be run has failed.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "conformance/results.h"

#define DOCUMENT_BYTES_MAX MIB(64)
#define SUITE_BYTES_MAX MIB(512)

struct document {
    const char *path; /* in the archive, or as the folder was given */
    bytes text;
};

struct suite {
    const char *name;
    const char *summary;
    const char *folder; /* only files below a folder of this name, unless PATH is a file; or NULL */
    const char *ending; /* ".json" */
    void (*document)(struct results *results, const struct document *document);
    void (*whole)(struct results *results, const struct document *documents, size_t count);
};

extern const struct suite suite_state;
extern const struct suite suite_rlp;
extern const struct suite suite_trie;
extern const struct suite suite_tx;
extern const struct suite suite_precompile;
extern const struct suite suite_rpc;

#endif
