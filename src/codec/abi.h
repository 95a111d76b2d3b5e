/* abi.h: the Solidity contract ABI, driven by signatures.
 *
 * A function or event is described by one text, for example
 *   "lease(uint64 bytes_, uint8 class, uint64 seconds) returns (uint64 id)"
 *   "Leased(uint64 indexed territory, address indexed owner, uint64 bytes_)".
 * abi_parse() turns it into types once at start. Supported types: uintN, intN (N multiple of 8 up
 * to 256), address, bool, bytesN, bytes, string, T[] of the former, and one level of tuples
 * (T name, …) and (T name, …)[] for batches; `uint` and `int` without a size are not. Decoding is
 * strict: dirty high bits, offsets that are not the canonical ones, padding that is not zero,
 * lengths past the end and trailing bytes are refused, so encoding what was decoded gives the same
 * bytes. Values live in the caller's arena; their memory is at most four times the input's length.
 *
 * Source of the format: docs.soliditylang.org, "Contract ABI Specification".
 */
#ifndef CODEC_ABI_H
#define CODEC_ABI_H

#include "base/arena.h"
#include "base/buf.h"

#define ABI_PARAMS_MAX 24
#define ABI_NAME_MAX 48 /* with the final zero */
#define ABI_TOPICS_MAX 4

enum abi_kind {
    ABI_UINT,
    ABI_INT,
    ABI_ADDRESS,
    ABI_BOOL,
    ABI_FIXED_BYTES,
    ABI_BYTES,
    ABI_STRING,
    ABI_ARRAY, /* dynamic array of `element` */
    ABI_TUPLE,
};

struct abi_type {
    enum abi_kind kind;
    u16 size;                     /* bits for integers, bytes for bytesN */
    bool indexed;                 /* event parameters */
    char name[ABI_NAME_MAX];      /* empty if the signature gives none */
    const struct abi_type *parts; /* ABI_ARRAY: 1 element type; ABI_TUPLE: part_count members */
    size_t part_count;
};

struct abi_entry {
    char name[ABI_NAME_MAX];
    struct hash topic; /* keccak256 of the canonical signature; the selector is its first 4 bytes */
    u8 selector[4];
    const struct abi_type *inputs;
    size_t input_count;
    const struct abi_type *outputs;
    size_t output_count;
};

struct abi_value {
    u8 word[32];             /* static kinds: the ABI word */
    bytes data;              /* ABI_BYTES, ABI_STRING: borrowed from the input */
    struct abi_value *parts; /* ABI_ARRAY: items; ABI_TUPLE: members */
    size_t part_count;
};

/* abi_parse: ERR_MALFORMED, or ERR_LIMIT if the arena is full. Types are allocated in arena. Only
 * types of one word can be `indexed`, and at most three of them. */
err abi_parse(struct arena *arena, const char *signature, struct abi_entry *ret_entry);
/* abi_canonical: "lease(uint64,uint8,uint64)". */
void abi_canonical(const struct abi_entry *entry, struct buf *out);
/* abi_decode: `in` is what follows the selector (or a return value). ret_values has room for count
 * (<= ABI_PARAMS_MAX) values. ERR_MALFORMED, or ERR_LIMIT if the arena is full. */
err abi_decode(struct arena *arena, const struct abi_type *types, size_t count, bytes in,
               struct abi_value *ret_values);
/* abi_encode: appends. Values that do not fit their types (a dirty word, a wrong number of tuple
 * members) are a bug. */
void abi_encode(struct buf *out, const struct abi_type *types, size_t count,
                const struct abi_value *values);
/* abi_encode_call: selector and arguments. */
void abi_encode_call(struct buf *out, const struct abi_entry *entry,
                     const struct abi_value *values);

/* abi_encode_event: a log. topics[0] is the entry's topic, then come the indexed values; the others
 * are appended to data. Returns the number of topics. values has input_count items. */
size_t abi_encode_event(struct hash topics[ABI_TOPICS_MAX], struct buf *data,
                        const struct abi_entry *entry, const struct abi_value *values);
/* abi_decode_event: the reverse, as strict as abi_decode(); another topic[0] is ERR_MALFORMED. */
err abi_decode_event(struct arena *arena, const struct abi_entry *entry, const struct hash *topics,
                     size_t topic_count, bytes data, struct abi_value *ret_values);

/* Makers and readers of static values. abi_as_u64 asserts that the type was uint64 or narrower. */
struct abi_value abi_u64(u64 v);
struct abi_value abi_word(const u8 word[32]);
struct abi_value abi_address(const struct address *address);
struct abi_value abi_bool(bool v);
/* abi_fixed: bytesN, left-aligned; in.len <= 32. */
struct abi_value abi_fixed(bytes in);
struct abi_value abi_hash(const struct hash *hash);
/* abi_bytes: for bytes and string; borrows `in` until it is encoded. */
struct abi_value abi_bytes(bytes in);
/* abi_tuple / abi_array: borrow parts until they are encoded. */
struct abi_value abi_tuple(struct abi_value *parts, size_t count);
struct abi_value abi_array(struct abi_value *items, size_t count);
u64 abi_as_u64(const struct abi_value *value);
bool abi_as_bool(const struct abi_value *value);
struct address abi_as_address(const struct abi_value *value);
struct hash abi_as_hash(const struct abi_value *value);

/* abi_revert: the encoding of Error(string), for refusals. */
void abi_revert(struct buf *out, const char *reason);

#endif
