/* kinds.h: record kinds of this module: 0x04xx. docs/formats/README.md has all. */
#ifndef TRANSFER_KINDS_H
#define TRANSFER_KINDS_H

enum transfer_kind {
    KIND_SEAL = 0x0401,
    KIND_RECEIPT = 0x0402,
};

#endif
