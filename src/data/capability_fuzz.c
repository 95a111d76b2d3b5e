/* capability_fuzz: header values and packed records; what is accepted is written back the same. */
#include "base/assert.h"
#include "data/capability.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct capability capability;
    bytes in = bytes_make(data, size);
    if (capability_parse(&capability, in) == CAPABILITY_OK) {
        char text[CAPABILITY_HEADER_BYTES + 1];
        capability_header(text, &capability);
        assert_that(bytes_eq(bytes_make(text + 6, CAPABILITY_HEADER_BYTES - 6),
                             bytes_slice(in, 6, in.len - 6)));
    }
    if (capability_decode(&capability, in) == CAPABILITY_OK) {
        u8 packed[CAPABILITY_BYTES];
        capability_encode(packed, &capability);
        assert_that(bytes_eq(BYTES_OF(packed), in));
    }
    return 0;
}
