/* A slot of the log of decided blocks: its bytes come from a disk that may have lost power. */
#include "base/assert.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/node/kinds.h"
#include "ledger/node/wal.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void try_slot(bytes slot)
{
    struct arena arena;
    struct decided decided;
    arena_init(&arena, MIB(32));
    err e = wal_entry_decode(&arena, slot, &decided);
    if (is_ok(e)) {
        struct hash id;
        consensus_header_id(&id, &decided.header);
        assert_that(hash_eq(&id, &decided.certificate.block_id));
    } else {
        assert_that(is_err(e, ERR_NOT_FOUND) || is_err(e, ERR_INTEGRITY));
    }
    arena_free(&arena);
}

/* As given, and as the record of an entry whose digest is right. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct buf slot;
    struct hash digest;
    try_slot(bytes_make(data, len));
    if (len < 8 || len > DECIDED_BYTES_MAX) {
        return 0;
    }
    buf_init(&slot, WAL_SLOT_BYTES);
    write_head(&slot, KIND_DECIDED_ENTRY, 1);
    buf_put_be32(&slot, (u32)(len - 8));
    buf_put(&slot, bytes_make(data, 8)); /* height */
    struct bytes parts[] = {buf_bytes(&slot), {data + 8, len - 8}};
    sha256_parts(&digest, parts, COUNT_OF(parts));
    write_hash(&slot, &digest);
    buf_put(&slot, parts[1]);
    try_slot(buf_bytes(&slot));
    buf_free(&slot);
    return 0;
}
