/* vectors_test: the C against the independent model in tests/models/storage_model.py. */
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "data/capability.h"
#include "data/keys.h"
#include "data/manifest.h"
#include "data/placement.h"
#include "data/segment_encoder.h"
#include "tests/support/check.h"

#include <stdio.h>

#define VECTORS_PATH "tests/models/storage_vectors.json"

static u64 number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return (u64)json_integer_value(value);
}

/* wide_of: numbers that may need 64 bits are hexadecimal text. */
static u64 wide_of(const json_t *object, const char *key)
{
    u64 out = 0;
    const char *digits = json_read_str(object, key);
    assert_non_null(digits);
    for (; *digits != '\0'; digits++) {
        out = out << 4 | (u64)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
    }
    return out;
}

static void hex_of(const json_t *object, const char *key, void *out, size_t len)
{
    const char *digits = json_read_str(object, key);
    assert_non_null(digits);
    assert_true(hex_decode(out, len, bytes_str(digits)));
}

static void check_member(bytes got, const json_t *object, const char *key)
{
    const char *expected = json_read_str(object, key);
    assert_non_null(expected);
    check_hex(got, expected);
}

/* sample: the model's function of the same name. */
static void sample(void *out, size_t length, const char *name)
{
    u8 *at = out;
    for (u32 counter = 0; length > 0; counter++) {
        u8 number[4];
        struct hash block;
        store_be32(number, counter);
        const bytes parts[] = {bytes_str(name), BYTES_OF(number)};
        sha256_parts(&block, parts, COUNT_OF(parts));
        size_t taken = min_size(length, sizeof block);
        memcpy(at, &block, taken);
        at += taken;
        length -= taken;
    }
}

static void code_segment(u8 class_number, u32 length, struct hash *ret_roots,
                         struct segment_shape *ret_shape, struct hash *ret_id)
{
    char name[64];
    struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
    struct segment_row row;
    u8 *memory = mem_alloc(segment_row_footprint(redundancy_find(class_number)));
    u8 *data = mem_alloc(length);
    snprintf(name, sizeof name, "segment %u %u", class_number, length);
    sample(data, length, name);
    segment_encoder_init(encoder, (enum redundancy)class_number);
    for (u32 done = 0; done < length;) {
        segment_row_init(&row, memory);
        bytes rest = bytes_make(data + done, length - done);
        done += (u32)segment_encoder_fill(encoder, &row, rest);
        segment_encoder_row(encoder, &row);
    }
    segment_encoder_finish(encoder, ret_roots, ret_shape, ret_id);
    mem_free(data);
    mem_free(memory);
    mem_free(encoder);
}

static void segments(void **state)
{
    size_t i;
    const json_t *it;
    json_array_foreach(json_object_get(*state, "segments"), i, it)
    {
        struct hash roots[FRAGMENTS_MAX];
        struct segment_shape shape;
        struct hash id;
        code_segment((u8)number_of(it, "class"), (u32)number_of(it, "length"), roots, &shape, &id);
        const json_t *expected = json_object_get(it, "roots");
        assert_int_equal(json_array_size(expected), shape.k + shape.m);
        for (size_t r = 0; r < json_array_size(expected); r++) {
            check_hex(BYTES_OF(roots[r]), json_string_value(json_array_get(expected, r)));
        }
        assert_int_equal(shape.fragment_length, number_of(it, "fragment_length"));
        check_member(BYTES_OF(id), it, "id");
    }
    assert_true(i >= 10);
}

static struct segment_key key_of(const json_t *it)
{
    return (struct segment_key){.territory = number_of(it, "territory"),
                                .gateway = (u32)number_of(it, "gateway"),
                                .number = wide_of(it, "number")};
}

static void receipts(void **state)
{
    size_t i;
    const json_t *it;
    json_array_foreach(json_object_get(*state, "receipts"), i, it)
    {
        struct receipt_terms terms = {.chain_id = number_of(it, "chain"),
                                      .key = key_of(it),
                                      .index = (u8)number_of(it, "index"),
                                      .length = (u32)number_of(it, "length"),
                                      .deadline = number_of(it, "deadline")};
        struct hash digest;
        struct secp_secret secret;
        struct secp_signature signature;
        struct address address;
        u8 raw[32];
        hex_of(it, "segment", &terms.segment, 32);
        hex_of(it, "root", &terms.root, 32);
        hex_of(it, "secret", raw, 32);
        assert_true(secp_secret_from(&secret, raw));
        receipt_digest(&digest, &terms);
        check_member(BYTES_OF(digest), it, "digest");
        secp_sign(&signature, &secret, &digest);
        check_member(BYTES_OF(signature), it, "signature");
        assert_true(secp_recover_address(&address, &signature, &digest));
        check_member(BYTES_OF(address), it, "address");
    }
    assert_true(i >= 3);
}

static void draws(void **state)
{
    size_t i;
    const json_t *it;
    json_array_foreach(json_object_get(*state, "draws"), i, it)
    {
        struct hash seed;
        struct segment_key key = key_of(it);
        hex_of(it, "seed", &seed, 32);
        u64 point = placement_point(&seed, &key, (u16)number_of(it, "draw"), wide_of(it, "total"));
        assert_true(point == wide_of(it, "point"));
    }
    assert_true(i >= 4);
}

/* named: sample("NAME FIELD"). */
static void named(void *out, size_t length, const char *name, const char *field)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s", name, field);
    sample(out, length, text);
}

static void extents(void **state)
{
    size_t i;
    const json_t *it;
    json_array_foreach(json_object_get(*state, "extents"), i, it)
    {
        static u8 plain[2 * EXTENT_CHUNK_BYTES];
        static u8 stream[3 * EXTENT_CHUNK_BYTES];
        struct aead_key key;
        struct hash bucket;
        struct hash digest;
        struct extent_id extent;
        struct extent_cipher cipher;
        u8 salt[EXTENT_SALT_BYTES];
        const char *name = json_read_str(it, "name");
        size_t length = (size_t)number_of(it, "length");
        named(&key, sizeof key, name, "key");
        named(&bucket, sizeof bucket, name, "bucket");
        named(&extent, sizeof extent, name, "id");
        named(salt, sizeof salt, name, "salt");
        sample(plain, length, name);
        extent_cipher_init(&cipher, &key, &bucket, &extent, salt);
        check_member(BYTES_OF(cipher.header), it, "header");
        memcpy(stream, cipher.header, EXTENT_HEADER_BYTES);
        for (u64 chunk = 0; chunk <= length / EXTENT_CHUNK_BYTES; chunk++) {
            size_t sealed = extent_chunk_sealed_bytes(length, chunk);
            extent_seal_chunk(&cipher, stream + extent_chunk_offset(chunk), chunk,
                              bytes_make(plain + chunk * EXTENT_CHUNK_BYTES, sealed - 16));
        }
        u64 total = extent_sealed_length(length);
        assert_int_equal(total, number_of(it, "sealed_length"));
        check_member(bytes_make(stream + total - 16, 16), it, "tail");
        sha256(&digest, bytes_make(stream, total));
        check_member(BYTES_OF(digest), it, "sha256");
        extent_cipher_free(&cipher);
    }
    assert_true(i >= 6);
}

static void keys(void **state)
{
    const json_t *all = json_object_get(*state, "keys");
    struct master_key master;
    struct hash bucket;
    size_t i;
    const json_t *it;
    hex_of(all, "master", &master, 32);
    hex_of(all, "bucket", &bucket, 32);
    json_array_foreach(json_object_get(all, "cases"), i, it)
    {
        struct territory_key territory;
        struct secp_secret label;
        struct secp_public label_public;
        territory_key_derive(&territory, &master, wide_of(it, "territory"));
        check_member(BYTES_OF(territory), it, "territory_key");
        label_secret_derive(&label, &territory, &bucket, (u32)number_of(it, "version"));
        check_member(BYTES_OF(label), it, "label_secret");
        secp_public_of(&label_public, &label);
        check_member(BYTES_OF(label_public), it, "label_public");
    }
    assert_true(i >= 4);
}

static void capabilities(void **state)
{
    const json_t *it = json_object_get(*state, "capability");
    const json_t *fields = json_object_get(it, "fields");
    u8 raw[32];
    u8 packed[CAPABILITY_BYTES];
    struct secp_secret secret;
    struct capability capability = {.chain_id = number_of(fields, "chain"),
                                    .holder = (u32)number_of(fields, "holder"),
                                    .ops = (u8)number_of(fields, "ops"),
                                    .key = {number_of(fields, "territory"),
                                            (u32)number_of(fields, "gateway"),
                                            number_of(fields, "number")},
                                    .fragment = (u8)number_of(fields, "fragment"),
                                    .valid_until = number_of(fields, "valid_until")};
    hex_of(fields, "nonce", capability.nonce, 16);
    hex_of(it, "secret", raw, 32);
    assert_true(secp_secret_from(&secret, raw));
    capability_sign(&capability, &secret);
    capability_encode(packed, &capability);
    check_member(BYTES_OF(packed), it, "record");
}

/* record_of: the bytes of a record, owned by the caller. */
static bytes record_of(const json_t *object)
{
    const char *digits = json_read_str(object, "record");
    assert_non_null(digits);
    size_t len = strlen(digits) / 2;
    u8 *out = mem_alloc(len);
    assert_true(hex_decode(out, len, bytes_str(digits)));
    return bytes_make(out, len);
}

static void segment_entries(void **state)
{
    bytes record = record_of(json_object_get(*state, "segment_entry"));
    struct segment_entry entry;
    struct reader reader;
    struct buf again;
    struct hash root;
    struct secp_signature signature;
    reader_init(&reader, record);
    segment_entry_read(&reader, &entry);
    assert_true(is_ok(reader_done(&reader)));
    assert_true(entry.number == 77 && entry.epoch == 5 && entry.class_number == RS_2_4);
    assert_true(entry.length == 123456 && entry.receipt_count == 4);
    sample(&root, 32, "root 5");
    assert_true(hash_eq(&root, &entry.roots[5]));
    const struct holder_receipt *last = &entry.receipts[3];
    assert_true(last->index == 5 && last->provider == 105 && last->draw == 10);
    assert_true(last->deadline == 1800000005);
    sample(&signature, 65, "signature 5");
    assert_memory_equal(&signature, &last->signature, 65);
    buf_init(&again, KIB(8));
    segment_entry_write(&again, &entry);
    assert_true(bytes_eq(buf_bytes(&again), record));
    buf_free(&again);
    mem_free((void *)(uintptr_t)record.data);
}

static void check_manifest(const struct manifest *it)
{
    u8 expected[32];
    assert_true(it->size == 20005 && it->mtime_ms == 1700000000123);
    assert_true(bytes_eq_str(it->etag, "d41d8cd98f00b204e9800998ecf8427e-2"));
    assert_true(it->checksum_kind == MANIFEST_CHECKSUM_CRC32C && it->checksum_composite);
    sample(expected, 4, "sum");
    assert_memory_equal(it->checksum, expected, 4);
    assert_true(it->header_count == 2 && it->part_count == 2 && it->extent_count == 2);
    assert_true(bytes_eq_str(it->headers[1].name, "x-amz-meta-a"));
    assert_int_equal(it->headers[1].value.len, 0);
    assert_true(it->parts[1].number == 9 && it->parts[1].size == 5);
    sample(expected, 16, "md5 1");
    assert_memory_equal(it->parts[1].md5, expected, 16);
    const struct manifest_extent *extent = &it->extents[1];
    sample(expected, 32, "key 1");
    assert_memory_equal(extent->file_key.b, expected, 32);
    assert_true(extent->plain_length == 100 && extent->slice_offset == 50);
    assert_true(extent->slice_length == 5 && extent->piece_count == 1);
    const struct locator *piece = &extent->pieces[0];
    assert_true(piece->gateway == 4 && piece->number == 9);
    assert_true(piece->offset == 5 && piece->length == 172);
}

static void manifests(void **state)
{
    bytes record = record_of(json_object_get(*state, "manifest"));
    struct manifest manifest;
    struct arena arena;
    struct buf again;
    arena_init(&arena, MIB(1));
    buf_init(&again, MIB(1));
    assert_true(is_ok(manifest_read(&manifest, &arena, record)));
    check_manifest(&manifest);
    manifest_write(&again, &manifest);
    assert_true(bytes_eq(buf_bytes(&again), record));
    buf_free(&again);
    arena_free(&arena);
    mem_free((void *)(uintptr_t)record.data);
}

static int load(void **state)
{
    json_error_t error;
    *state = json_load_file(VECTORS_PATH, JSON_REJECT_DUPLICATES, &error);
    if (*state == NULL) {
        fprintf(stderr, "%s: %s\n", VECTORS_PATH, error.text);
        return -1;
    }
    return 0;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments),
        cmocka_unit_test(receipts),
        cmocka_unit_test(draws),
        cmocka_unit_test(extents),
        cmocka_unit_test(keys),
        cmocka_unit_test(capabilities),
        cmocka_unit_test(segment_entries),
        cmocka_unit_test(manifests),
    };
    struct hash seed = {{1}};
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, load, unload);
}
