#include "ledger/block/consensus.h"

#include "base/assert.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/block/kinds.h"

#define RECORD_VERSION 1
#define VOTE_DOMAIN "cairn vote v1"

void consensus_header_encode(struct buf *out, const struct consensus_header *header)
{
    write_head(out, KIND_CONSENSUS_HEADER, RECORD_VERSION);
    buf_put_be64(out, header->chain_id);
    buf_put_be64(out, header->height);
    buf_put_be64(out, header->time_ms);
    write_hash(out, &header->parent_id);
    write_hash(out, &header->parent_hash);
    write_hash(out, &header->txs_root);
    write_hash(out, &header->sidecar_root);
    write_hash(out, &header->seats_hash);
    write_hash(out, &header->next_seats_hash);
    write_hash(out, &header->params_hash);
    write_address(out, &header->proposer);
}

err consensus_header_decode(bytes in, struct consensus_header *ret_header)
{
    struct consensus_header header;
    struct reader reader;
    reader_init(&reader, in);
    read_head(&reader, KIND_CONSENSUS_HEADER, RECORD_VERSION);
    header.chain_id = read_be64(&reader);
    header.height = read_be64(&reader);
    header.time_ms = read_be64(&reader);
    header.parent_id = read_hash(&reader);
    header.parent_hash = read_hash(&reader);
    header.txs_root = read_hash(&reader);
    header.sidecar_root = read_hash(&reader);
    header.seats_hash = read_hash(&reader);
    header.next_seats_hash = read_hash(&reader);
    header.params_hash = read_hash(&reader);
    header.proposer = read_address(&reader);
    TRY(reader_done(&reader));
    *ret_header = header;
    return ok();
}

/* keccak256 of what fn writes. */
static void hash_record(struct hash *out, const struct buf *record)
{
    assert_that(is_ok(buf_done(record)));
    keccak256(out, buf_bytes(record));
}

void consensus_header_id(struct hash *out, const struct consensus_header *header)
{
    struct buf record;
    buf_init(&record, CONSENSUS_RECORD_BYTES_MAX);
    consensus_header_encode(&record, header);
    hash_record(out, &record);
    buf_free(&record);
}

void seats_hash(struct hash *out, const struct seats *seats)
{
    struct buf record;
    buf_init(&record, CONSENSUS_RECORD_BYTES_MAX);
    write_head(&record, KIND_SEATS, RECORD_VERSION);
    buf_put_u8(&record, (u8)seats->count);
    for (size_t i = 0; i < seats->count; i++) {
        write_address(&record, &seats->items[i]);
    }
    hash_record(out, &record);
    buf_free(&record);
}

size_t seats_quorum(const struct seats *seats) { return 2 * seats->count / 3 + 1; }

void vote_digest(struct hash *out, const struct vote *vote)
{
    struct buf record;
    buf_init(&record, CONSENSUS_RECORD_BYTES_MAX);
    buf_put_str(&record, VOTE_DOMAIN);
    buf_put_u8(&record, (u8)vote->kind);
    buf_put_be64(&record, vote->chain_id);
    buf_put_be64(&record, vote->height);
    buf_put_be32(&record, vote->round);
    write_hash(&record, &vote->block_id);
    buf_put_be32(&record, vote->valid_round);
    hash_record(out, &record);
    buf_free(&record);
}

void certificate_encode(struct buf *out, const struct certificate *certificate)
{
    write_head(out, KIND_CERTIFICATE, RECORD_VERSION);
    buf_put_be64(out, certificate->height);
    buf_put_be32(out, certificate->round);
    write_hash(out, &certificate->block_id);
    buf_put_u8(out, (u8)certificate->count);
    for (size_t i = 0; i < certificate->count; i++) {
        buf_put_u8(out, certificate->items[i].seat);
        buf_put(out, BYTES_OF(certificate->items[i].signature));
    }
}

err certificate_decode(bytes in, struct certificate *ret_certificate)
{
    struct certificate certificate = {0};
    struct reader reader;
    reader_init(&reader, in);
    read_head(&reader, KIND_CERTIFICATE, RECORD_VERSION);
    certificate.height = read_be64(&reader);
    certificate.round = read_be32(&reader);
    certificate.block_id = read_hash(&reader);
    certificate.count = read_u8(&reader);
    if (certificate.count > SEATS_MAX) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 0; i < certificate.count; i++) {
        certificate.items[i].seat = read_u8(&reader);
        read_fixed(&reader, certificate.items[i].signature.b,
                   sizeof certificate.items[i].signature.b);
        bool ascending = i == 0 || certificate.items[i].seat > certificate.items[i - 1].seat;
        if (certificate.items[i].seat >= SEATS_MAX || !ascending) {
            return fail(ERR_MALFORMED);
        }
    }
    TRY(reader_done(&reader));
    *ret_certificate = certificate;
    return ok();
}

bool certificate_valid(const struct certificate *certificate, u64 chain_id,
                       const struct seats *seats)
{
    struct hash digest;
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = chain_id,
                        .height = certificate->height,
                        .round = certificate->round,
                        .block_id = certificate->block_id,
                        .valid_round = VOTE_NO_ROUND};
    if (seats->count == 0 || certificate->count < seats_quorum(seats) ||
        hash_is_zero(&certificate->block_id)) {
        return false;
    }
    vote_digest(&digest, &vote);
    for (size_t i = 0; i < certificate->count; i++) {
        struct address signer;
        size_t seat = certificate->items[i].seat;
        bool later = i == 0 || seat > certificate->items[i - 1].seat;
        if (!later || seat >= seats->count ||
            !secp_recover_address(&signer, &certificate->items[i].signature, &digest) ||
            !address_eq(&signer, &seats->items[seat])) {
            return false;
        }
    }
    return true;
}

/* Header and certificate, each with its length. */
static void put_part(struct buf *out, const struct consensus_header *header,
                     const struct certificate *certificate)
{
    struct buf record;
    buf_init(&record, CONSENSUS_RECORD_BYTES_MAX);
    consensus_header_encode(&record, header);
    write_str16(out, buf_bytes(&record));
    buf_clear(&record);
    certificate_encode(&record, certificate);
    write_str16(out, buf_bytes(&record));
    assert_that(is_ok(buf_done(&record)));
    buf_free(&record);
}

static err read_part(struct reader *reader, struct consensus_header *header,
                     struct certificate *certificate)
{
    bytes first = read_str16(reader, CONSENSUS_RECORD_BYTES_MAX);
    bytes second = read_str16(reader, CONSENSUS_RECORD_BYTES_MAX);
    TRY(consensus_header_decode(first, header));
    return certificate_decode(second, certificate);
}

void consensus_part_encode(struct buf *out, const struct consensus_header *header,
                           const struct certificate *certificate)
{
    write_head(out, KIND_CONSENSUS_PART, RECORD_VERSION);
    put_part(out, header, certificate);
}

err consensus_part_decode(bytes in, struct consensus_header *ret_header,
                          struct certificate *ret_certificate)
{
    struct consensus_header header;
    struct certificate certificate;
    struct reader reader;
    reader_init(&reader, in);
    read_head(&reader, KIND_CONSENSUS_PART, RECORD_VERSION);
    TRY(read_part(&reader, &header, &certificate));
    TRY(reader_done(&reader));
    *ret_header = header;
    *ret_certificate = certificate;
    return ok();
}

void decided_encode(struct buf *out, const struct decided *decided)
{
    struct buf body;
    buf_init(&body, BLOCK_BODY_BYTES_MAX);
    block_body_encode(&body, &decided->txs);
    assert_that(is_ok(buf_done(&body)));
    write_head(out, KIND_DECIDED, RECORD_VERSION);
    put_part(out, &decided->header, &decided->certificate);
    write_str32(out, buf_bytes(&body));
    buf_free(&body);
}

err decided_decode(struct arena *arena, bytes in, struct decided *ret_decided)
{
    struct decided decided;
    struct reader reader;
    reader_init(&reader, in);
    read_head(&reader, KIND_DECIDED, RECORD_VERSION);
    TRY(read_part(&reader, &decided.header, &decided.certificate));
    bytes body = read_str32(&reader, BLOCK_BODY_BYTES_MAX);
    TRY(reader_done(&reader));
    TRY(block_body_decode(arena, body, &decided.txs));
    *ret_decided = decided;
    return ok();
}

err decided_consistent(const struct decided *decided, bool *ret_consistent)
{
    struct hash id;
    struct hash root;
    consensus_header_id(&id, &decided->header);
    TRY(block_txs_root(&decided->txs, &root));
    *ret_consistent = hash_eq(&id, &decided->certificate.block_id) &&
                      decided->header.height == decided->certificate.height &&
                      hash_eq(&root, &decided->header.txs_root);
    return ok();
}
