/* percent.h: percent-encoding of URL parts (RFC 3986 §2.1), with the unreserved set of S3.
 *
 * SigV4 signs URLs in one canonical form: every byte but A-Z a-z 0-9 - . _ ~ becomes % and two
 * upper-case digits. The same form is used wherever Cairn itself builds a URL. Decoding is strict:
 * a % without two hexadecimal digits is an error, never passed through, so that two readers of one
 * URL cannot see two names. The decoded bytes are opaque: they may hold zero bytes, slashes or
 * text that is not UTF-8, which the caller judges.
 */
#ifndef CODEC_PERCENT_H
#define CODEC_PERCENT_H

#include "base/arena.h"
#include "base/buf.h"

/* percent_decode: *ret_out lives in arena. plus_is_space: "+" means a space, as in forms and query
 * strings of some clients. ERR_MALFORMED: a broken escape. ERR_LIMIT: the arena is full. */
err percent_decode(struct arena *arena, bytes in, bool plus_is_space, bytes *ret_out);
/* percent_encode: appends to out; with keep_slash "/" stays, as in a path. */
void percent_encode(struct buf *out, bytes in, bool keep_slash);

#endif
