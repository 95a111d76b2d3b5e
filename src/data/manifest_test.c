#include "data/manifest.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A multipart object of two parts: 20,000 bytes from one extent in two pieces, and 5 bytes copied
 * out of the middle of another. */
struct sample {
    struct manifest_header headers[2];
    struct manifest_part parts[2];
    struct locator pieces[3];
    struct manifest_extent extents[2];
    struct manifest manifest;
    struct buf text;
    struct arena arena;
};

static int make_sample(void **state)
{
    struct sample *it = MEM_NEW(struct sample);
    it->headers[0] = (struct manifest_header){bytes_str("content-type"), bytes_str("text/plain")};
    it->headers[1] = (struct manifest_header){bytes_str("x-amz-meta-a"), bytes_str("")};
    it->parts[0] = (struct manifest_part){.number = 1, .size = 20000, .md5 = {1}};
    it->parts[1] = (struct manifest_part){.number = 9, .size = 5, .md5 = {2}};
    u32 sealed = (u32)extent_sealed_length(20000);
    it->pieces[0] = (struct locator){3, 70, 100, 15000};
    it->pieces[1] = (struct locator){3, 71, 0, sealed - 15000};
    it->pieces[2] = (struct locator){4, 9, 5, (u32)extent_sealed_length(100)};
    it->extents[0] = (struct manifest_extent){.id = {{7}},
                                              .file_key = {{8}},
                                              .plain_length = 20000,
                                              .slice_length = 20000,
                                              .pieces = it->pieces,
                                              .piece_count = 2};
    it->extents[1] = (struct manifest_extent){.id = {{9}},
                                              .file_key = {{10}},
                                              .plain_length = 100,
                                              .slice_offset = 50,
                                              .slice_length = 5,
                                              .pieces = it->pieces + 2,
                                              .piece_count = 1};
    it->manifest = (struct manifest){.size = 20005,
                                     .mtime_ms = 1700000000123,
                                     .etag = bytes_str("d41d8cd98f00b204e9800998ecf8427e-2"),
                                     .checksum_kind = MANIFEST_CHECKSUM_CRC64NVME,
                                     .checksum = {1, 2, 3, 4, 5, 6, 7, 8},
                                     .headers = it->headers,
                                     .header_count = 2,
                                     .parts = it->parts,
                                     .part_count = 2,
                                     .extents = it->extents,
                                     .extent_count = 2};
    buf_init(&it->text, MANIFEST_BYTES_MAX + 1);
    arena_init(&it->arena, MIB(64));
    *state = it;
    return 0;
}

static int drop_sample(void **state)
{
    struct sample *it = *state;
    buf_free(&it->text);
    arena_free(&it->arena);
    mem_free(it);
    return 0;
}

static err read_back(struct sample *it, struct manifest *ret)
{
    return manifest_read(ret, &it->arena, buf_bytes(&it->text));
}

static void check_same(struct sample *it, const struct manifest *back)
{
    struct buf again;
    buf_init(&again, MANIFEST_BYTES_MAX);
    manifest_write(&again, back);
    assert_true(bytes_eq(buf_bytes(&again), buf_bytes(&it->text)));
    buf_free(&again);
}

static void round_trip(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    assert_true(manifest_valid(&it->manifest));
    manifest_write(&it->text, &it->manifest);
    assert_true(is_ok(read_back(it, &back)));
    assert_int_equal(back.size, 20005);
    assert_true(back.mtime_ms == 1700000000123);
    assert_true(bytes_eq(back.etag, it->manifest.etag));
    assert_int_equal(back.checksum_kind, MANIFEST_CHECKSUM_CRC64NVME);
    assert_memory_equal(back.checksum, it->manifest.checksum, 8);
    assert_int_equal(back.header_count, 2);
    assert_true(bytes_eq_str(back.headers[0].value, "text/plain"));
    assert_int_equal(back.parts[1].number, 9);
    assert_int_equal(back.extents[1].slice_offset, 50);
    assert_int_equal(back.extents[0].pieces[1].number, 71);
    check_same(it, &back);
}

static void inline_and_empty(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    static const u8 data[MANIFEST_INLINE_BYTES_MAX + 1] = "hello";
    static const size_t sizes[] = {0, 1, 5, MANIFEST_INLINE_BYTES_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct manifest manifest = {.size = sizes[i],
                                    .etag = bytes_str("x"),
                                    .is_inline = true,
                                    .inline_data = bytes_make(data, sizes[i])};
        buf_clear(&it->text);
        manifest_write(&it->text, &manifest);
        assert_true(is_ok(read_back(it, &back)));
        assert_true(back.is_inline && back.extent_count == 0 && back.part_count == 0);
        assert_true(bytes_eq(back.inline_data, manifest.inline_data));
        check_same(it, &back);
    }
    struct manifest large = {
        .size = MANIFEST_INLINE_BYTES_MAX + 1, .is_inline = true, .inline_data = BYTES_OF(data)};
    assert_false(manifest_valid(&large));
}

static void every_cut_is_refused(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    manifest_write(&it->text, &it->manifest);
    for (size_t len = 0; len < it->text.len; len++) {
        u8 *copy = mem_alloc(len); /* so that ASan sees a read past the end */
        if (len > 0) {
            memcpy(copy, it->text.data, len);
        }
        err e = manifest_read(&back, &it->arena, bytes_make(copy, len));
        assert_true(is_err(e, ERR_MALFORMED));
        mem_free(copy);
        arena_free(&it->arena);
    }
    buf_put_u8(&it->text, 0);
    assert_true(is_err(read_back(it, &back), ERR_MALFORMED));
}

/* What differs in one field from the valid sample. */
static void inconsistent_fields(void **state)
{
    struct sample *it = *state;
    struct manifest *m = &it->manifest;
#define REFUSED_WITH(place, value)                                                                 \
    do {                                                                                           \
        struct sample kept = *it;                                                                  \
        (place) = (value);                                                                         \
        assert_false(manifest_valid(m));                                                           \
        *it = kept;                                                                                \
        assert_true(manifest_valid(m));                                                            \
    } while (0)
    REFUSED_WITH(m->size, 20004);
    REFUSED_WITH(m->size, UINT64_MAX);
    REFUSED_WITH(m->extent_count, 1);
    REFUSED_WITH(m->extent_count, 0);
    REFUSED_WITH(m->is_inline, true);
    REFUSED_WITH(m->part_count, 1);
    REFUSED_WITH(m->checksum_kind, (enum manifest_checksum)6);
    REFUSED_WITH(m->headers[0].name, bytes_str(""));
    REFUSED_WITH(m->parts[0].number, 0);
    REFUSED_WITH(m->parts[1].number, 1);
    REFUSED_WITH(m->parts[1].number, 10001);
    REFUSED_WITH(m->parts[1].size, UINT64_MAX);
    REFUSED_WITH(m->extents[0].plain_length, 20001);
    REFUSED_WITH(m->extents[0].plain_length, UINT64_MAX);
    REFUSED_WITH(m->extents[0].slice_length, 20001);
    REFUSED_WITH(m->extents[1].slice_offset, 96);
    REFUSED_WITH(m->extents[1].slice_offset, UINT64_MAX);
    REFUSED_WITH(m->extents[0].piece_count, 1);
    REFUSED_WITH(m->extents[0].piece_count, 0);
    REFUSED_WITH(m->extents[0].pieces[0].length, 14999);
    REFUSED_WITH(m->extents[0].pieces[0].length, 0);
    REFUSED_WITH(m->extents[0].pieces[0].gateway, 0);
    REFUSED_WITH(m->extents[0].pieces[0].offset, (u32)SEGMENT_BYTES_MAX - 14999);
    REFUSED_WITH(m->extents[0].pieces[0].offset, UINT32_MAX);
#undef REFUSED_WITH
    m->checksum_kind = MANIFEST_CHECKSUM_NONE;
    m->checksum_composite = true;
    assert_false(manifest_valid(m));
}

static void hostile_counts(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    struct manifest small = {.etag = bytes_str(""), .is_inline = true};
    manifest_write(&it->text, &small);
    /* kind, version, flags, size, mtime, etag, checksum: 25 bytes; then three counts */
    assert_int_equal(it->text.len, 25 + 3 * 2);
    for (size_t at = 25; at + 1 < it->text.len; at += 2) {
        store_be16(it->text.data + at, UINT16_MAX);
        assert_true(is_err(read_back(it, &back), ERR_MALFORMED));
        store_be16(it->text.data + at, 0);
    }
    assert_true(is_ok(read_back(it, &back)));
    assert_true(it->arena.used_bytes < 4096);
    it->text.data[4] = 2; /* unknown flag */
    assert_true(is_err(read_back(it, &back), ERR_MALFORMED));
    it->text.data[4] = 0; /* not inline, no extents */
    assert_true(is_err(read_back(it, &back), ERR_MALFORMED));
}

static void flipped_bytes_never_crash(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    manifest_write(&it->text, &it->manifest);
    for (size_t at = 0; at < it->text.len; at++) {
        for (u8 bit = 0; bit < 8; bit++) {
            it->text.data[at] ^= (u8)(1 << bit);
            if (is_ok(read_back(it, &back))) {
                check_same(it, &back);
            }
            it->text.data[at] ^= (u8)(1 << bit);
            arena_free(&it->arena);
        }
    }
}

static void greatest_manifest(void **state)
{
    struct sample *it = *state;
    struct manifest back;
    struct manifest_extent *extents = mem_alloc_array(MANIFEST_EXTENTS_MAX, sizeof *extents);
    struct manifest_part *parts = mem_alloc_array(MANIFEST_PARTS_MAX, sizeof *parts);
    struct locator *pieces = mem_alloc_array(20, sizeof *pieces);
    u64 sealed = 20 * (SEGMENT_BYTES_MAX - 9);
    u64 plain;
    assert_true(extent_plain_length(&plain, sealed));
    for (u32 i = 0; i < 20; i++) {
        pieces[i] = (struct locator){1, i, 9, (u32)SEGMENT_BYTES_MAX - 9};
    }
    for (u32 i = 0; i < MANIFEST_EXTENTS_MAX; i++) {
        extents[i] = (struct manifest_extent){
            .plain_length = plain, .slice_length = plain, .pieces = pieces, .piece_count = 20};
        parts[i] = (struct manifest_part){.number = (u16)(i + 1), .size = plain};
    }
    struct manifest manifest = {.size = plain * MANIFEST_EXTENTS_MAX,
                                .checksum_kind = MANIFEST_CHECKSUM_SHA256,
                                .checksum_composite = true,
                                .extents = extents,
                                .extent_count = MANIFEST_EXTENTS_MAX,
                                .parts = parts,
                                .part_count = MANIFEST_PARTS_MAX};
    assert_true(manifest_valid(&manifest));
    manifest_write(&it->text, &manifest);
    assert_true(is_ok(buf_done(&it->text)) && it->text.len <= MANIFEST_BYTES_MAX);
    assert_true(is_ok(read_back(it, &back)));
    check_same(it, &back);
    struct arena tiny;
    arena_init(&tiny, KIB(64));
    assert_true(is_err(manifest_read(&back, &tiny, buf_bytes(&it->text)), ERR_LIMIT));
    arena_free(&tiny);
    mem_free(pieces);
    mem_free(parts);
    mem_free(extents);
}

static void finding_bytes(void **state)
{
    struct sample *it = *state;
    u64 plain;
    u64 run;
    assert_ptr_equal(manifest_find(&it->manifest, 0, &plain, &run), &it->extents[0]);
    assert_true(plain == 0 && run == 20000);
    assert_ptr_equal(manifest_find(&it->manifest, 19999, &plain, &run), &it->extents[0]);
    assert_true(plain == 19999 && run == 1);
    assert_ptr_equal(manifest_find(&it->manifest, 20001, &plain, &run), &it->extents[1]);
    assert_true(plain == 51 && run == 4);
    struct locator piece = manifest_piece_find(&it->extents[0], 14990);
    assert_true(piece.number == 70 && piece.offset == 15090 && piece.length == 10);
    piece = manifest_piece_find(&it->extents[0], 15000);
    assert_true(piece.number == 71 && piece.offset == 0);
    u64 offset = 1;
    u64 size;
    assert_true(manifest_part_find(&it->manifest, 9, &offset, &size));
    assert_true(offset == 20000 && size == 5);
    assert_true(manifest_part_find(&it->manifest, 1, &offset, &size));
    assert_true(offset == 0 && size == 20000);
    assert_false(manifest_part_find(&it->manifest, 2, &offset, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(inline_and_empty, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(every_cut_is_refused, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(inconsistent_fields, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(hostile_counts, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(flipped_bytes_never_crash, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(greatest_manifest, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(finding_bytes, make_sample, drop_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
