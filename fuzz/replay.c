/* replay.c: runs a fuzz target over the files of a corpus folder, without libFuzzer.
 *
 * Linked into every NAME_fuzz.c outside the fuzz preset, so that each kept input is a unit test
 * under gcc, clang and the sanitizers. A missing folder counts as an empty one: the target still
 * runs on the empty input. Each input lies in a heap block of its own size, so that
 * AddressSanitizer sees a read one byte behind it.
 */
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>

#define INPUT_BYTES_MAX MIB(4)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void run_input(const u8 *data, size_t size)
{
    u8 *input = mem_alloc(size);
    if (size != 0) {
        memcpy(input, data, size);
    }
    LLVMFuzzerTestOneInput(input, size);
    mem_free(input);
}

static int run_file(const char *dir, const char *name, u8 *scratch)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    size_t len = fread(scratch, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    run_input(scratch, len);
    return 0;
}

int main(int argc, char **argv)
{
    u8 *scratch = mem_alloc(INPUT_BYTES_MAX);
    int count = 0;
    int failed = 0;
    run_input(scratch, 0);
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            failed |= run_file(argv[1], entry->d_name, scratch);
            count++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    printf("%d inputs replayed\n", count);
    mem_free(scratch);
    return failed;
}
