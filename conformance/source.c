#include "conformance/source.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>

#define NAMES_BYTES_MAX MIB(256)
#define ARCHIVE_BLOCK_BYTES KIB(256)

struct name {
    struct name *next;
    const char *path;
    bool is_folder;
};

struct source {
    const struct suite *suite;
    bool takes_all; /* one file was named: whatever folder it is in */
    struct archive *archive;
    bool is_at_end; /* of the archive */
    struct arena names;
    struct name *todo; /* files and folders, next one first */
};

void document_free(struct document *document)
{
    mem_free((void *)document->path);
    mem_free((void *)document->text.data);
    *document = (struct document){0};
}

/* Whether a folder of the path has this very name. */
static bool is_in_folder(const char *path, const char *name)
{
    size_t len = strlen(name);
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, name, len) == 0 && part[len] == '/') {
            return true;
        }
    }
    return false;
}

static bool wants(const struct source *source, const char *path)
{
    const struct suite *suite = source->suite;
    if (source->takes_all) {
        return true;
    }
    if (!bytes_ends_with(bytes_str(path), bytes_str(suite->ending)) ||
        bytes_find(bytes_str(path), bytes_str("/.meta/")) != SIZE_MAX) {
        return false;
    }
    return suite->folder == NULL || is_in_folder(path, suite->folder);
}

/* --- archives --- */

static err archive_fault(struct source *source, const char *path)
{
    log_error("conformance", "%s: %s", path, archive_error_string(source->archive));
    return fail(ERR_MALFORMED);
}

static err archive_start(struct source *source, const char *path)
{
    source->archive = archive_read_new();
    archive_read_support_filter_all(source->archive);
    archive_read_support_format_tar(source->archive);
    archive_read_support_format_zip(source->archive);
    if (archive_read_open_filename(source->archive, path, ARCHIVE_BLOCK_BYTES) != ARCHIVE_OK) {
        return archive_fault(source, path);
    }
    return ok();
}

static err archive_content(struct source *source, struct archive_entry *entry, bytes *ret_text)
{
    const char *path = archive_entry_pathname(entry);
    la_int64_t size = archive_entry_size(entry);
    if (size < 0 || size > (la_int64_t)DOCUMENT_BYTES_MAX) {
        log_error("conformance", "%s: larger than %zu bytes", path, (size_t)DOCUMENT_BYTES_MAX);
        return fail(ERR_LIMIT);
    }
    u8 *data = mem_alloc((size_t)size + 1);
    if (archive_read_data(source->archive, data, (size_t)size) != size) {
        mem_free(data);
        return archive_fault(source, path);
    }
    *ret_text = bytes_make(data, (size_t)size);
    return ok();
}

static err archive_next(struct source *source, struct document *ret_document)
{
    struct archive_entry *entry;
    while (!source->is_at_end) {
        int status = archive_read_next_header(source->archive, &entry);
        if (status == ARCHIVE_EOF) {
            source->is_at_end = true;
            return ok();
        }
        if (status != ARCHIVE_OK) {
            return archive_fault(source, "archive");
        }
        const char *path = archive_entry_pathname(entry);
        if (path != NULL && archive_entry_filetype(entry) == AE_IFREG && wants(source, path)) {
            TRY(archive_content(source, entry, &ret_document->text));
            ret_document->path = mem_strdup(path);
            return ok();
        }
    }
    return ok();
}

/* --- files and folders --- */

static err push_name(struct source *source, struct name **list, const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        log_error("conformance", "%s: %s", path, strerror(errno));
        return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO);
    }
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
        return ok();
    }
    struct name *name = ARENA_NEW(&source->names, struct name);
    const char *copy = arena_str(&source->names, bytes_str(path));
    if (name == NULL || copy == NULL) {
        return fail(ERR_LIMIT);
    }
    *name = (struct name){.next = *list, .path = copy, .is_folder = S_ISDIR(info.st_mode)};
    *list = name;
    return ok();
}

struct folder {
    struct source *source;
    const char *path;
    struct name *names; /* last one first */
};

static err folder_entry(void *ctx, const char *name)
{
    struct folder *folder = ctx;
    char path[PATH_BYTES_MAX];
    path_join(path, folder->path, name);
    return push_name(folder->source, &folder->names, path);
}

/* Puts what a folder holds in front of what is to be done. */
static err open_folder(struct source *source, const char *path)
{
    struct folder folder = {.source = source, .path = path};
    TRY(dir_each(path, folder_entry, &folder));
    while (folder.names != NULL) {
        struct name *name = folder.names;
        folder.names = name->next;
        name->next = source->todo;
        source->todo = name;
    }
    return ok();
}

static err load_file(const char *path, struct document *ret_document)
{
    struct arena arena;
    bytes text;
    arena_init(&arena, DOCUMENT_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        u8 *data = mem_alloc(text.len + 1);
        memcpy(data, text.data, text.len);
        *ret_document =
            (struct document){.path = mem_strdup(path), .text = bytes_make(data, text.len)};
    } else {
        log_error("conformance", "%s: %s", path, err_text(e));
    }
    arena_free(&arena);
    return e;
}

static err file_next(struct source *source, struct document *ret_document)
{
    while (source->todo != NULL) {
        struct name *name = source->todo;
        source->todo = name->next;
        if (name->is_folder) {
            TRY(open_folder(source, name->path));
        } else if (wants(source, name->path)) {
            return load_file(name->path, ret_document);
        }
    }
    return ok();
}

/* --- both --- */

static bool is_archive(const char *path)
{
    static const char *const endings[] = {".tar", ".zst", ".tgz", ".tar.gz", ".tar.xz", ".zip"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (bytes_ends_with(bytes_str(path), bytes_str(endings[i]))) {
            return true;
        }
    }
    return false;
}

static err start(struct source *source, const char *path)
{
    TRY(push_name(source, &source->todo, path));
    if (source->todo == NULL) {
        log_error("conformance", "%s: neither a file nor a folder", path);
        return fail(ERR_USAGE);
    }
    if (source->todo->is_folder) {
        return ok();
    }
    if (is_archive(path)) {
        return archive_start(source, path);
    }
    source->takes_all = true;
    return ok();
}

err source_open(const char *path, const struct suite *suite, struct source **ret_source)
{
    struct source *source = MEM_NEW(struct source);
    source->suite = suite;
    arena_init(&source->names, NAMES_BYTES_MAX);
    err e = start(source, path);
    if (!is_ok(e)) {
        source_close(source);
        return e;
    }
    *ret_source = source;
    return ok();
}

void source_close(struct source *source)
{
    if (source->archive != NULL) {
        archive_read_free(source->archive);
    }
    arena_free(&source->names);
    mem_free(source);
}

err source_next(struct source *source, struct document *ret_document)
{
    *ret_document = (struct document){0};
    return source->archive != NULL ? archive_next(source, ret_document)
                                   : file_next(source, ret_document);
}
