/* bucket_layout.h: buckets, gateways, authorisations.
 *
 * A bucket is O(1) state: owner, territory, encrypted name, label key, policy, and one head (hash
 * and locator of the newest journal record). The head moves only by compare-and-set inside
 * segment.commit(). When it moves, the old head is kept among 16 former ones if the last kept one
 * is at least a twelfth of the release delay old; so the ring always reaches back further than the
 * delay, and the owner can undo what a hostile gateway did. A removed bucket keeps its record for
 * the same reason: undo() brings it back.
 *
 * bucket id = keccak256(owner ‖ salt). Gateways are numbered from 1 and never reused.
 *
 * An authorisation lets a gateway act for an owner, in one territory or (territory 0) in all of
 * them: scopes, byte quota, expiry (block time), and up to 256 bytes that only the gateway can open
 * (label or territory keys sealed to its X25519 key). The lists owner → buckets, owner →
 * authorisations and gateway → authorisations are append-only, so everything is found from the
 * chain alone.
 */
#ifndef LEDGER_MODULES_BUCKET_LAYOUT_H
#define LEDGER_MODULES_BUCKET_LAYOUT_H

#include "crypto/sign.h"
#include "data/segment.h"
#include "ledger/modules/layout.h"

#define BUCKET_NAME_BYTES_MAX 512
#define BUCKET_FORMER_HEADS 16
#define GATEWAY_ENDPOINT_BYTES_MAX 256
#define SEALED_KEY_BYTES_MAX 256
#define LOCATOR_BYTES 20

enum bucket_policy {
    BUCKET_STRONG = 1,        /* consistency=strong: answer when the head move is final */
    BUCKET_FINALITY_CHAIN = 2 /* finality=chain: the same for every write */
};

struct bucket_head {
    struct hash hash; /* zero: empty */
    struct locator locator;
};

struct bucket_record {
    struct address owner;
    u64 territory;
    u8 policy; /* bits of enum bucket_policy */
    bool removed;
    struct bucket_head head;
    u64 moves;         /* head moves so far */
    u64 created;       /* chain time */
    u32 label_version; /* from 1 */
    struct secp_public label_key;
    u64 former_kept; /* chain time of the newest former head; 0: none */
    u8 former_next;  /* where the next one goes */
    u8 former_count;
};

struct bucket_former {
    struct bucket_head head;
    u64 replaced; /* chain time */
};

void bucket_id(struct hash *ret_id, const struct address *owner, const struct hash *salt);
err bucket_load(const struct slot_source *source, const struct hash *bucket,
                struct bucket_record *ret_record, bool *ret_found);
/* bucket_name: the encrypted name; out has BUCKET_NAME_BYTES_MAX bytes. */
err bucket_name(const struct slot_source *source, const struct hash *bucket, u8 *out,
                size_t *ret_len);
/* bucket_former: age 0 is the newest; found if age < former_count. */
err bucket_former(const struct slot_source *source, const struct hash *bucket,
                  const struct bucket_record *record, u8 age, struct bucket_former *ret_former,
                  bool *ret_found);
/* Append-only list of the buckets ever created for an owner, removed ones included. */
err bucket_owned_count(const struct slot_source *source, const struct address *owner,
                       u32 *ret_count);
err bucket_owned(const struct slot_source *source, const struct address *owner, u32 i,
                 struct hash *ret_bucket);

struct gateway_record {
    struct address account;
    bool active;
    u64 registered; /* chain time */
    struct x_public box_key;
};

err gateway_load(const struct slot_source *source, u32 gateway, struct gateway_record *ret_record,
                 bool *ret_found);
/* gateway_endpoint: out has GATEWAY_ENDPOINT_BYTES_MAX bytes, no final zero. */
err gateway_endpoint(const struct slot_source *source, u32 gateway, u8 *out, size_t *ret_len);
/* gateway_of: index of an account, 0 if it is none. gateway_count: highest index. */
err gateway_of(const struct slot_source *source, const struct address *account, u32 *ret_gateway);
err gateway_count(const struct slot_source *source, u32 *ret_count);

enum authorisation_scope {
    SCOPE_READ = 1,
    SCOPE_WRITE = 2,   /* commit segments, move heads */
    SCOPE_CREATE = 4,  /* create buckets */
    SCOPE_RELEASE = 8, /* release segments */
    SCOPE_REPAIR = 16,
    SCOPE_POLICY = 32, /* set bucket policies */
    SCOPE_REMOVE = 64, /* remove buckets whose head is zero */
    SCOPE_ALL = 127
};

struct authorisation_key {
    struct address owner;
    u64 territory; /* 0: all of the owner's */
    u32 gateway;
};

struct authorisation {
    u32 scope; /* 0: revoked */
    u64 quota; /* bytes it may have stored */
    u64 used;
    u64 expires;      /* block time */
    u64 since_height; /* of the block that gave it (or gave it again after a revocation) */
    u32 since_epoch;
};

err authorisation_load(const struct slot_source *source, const struct authorisation_key *key,
                       struct authorisation *ret_record, bool *ret_found);
/* authorisation_sealed_key: out has SEALED_KEY_BYTES_MAX bytes. */
err authorisation_sealed_key(const struct slot_source *source, const struct authorisation_key *key,
                             u8 *out, size_t *ret_len);
/* authorisation_find: the one that lets `gateway` do `scope` at block_time in a territory: that of
 * the territory if it allows it, else the owner's. found false: none. *ret_key says which. */
err authorisation_find(const struct slot_source *source, const struct address *owner, u64 territory,
                       u32 gateway, u32 scope, u64 block_time, struct authorisation_key *ret_key,
                       struct authorisation *ret_record, bool *ret_found);
/* Who was ever authorised by an owner, and who ever authorised a gateway, in order, each pair once.
 */
err authorisation_owner_count(const struct slot_source *source, const struct address *owner,
                              u32 *ret_count);
err authorisation_owner_at(const struct slot_source *source, const struct address *owner, u32 i,
                           struct authorisation_key *ret_key);
err authorisation_gateway_count(const struct slot_source *source, u32 gateway, u32 *ret_count);
err authorisation_gateway_at(const struct slot_source *source, u32 gateway, u32 i,
                             struct authorisation_key *ret_key);

/* Slot 0: gateway count u32. Maps:
 * 1 bucket → {owner, territory u64, policy u8, removed u8, former_next u8, former_count u8},
 *            head hash, {locator 20 bytes, former_kept u64, label_version u32},
 *            {moves u64, created u64}, label key bytes 0..31, label key byte 32
 * 2 bucket → name blob; 3 bucket → 16 × {hash, {locator, replaced u64}}
 * 4 owner → bucket count u32; 5 owner ‖ i u32 → bucket
 * 6 gateway u32 → {account, active u8, 3 spare, registered u64}, X25519 key
 * 7 gateway → endpoint blob; 8 account → gateway u32
 * 9 owner ‖ territory u64 ‖ gateway u32 → {scope u32, since_epoch u32, since_height u64, expires
 * u64, known u8}, {quota u64, used u64}; 10 the same key → sealed key blob 11 owner → count u32; 12
 * owner ‖ i → {territory u64, gateway u32} 13 gateway → count u32; 14 gateway ‖ i → {owner,
 * territory u64} */
#define BUCKET_SLOT_GATEWAYS 0
#define BUCKET_MAP_RECORDS 1
#define BUCKET_MAP_NAMES 2
#define BUCKET_MAP_FORMERS 3
#define BUCKET_MAP_OWNERS 4
#define BUCKET_MAP_OWNED 5
#define BUCKET_MAP_GATEWAYS 6
#define BUCKET_MAP_ENDPOINTS 7
#define BUCKET_MAP_ACCOUNTS 8
#define BUCKET_MAP_AUTHORISATIONS 9
#define BUCKET_MAP_SEALED 10
#define BUCKET_MAP_GIVEN_COUNT 11
#define BUCKET_MAP_GIVEN 12
#define BUCKET_MAP_GOT_COUNT 13
#define BUCKET_MAP_GOT 14
#define BUCKET_WORDS 6
#define GATEWAY_WORDS 2
#define AUTHORISATION_WORDS 2

#define BUCKET_CREATE                                                                              \
    "create(address owner, bytes32 salt, uint64 territory, bytes name, bytes labelKey, "           \
    "uint8 policy) returns (bytes32 bucket)"
#define BUCKET_REMOVE "remove(bytes32 bucket)"
#define BUCKET_SET_POLICY "setPolicy(bytes32 bucket, uint8 policy)"
#define BUCKET_SET_LABEL "setLabel(bytes32 bucket, bytes labelKey)"
#define BUCKET_UNDO "undo(bytes32 bucket, bytes32 head)"
#define BUCKET_GET                                                                                 \
    "get(bytes32 bucket) returns (address owner, uint64 territory, uint8 policy, bool removed, "   \
    "bytes32 head, bytes20 locator, uint64 moves, uint64 created, uint32 labelVersion, "           \
    "bytes labelKey, bytes name)"
#define BUCKET_FORMER                                                                              \
    "former(bytes32 bucket, uint8 age) returns (bytes32 head, bytes20 locator, uint64 replaced)"
#define BUCKET_OWNED "owned(address owner) returns (uint32 number)"
#define BUCKET_OWNED_AT "ownedAt(address owner, uint32 position) returns (bytes32 bucket)"
#define BUCKET_REGISTER_GATEWAY                                                                    \
    "registerGateway(string endpoint, bytes32 boxKey) returns (uint32 gateway)"
#define BUCKET_UPDATE_GATEWAY "updateGateway(string endpoint, bytes32 boxKey)"
#define BUCKET_RETIRE_GATEWAY "retireGateway()"
#define BUCKET_GATEWAY                                                                             \
    "gateway(uint32 number) returns (address account, bool active, uint64 registered, "            \
    "bytes32 boxKey, string endpoint)"
#define BUCKET_GATEWAY_OF "gatewayOf(address account) returns (uint32 gateway)"
#define BUCKET_GATEWAY_COUNT "gatewayCount() returns (uint32 number)"
#define BUCKET_AUTHORISE                                                                           \
    "authorise(uint64 territory, uint32 gateway, uint32 scope, uint64 quota, uint64 expires, "     \
    "bytes sealedKey)"
#define BUCKET_REVOKE "revoke(uint64 territory, uint32 gateway)"
#define BUCKET_AUTHORISATION                                                                       \
    "authorisation(address owner, uint64 territory, uint32 gateway) returns (uint32 scope, "       \
    "uint64 quota, uint64 used, uint64 expires, uint64 sinceHeight, bytes sealedKey)"
#define BUCKET_EV_CREATED                                                                          \
    "BucketCreated(bytes32 indexed bucket, address indexed owner, uint64 indexed territory)"
#define BUCKET_EV_REMOVED "BucketRemoved(bytes32 indexed bucket)"
#define BUCKET_EV_POLICY "PolicyChanged(bytes32 indexed bucket, uint8 policy)"
#define BUCKET_EV_LABEL "LabelChanged(bytes32 indexed bucket, uint32 version)"
#define BUCKET_EV_UNDONE "HeadUndone(bytes32 indexed bucket, bytes32 former, bytes32 head)"
#define BUCKET_EV_GATEWAY                                                                          \
    "GatewayChanged(uint32 indexed gateway, address indexed account, bool active)"
#define BUCKET_EV_AUTHORISED                                                                       \
    "Authorised(address indexed owner, uint64 indexed territory, uint32 indexed gateway, "         \
    "uint32 scope, uint64 quota, uint64 expires)"
#define BUCKET_EV_REVOKED                                                                          \
    "Revoked(address indexed owner, uint64 indexed territory, uint32 indexed gateway)"

#endif
