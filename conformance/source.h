/* source.h: the documents of a path: one file, a folder, or an archive read as a stream.
 *
 * An archive (.tar, .tar.zst, .tar.gz …, whatever libarchive reads) is never unpacked: one document
 * at a time is in memory. A folder is walked in byte order of the names; links are not followed.
 */
#ifndef CONFORMANCE_SOURCE_H
#define CONFORMANCE_SOURCE_H

#include "conformance/suite.h"

struct source;

/* source_open: ERR_NOT_FOUND, ERR_IO, ERR_MALFORMED (no archive that can be read); the reason is
 * logged. Documents that the suite does not want are passed over. */
err source_open(const char *path, const struct suite *suite, struct source **ret_source);
void source_close(struct source *source);
/* source_next: *ret_document's path is NULL at the end; else document_free() it. ERR_LIMIT past
 * DOCUMENT_BYTES_MAX. */
err source_next(struct source *source, struct document *ret_document);
void document_free(struct document *document);

#endif
