/* replay.c: runs a fuzz target over the files of a corpus folder, without libFuzzer.
 *
 * Linked into every NAME_fuzz.c outside the fuzz preset, so that each kept input is a unit test
 * under gcc, clang and the sanitizers. A missing folder counts as an empty one: the target still
 * runs on the empty input. Each input lies in a heap block of its own size, so that
 * AddressSanitizer sees a read one byte behind it.
 */
#include "base/int.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX MIB(4)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int run_input(const u8 *data, size_t size)
{
    u8 *input = calloc(1, size);
    if (input == NULL && size != 0) {
        return 1;
    }
    if (size != 0) {
        memcpy(input, data, size);
    }
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 0;
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
    return run_input(scratch, len);
}

int main(int argc, char **argv)
{
    u8 *scratch = calloc(1, INPUT_BYTES_MAX);
    if (scratch == NULL) {
        return 1;
    }
    int count = 0;
    int failed = run_input(scratch, 0);
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
    free(scratch);
    return failed;
}
