/* kinds.h: record kinds of this module (codec/record.h): 0x01xx. docs/formats/README.md has all. */
#ifndef DATA_KINDS_H
#define DATA_KINDS_H

enum data_kind {
    KIND_CAPABILITY = 0x0101,
    KIND_MANIFEST = 0x0102,
    KIND_ENVELOPE = 0x0103,
};

#endif
