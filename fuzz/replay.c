/* replay.c: runs a fuzz target over the files of a corpus folder, without libFuzzer.
 *
 * Linked into every NAME_fuzz.c outside the fuzz preset, so that each kept input is a unit test
 * under gcc, clang and the sanitizers. A missing folder counts as an empty one: the target still
 * runs on the empty input.
 */
#include "base/int.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX MIB(4)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int run_file(const char *dir, const char *name, u8 *input)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    size_t len = fread(input, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(input, len);
    return 0;
}

int main(int argc, char **argv)
{
    u8 *input = malloc(INPUT_BYTES_MAX);
    if (input == NULL) {
        return 1;
    }
    int failed = 0;
    int count = 0;
    LLVMFuzzerTestOneInput(input, 0);
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            failed |= run_file(argv[1], entry->d_name, input);
            count++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    printf("%d inputs replayed\n", count);
    free(input);
    return failed;
}
