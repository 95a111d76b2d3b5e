/* Headers, bodies, receipts, consensus records and decided blocks from disk and from other nodes:
 * what decodes encodes to the same bytes. */
#include "base/assert.h"
#include "ledger/block/consensus.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define ARENA_BYTES MIB(64)

static void expect(struct buf *again, bytes in)
{
    assert_that(is_ok(buf_done(again)));
    assert_that(bytes_eq(buf_bytes(again), in));
    buf_clear(again);
}

static void try_block(struct arena *arena, bytes in, struct buf *again)
{
    struct block_header header;
    struct block_txs txs;
    struct receipt *receipts;
    size_t count;
    if (is_ok(block_header_decode(in, &header))) {
        block_header_encode(again, &header);
        expect(again, in);
    }
    if (is_ok(block_body_decode(arena, in, &txs))) {
        block_body_encode(again, &txs);
        expect(again, in);
    }
    struct block_body body;
    bytes header_raw;
    if (is_ok(block_decode(arena, in, &header, &header_raw, &body))) {
        block_encode(again, &header, &body);
        expect(again, in);
    }
    if (is_ok(block_full_body_decode(arena, in, &body))) {
        block_full_body_encode(again, &body);
        expect(again, in);
    }
    if (is_ok(receipts_decode(arena, in, &receipts, &count))) {
        receipts_encode(again, receipts, count);
        expect(again, in);
    }
}

static void try_consensus(struct arena *arena, bytes in, struct buf *again)
{
    struct consensus_header header;
    struct certificate certificate;
    struct decided decided;
    if (is_ok(consensus_header_decode(in, &header))) {
        consensus_header_encode(again, &header);
        expect(again, in);
    }
    if (is_ok(certificate_decode(in, &certificate))) {
        certificate_encode(again, &certificate);
        expect(again, in);
    }
    if (is_ok(consensus_part_decode(in, &header, &certificate))) {
        consensus_part_encode(again, &header, &certificate);
        expect(again, in);
    }
    if (is_ok(decided_decode(arena, in, &decided))) {
        decided_encode(again, &decided);
        expect(again, in);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct arena arena;
    struct buf again;
    bytes in = bytes_make(data, size);
    arena_init(&arena, ARENA_BYTES);
    buf_init(&again, MIB(16));
    try_block(&arena, in, &again);
    try_consensus(&arena, in, &again);
    buf_free(&again);
    arena_free(&arena);
    return 0;
}
