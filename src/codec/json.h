/* json.h: JSON text in and out (jansson), with limits.
 *
 * json_parse() refuses duplicate keys, depth over JSON_DEPTH_MAX, NUL in strings, text that is not
 * UTF-8, numbers that do not fit (integers beyond 64 signed bits) and trailing text; the value may
 * be of any kind. Building and reading values uses jansson's own functions (json_object_get …);
 * members come out in the order they were put in. This header adds what Cairn needs: Ethereum
 * quantities and data as hex strings. Readers take either case of the digits and never anything
 * that is no string; writers use lower case.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

#define JSON_DEPTH_MAX 64 /* arrays and objects inside each other */

/* json_parse: a new reference; ERR_MALFORMED, ERR_LIMIT if text is longer than max_bytes. */
err json_parse(bytes text, size_t max_bytes, json_t **ret_value);
/* json_write: compact text. A value that contains itself latches out->failed. */
void json_write(struct buf *out, const json_t *value);
/* json_write_lines: the same for people: a line for every member, two blanks for every depth. */
void json_write_lines(struct buf *out, const json_t *value);

/* "0x0", "0x1f": no leading zeros. Readers refuse anything else. New references. */
json_t *json_quantity(u64 v);
json_t *json_quantity256(const u8 word[32]);
json_t *json_data(bytes in); /* "0x…", two digits a byte */
MUST_USE bool json_read_quantity(const json_t *value, u64 *ret);
/* json_read_quantity256: big-endian. */
MUST_USE bool json_read_quantity256(const json_t *value, u8 ret_word[32]);
/* json_read_data: into arena; false if no such hex string or the arena is full. */
MUST_USE bool json_read_data(const json_t *value, struct arena *arena, bytes *ret);
/* json_read_fixed: exactly len bytes; out is untouched on failure. */
MUST_USE bool json_read_fixed(const json_t *value, void *out, size_t len);
/* json_read_str: the member of an object as text, borrowed; NULL if absent or no string. */
const char *json_read_str(const json_t *object, const char *key);

#endif
