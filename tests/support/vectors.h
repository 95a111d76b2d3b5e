/* vectors.h: public test vectors for tests.
 *
 * The archives live beside the checkout in ../shared/vectors (tests run in the checkout root), or
 * where $CAIRN_VECTORS says. vectors_open() unpacks NAME.tar.zst into a temporary folder under
 * $TMPDIR; vectors_close() removes it. Where there are no vectors at all the program says so and
 * ends with status 77, which CTest shows as skipped; an archive that is there but cannot be
 * unpacked ends it with a failure. A test beside others that need no vectors says VECTORS_NEED()
 * first: the others run, and if one of them fails, the program has failed. Hexadecimal fields of
 * JSON are read with vectors_hex().
 *
 *     struct vectors vectors;
 *     vectors_open(&vectors, "wycheproof");
 *     json_t *root = vectors_json(&vectors, "wycheproof/testvectors_v1/aes_gcm_test.json");
 *     ... json_decref(root);
 *     vectors_close(&vectors);
 *
 * Header only, because tests link module libraries and nothing else.
 */
#ifndef TESTS_SUPPORT_VECTORS_H
#define TESTS_SUPPORT_VECTORS_H

#include "base/bytes.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VECTORS_PATH_MAX 1024
#define VECTORS_EXIT_SKIPPED 77

struct vectors {
    char dir[VECTORS_PATH_MAX]; /* the temporary folder */
};

/* A field decoded from hexadecimal. */
struct vectors_bytes {
    u8 *data; /* owned; never NULL */
    size_t len;
};

__attribute__((noreturn)) static inline void vectors_fail(const char *what, const char *which)
{
    fprintf(stderr, "vectors: %s: %s\n", what, which);
    exit(EXIT_FAILURE);
}

/* vectors_root: the folder of the archives. */
static inline const char *vectors_root(void)
{
    const char *root = getenv("CAIRN_VECTORS");
    return root != NULL ? root : "../shared/vectors";
}

/* vectors_format: snprintf into a path, or the end of the test. */
__attribute__((format(printf, 2, 3))) static inline void vectors_format(char out[VECTORS_PATH_MAX],
                                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, VECTORS_PATH_MAX, format, args);
    va_end(args);
    if (len < 0 || len >= VECTORS_PATH_MAX) {
        vectors_fail("path too long", format);
    }
}

static inline void vectors_end(int status, void *unused)
{
    (void)unused;
    if (status == 0) {
        fflush(NULL);
        _exit(VECTORS_EXIT_SKIPPED);
    }
}

/* vectors_absent: says so; if nothing else fails, the process ends as skipped. */
static inline bool vectors_absent(const char *name)
{
    static bool seen;
    char archive[VECTORS_PATH_MAX];
    vectors_format(archive, "%s/%s.tar.zst", vectors_root(), name);
    if (access(archive, R_OK) == 0) {
        return false;
    }
    fprintf(stderr, "SKIPPED: no test vectors at %s (set CAIRN_VECTORS)\n", archive);
    if (!seen) {
        seen = true;
        on_exit(vectors_end, NULL);
    }
    return true;
}

/* VECTORS_NEED: in one test of several (cmocka): the others run although there are no vectors. */
#define VECTORS_NEED(name)                                                                         \
    do {                                                                                           \
        if (vectors_absent(name)) {                                                                \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* vectors_require: a file of the folder, as it is (for what is not an archive); skips if absent. */
static inline void vectors_require(char out[VECTORS_PATH_MAX], const char *file)
{
    vectors_format(out, "%s/%s", vectors_root(), file);
    if (access(out, R_OK) != 0) {
        fprintf(stderr, "SKIPPED: no test vectors at %s (set CAIRN_VECTORS)\n", out);
        exit(VECTORS_EXIT_SKIPPED);
    }
}

static inline void vectors_close(struct vectors *vectors)
{
    char command[VECTORS_PATH_MAX];
    vectors_format(command, "rm -rf -- '%s'", vectors->dir);
    if (system(command) != 0) {
        vectors_fail("cannot remove", vectors->dir);
    }
}

/* vectors_open_part: unpacks only the members that `members` names (a list for tar, with spaces
 * between; NULL: all), for the large archives. */
static inline void vectors_open_part(struct vectors *vectors, const char *name, const char *members)
{
    char file[VECTORS_PATH_MAX];
    char archive[VECTORS_PATH_MAX];
    char command[VECTORS_PATH_MAX];
    vectors_format(file, "%s.tar.zst", name);
    vectors_require(archive, file);
    const char *tmp = getenv("TMPDIR");
    vectors_format(vectors->dir, "%s/cairn-vectors-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(vectors->dir) == NULL) {
        vectors_fail("cannot create", vectors->dir);
    }
    if (strchr(archive, '\'') != NULL || strchr(vectors->dir, '\'') != NULL) {
        vectors_fail("quote in the path", archive);
    }
    vectors_format(command, "zstd -qdc -- '%s' | tar -x -C '%s' %s", archive, vectors->dir,
                   members != NULL ? members : "");
    if (system(command) != 0) {
        vectors_close(vectors);
        vectors_fail("cannot unpack", archive);
    }
}

static inline void vectors_open(struct vectors *vectors, const char *name)
{
    vectors_open_part(vectors, name, NULL);
}

/* vectors_json: a JSON file of an unpacked archive; the caller releases it with json_decref(). */
static inline json_t *vectors_json(const struct vectors *vectors, const char *path)
{
    char full[VECTORS_PATH_MAX];
    json_error_t error;
    vectors_format(full, "%s/%s", vectors->dir, path);
    json_t *root = json_load_file(full, 0, &error);
    if (root == NULL) {
        vectors_fail(error.text, full);
    }
    return root;
}

/* vectors_text: a string field; the test ends if it is absent. */
static inline const char *vectors_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        vectors_fail("no such string", key);
    }
    return text;
}

/* vectors_hex: a field of hexadecimal digits; the caller frees data with mem_free(). */
static inline struct vectors_bytes vectors_hex(const json_t *object, const char *key)
{
    bytes text = bytes_str(vectors_text(object, key));
    struct vectors_bytes out = {(u8 *)mem_alloc(text.len / 2), text.len / 2};
    if (!hex_decode(out.data, out.len, text)) {
        vectors_fail("not hexadecimal", key);
    }
    return out;
}

static inline bytes vectors_view(const struct vectors_bytes *field)
{
    return bytes_make(field->data, field->len);
}

/* vectors_hex_fixed: as vectors_hex, of exactly len bytes, into the caller's memory. */
static inline void vectors_hex_fixed(u8 *out, size_t len, const json_t *object, const char *key)
{
    if (!hex_decode(out, len, bytes_str(vectors_text(object, key)))) {
        vectors_fail("not hexadecimal of the expected length", key);
    }
}

#endif
