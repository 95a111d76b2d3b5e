/* kinds.h: record kinds of the gateway (codec/record.h): 0x06xx. */
#ifndef GATEWAY_JOURNAL_KINDS_H
#define GATEWAY_JOURNAL_KINDS_H

enum gateway_kind {
    KIND_JOURNAL = 0x0601,
    KIND_SNAPSHOT_BODY = 0x0602,
    KIND_INDEX_BUCKET = 0x0603,
    KIND_INDEX_PENDING = 0x0604,
    KIND_USER = 0x0605,
    KIND_UNSETTLED = 0x0606,
    KIND_INDEX_OBJECT = 0x0607,
};

#endif
