/* json.h: JSON text in and out (jansson), with limits.
 *
 * json_parse() refuses duplicate keys, depth over 64, NUL in strings and trailing text. Building and
 * reading values uses jansson's own functions (json_object_get …); this header adds what Cairn
 * needs: Ethereum quantities and data as hex strings.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

/* json_parse: a new reference; ERR_MALFORMED, ERR_LIMIT if text is longer than max_bytes. */
err json_parse(bytes text, size_t max_bytes, json_t **ret_value);
/* json_write: compact text. */
void json_write(struct buf *out, const json_t *value);

/* "0x0", "0x1f": no leading zeros. Readers refuse anything else. */
json_t *json_quantity(u64 v);
json_t *json_quantity256(const u8 word[32]);
json_t *json_data(bytes in); /* "0x…", two digits a byte */
MUST_USE bool json_read_quantity(const json_t *value, u64 *ret);
MUST_USE bool json_read_quantity256(const json_t *value, u8 ret_word[32]);
/* json_read_data: into arena; false if no such hex string or the arena is full. */
MUST_USE bool json_read_data(const json_t *value, struct arena *arena, bytes *ret);
MUST_USE bool json_read_fixed(const json_t *value, void *out, size_t len);
/* json_read_str: the member of an object as text; NULL if absent or no string. */
const char *json_read_str(const json_t *object, const char *key);

#endif
