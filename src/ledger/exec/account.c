#include "ledger/exec/account.h"

#include "codec/rlp.h"

struct hash account_empty_code_hash(void)
{
    return (struct hash){{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
                          0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
                          0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};
}

struct hash account_empty_root(void)
{
    return (struct hash){{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45,
                          0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c,
                          0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};
}

struct account account_none(void)
{
    return (struct account){.code_hash = account_empty_code_hash()};
}

bool account_has_code(const struct account *account)
{
    struct hash none = account_empty_code_hash();
    return !hash_eq(&account->code_hash, &none);
}

bool account_is_empty(const struct account *account)
{
    return account->nonce == 0 && u256_is_zero(account->balance) && !account_has_code(account);
}

bool account_eq(const struct account *a, const struct account *b)
{
    return a->exists == b->exists && a->nonce == b->nonce && u256_eq(a->balance, b->balance) &&
           hash_eq(&a->code_hash, &b->code_hash);
}

bool code_delegation(bytes code, struct address *ret_target)
{
    static const u8 marker[3] = {0xef, 0x01, 0x00};
    if (code.len != sizeof marker + sizeof ret_target->b ||
        memcmp(code.data, marker, sizeof marker) != 0) {
        return false;
    }
    memcpy(ret_target->b, code.data + sizeof marker, sizeof ret_target->b);
    return true;
}

void account_encode(struct buf *out, const struct account *account, const struct hash *storage_root)
{
    u8 balance[32];
    u256_to_be(balance, account->balance);
    size_t list = rlp_list_begin(out);
    rlp_put_u64(out, account->nonce);
    rlp_put_uint256(out, balance);
    rlp_put_bytes(out, BYTES_OF(*storage_root));
    rlp_put_bytes(out, BYTES_OF(account->code_hash));
    rlp_list_end(out, list);
}

err account_decode(bytes in, struct account *ret_account, struct hash *ret_storage_root)
{
    struct account account;
    struct hash root;
    u8 balance[32];
    bytes fields;
    TRY(rlp_next_list(&in, &fields));
    TRY(rlp_next_u64(&fields, &account.nonce));
    TRY(rlp_next_uint256(&fields, balance));
    TRY(rlp_next_fixed(&fields, root.b, sizeof root.b));
    TRY(rlp_next_fixed(&fields, account.code_hash.b, sizeof account.code_hash.b));
    if (in.len != 0 || fields.len != 0) {
        return fail(ERR_MALFORMED);
    }
    account.balance = u256_from_be(balance);
    account.exists = true;
    *ret_account = account;
    *ret_storage_root = root;
    return ok();
}
