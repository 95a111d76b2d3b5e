/* Reading never leaves the input; what one layout accepts, it writes back byte for byte. */
#include "codec/record.h"

#include "base/assert.h"

#define KIND 1
#define VERSION 1
#define FIELDS_MAX 64

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* copy_field: one field from reader to out, its kind taken from `choice`. */
static void copy_field(struct reader *reader, struct buf *out, u8 choice)
{
    switch (choice % 9) {
    case 0:
        buf_put_u8(out, read_u8(reader));
        break;
    case 1:
        buf_put_be16(out, read_be16(reader));
        break;
    case 2:
        buf_put_be32(out, read_be32(reader));
        break;
    case 3:
        buf_put_be64(out, read_be64(reader));
        break;
    case 4: {
        struct hash hash = read_hash(reader);
        write_hash(out, &hash);
        break;
    }
    case 5: {
        struct address address = read_address(reader);
        write_address(out, &address);
        break;
    }
    case 6:
        write_str16(out, read_str16(reader, 1000));
        break;
    case 7:
        write_str32(out, read_str32(reader, SIZE_MAX));
        break;
    default:
        buf_put(out, read_bytes(reader, choice));
        break;
    }
}

/* The first byte says how many of the next bytes choose fields; the record follows. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0 || data[0] > FIELDS_MAX || size < 1 + (size_t)data[0]) {
        return 0;
    }
    size_t fields = data[0];
    bytes record = bytes_make(data + 1 + fields, size - 1 - fields);
    struct reader reader;
    struct buf out;
    reader_init(&reader, record);
    buf_init(&out, MIB(8));
    read_head(&reader, KIND, VERSION);
    write_head(&out, KIND, VERSION);
    for (size_t i = 0; i < fields; i++) {
        copy_field(&reader, &out, data[1 + i]);
        assert_that(reader.at >= record.data && reader.at + reader.left == data + size);
    }
    if (is_ok(reader_done(&reader))) {
        assert_that(bytes_eq(buf_bytes(&out), record));
    }
    buf_free(&out);
    return 0;
}
