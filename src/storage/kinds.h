/* kinds.h: record kinds of this module: 0x03xx. docs/formats/README.md has all. */
#ifndef STORAGE_KINDS_H
#define STORAGE_KINDS_H

enum storage_kind {
    KIND_STORE_FRAGMENT = 0x0301,
    KIND_STORE_TOTALS = 0x0302,
    KIND_STORE_DISKS = 0x0303,
    KIND_STORE_IDENTITY = 0x0304,
    KIND_STORE_WALK = 0x0305,
    KIND_STORE_COPY = 0x0306,
    KIND_STORE_INVENTORY = 0x0307,
};

#endif
