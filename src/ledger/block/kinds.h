/* kinds.h: record kinds of the ledger (codec/record.h): 0x02xx. docs/formats/README.md has all. */
#ifndef LEDGER_BLOCK_KINDS_H
#define LEDGER_BLOCK_KINDS_H

enum ledger_kind {
    /* 0x0201: head of the store, 0x0202: part of a snapshot, in ledger/state. */
    KIND_SNAPSHOT_BLOCK = 0x0203,
    KIND_CONSENSUS_HEADER = 0x0210,
    KIND_CERTIFICATE = 0x0211,
    KIND_DECIDED = 0x0212,
    KIND_CONSENSUS_PART = 0x0213,
    KIND_SEATS = 0x0214,
    KIND_BLOCK_PARAMS = 0x0215,
    KIND_VOTE_EXTENSION = 0x0216,
};

#endif
