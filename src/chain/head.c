/* head.c: following the newest certified head. */
#include "chain/internal.h"

#include "base/log.h"
#include "os/file.h"

#define GENESIS_BYTES_MAX MIB(16)
#define HEAD_RETRY_MS 500

err chain_read_genesis(struct chain *chain, const char *path)
{
    struct arena arena;
    json_t *root = NULL;
    bytes text;
    arena_init(&arena, GENESIS_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, GENESIS_BYTES_MAX, &root);
    }
    arena_free(&arena);
    if (!is_ok(e)) {
        log_error("chain", "cannot read the genesis %s: %s", path, err_text(e));
        return e;
    }
    const json_t *id = json_object_get(root, "chain_id");
    const json_t *seats = json_object_get(root, "seats");
    size_t count = json_array_size(seats);
    bool fine = json_is_integer(id) && json_integer_value(id) > 0 && count > 0 && count <= SEATS_MAX;
    chain->chain_id = (u64)json_integer_value(id);
    for (size_t i = 0; fine && i < count; i++) {
        fine = json_read_fixed(json_array_get(seats, i), chain->seats.items[i].b, 20);
    }
    chain->seats.count = fine ? count : 0;
    json_decref(root);
    if (!fine) {
        log_error("chain", "the genesis %s names no chain id or no seats", path);
        return fail(ERR_USAGE);
    }
    return ok();
}

static err check_head(struct chain *chain, const json_t *answer, struct arena *arena,
                      struct chain_head *ret_head)
{
    bytes header_bytes;
    bytes part;
    if (!json_read_data(json_object_get(answer, "header"), arena, &header_bytes) ||
        !json_read_data(json_object_get(answer, "consensus"), arena, &part)) {
        return fail(ERR_MALFORMED);
    }
    struct block_header header;
    struct consensus_header consensus;
    struct certificate certificate;
    struct hash hash;
    struct hash id;
    TRY(block_header_decode(header_bytes, &header));
    TRY(consensus_part_decode(part, &consensus, &certificate));
    block_header_hash(&hash, &header);
    consensus_header_id(&id, &consensus);
    bool certified = consensus.chain_id == chain->chain_id &&
                     consensus.height == header.number + 1 &&
                     hash_eq(&consensus.parent_hash, &hash) && hash_eq(&certificate.block_id, &id) &&
                     certificate.height == consensus.height &&
                     certificate_valid(&certificate, chain->chain_id, &chain->seats);
    if (!certified) {
        return fail(ERR_INTEGRITY);
    }
    *ret_head = (struct chain_head){
        .height = header.number,
        .time = header.time,
        .hash = hash,
        .state_root = header.state_root,
    };
    return u256_to_u64(&ret_head->base_fee, header.base_fee) ? ok() : fail(ERR_MALFORMED);
}

err chain_fetch_head(struct chain *chain, u64 after, u64 wait_ms)
{
    json_t *answer;
    json_t *params = json_pack("[o, o]", json_quantity(after), json_quantity(wait_ms));
    TRY(rpc_call(&chain->rpc, "cairn_head", params,
                 chain_deadline(chain, wait_ms + CHAIN_HEAD_WAIT_MS), NULL, &answer));
    err e = ok();
    if (!json_is_null(answer)) {
        struct chain_head head;
        struct arena arena;
        arena_init(&arena, MIB(1));
        e = check_head(chain, answer, &arena, &head);
        arena_free(&arena);
        if (is_ok(e) && (head.height > chain->head.height || chain->head.time == 0)) {
            chain->head = head;
            event_wake_all(&chain->advanced);
        } else if (!is_ok(e)) {
            log_warn("chain", "a ledger node served a head that does not check");
            chain->rpc.preferred = (chain->rpc.preferred + 1) % chain->rpc.url_count;
        }
    }
    json_decref(answer);
    if (is_ok(e)) {
        chain->last_poll_ms = loop_now_ms(chain->loop);
    }
    return e;
}

void chain_follow(void *arg)
{
    struct chain *chain = arg;
    while (!chain->closing && !loop_stopping(chain->loop)) {
        err e = chain_fetch_head(chain, chain->head.height, CHAIN_HEAD_WAIT_MS);
        if (!is_ok(e) && !is_ok(fiber_sleep(chain->loop, chain_deadline(chain, HEAD_RETRY_MS)))) {
            break;
        }
    }
    chain->fibers--;
    event_wake_all(&chain->idle);
}
