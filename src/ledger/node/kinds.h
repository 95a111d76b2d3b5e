/* kinds.h: record kinds of the ledger node (codec/record.h): 0x022x of the ledger's 0x02xx. */
#ifndef LEDGER_NODE_KINDS_H
#define LEDGER_NODE_KINDS_H

enum node_kind {
    KIND_DECIDED_ENTRY = 0x0220,
};

#endif
