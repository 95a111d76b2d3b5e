#include "conformance/fields.h"

json_t *fields_parse(struct results *results, const struct document *document)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)document->text.data, document->text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root != NULL && json_is_object(root)) {
        return root;
    }
    results_fail(results, "(file)", "no JSON object", "line %d: %s", error.line,
                 root == NULL ? error.text : "another kind of value");
    json_decref(root);
    return NULL;
}

static bool parse_hex(bytes digits, struct u256 *ret)
{
    char padded[64];
    u8 word[32];
    while (digits.len > sizeof padded && digits.data[0] == '0') {
        digits = bytes_slice(digits, 1, digits.len - 1);
    }
    if (digits.len > sizeof padded) {
        return false;
    }
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - digits.len, digits.data, digits.len);
    if (!hex_decode(word, sizeof word, bytes_make(padded, sizeof padded))) {
        return false;
    }
    *ret = u256_from_be(word);
    return true;
}

bool fields_u256(const json_t *value, struct u256 *ret)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = u256_from_u64((u64)json_integer_value(value));
        return true;
    }
    if (!json_is_string(value)) {
        return false;
    }
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    if (bytes_starts_with(text, bytes_str("0x"))) {
        return parse_hex(bytes_slice(text, 2, text.len - 2), ret);
    }
    return text.len > 0 && u256_parse_decimal(ret, text);
}

bool fields_u64(const json_t *value, u64 *ret)
{
    struct u256 wide;
    return fields_u256(value, &wide) && u256_to_u64(ret, wide);
}

bool fields_bytes(const json_t *value, struct arena *arena, bytes *ret)
{
    if (json_is_string(value) && json_string_length(value) == 0) {
        *ret = bytes_make(NULL, 0);
        return true;
    }
    return json_read_data(value, arena, ret);
}

bool fork_of(const char *name, enum fork *ret_fork)
{
    static const struct {
        const char *name;
        enum fork fork;
    } forks[] = {
        {"Frontier", FORK_FRONTIER},
        {"Homestead", FORK_HOMESTEAD},
        {"EIP150", FORK_TANGERINE},
        {"TangerineWhistle", FORK_TANGERINE},
        {"EIP158", FORK_SPURIOUS},
        {"SpuriousDragon", FORK_SPURIOUS},
        {"Byzantium", FORK_BYZANTIUM},
        {"Constantinople", FORK_CONSTANTINOPLE},
        {"ConstantinopleFix", FORK_PETERSBURG},
        {"Petersburg", FORK_PETERSBURG},
        {"Istanbul", FORK_ISTANBUL},
        {"MuirGlacier", FORK_ISTANBUL},
        {"Berlin", FORK_BERLIN},
        {"London", FORK_LONDON},
        {"ArrowGlacier", FORK_LONDON},
        {"GrayGlacier", FORK_LONDON},
        {"Merge", FORK_PARIS},
        {"Paris", FORK_PARIS},
        {"Shanghai", FORK_SHANGHAI},
        {"Cancun", FORK_CANCUN},
        {"Prague", FORK_PRAGUE},
        {"Osaka", FORK_OSAKA},
        {"BPO1", FORK_OSAKA},
        {"BPO2", FORK_OSAKA},
        {"BPO3", FORK_OSAKA},
        {"BPO4", FORK_OSAKA},
        {"BPO5", FORK_OSAKA},
    };
    for (size_t i = 0; i < COUNT_OF(forks); i++) {
        if (strcmp(forks[i].name, name) == 0) {
            *ret_fork = forks[i].fork;
            return true;
        }
    }
    return false;
}

/* Names of ethereum/execution-specs (tests, exceptions/transaction.py) and of ethereum/tests. What
 * begins with RLP_ is about the encoding. */
static const struct {
    const char *name;
    enum tx_verdict verdict;
} classes[] = {
    {"ADDRESS_TOO_LONG", TX_MALFORMED},
    {"ADDRESS_TOO_SHORT", TX_MALFORMED},
    {"GASLIMIT_OVERFLOW", TX_MALFORMED},
    {"GASPRICE_OVERFLOW", TX_MALFORMED},
    {"PRIORITY_OVERFLOW", TX_MALFORMED},
    {"VALUE_OVERFLOW", TX_MALFORMED},
    {"NONCE_OVERFLOW", TX_MALFORMED},
    {"NONCE_TOO_BIG", TX_NONCE_MAX},
    {"NONCE_IS_MAX", TX_NONCE_MAX},
    {"NONCE_MISMATCH_TOO_LOW", TX_NONCE_TOO_LOW},
    {"NONCE_MISMATCH_TOO_HIGH", TX_NONCE_TOO_HIGH},
    {"EC_RECOVERY_FAIL", TX_SIGNATURE_INVALID},
    {"INVALID_SIGNATURE_VRS", TX_SIGNATURE_INVALID},
    {"INVALID_SIGNATURE_VRS", TX_MALFORMED}, /* v is no v at all */
    {"INVALID_CHAINID", TX_CHAIN_ID_WRONG},
    {"INVALID_CHAINID", TX_MALFORMED},         /* no v of any chain id of 64 bits */
    {"INVALID_CHAINID", TX_SIGNATURE_INVALID}, /* before EIP-155 there are none */
    {"TYPE_NOT_SUPPORTED", TX_TYPE_UNSUPPORTED},
    {"TYPE_NOT_SUPPORTED", TX_MALFORMED}, /* as well: decoding comes before the fork's rules */
    {"TYPE_1_TX_PRE_FORK", TX_TYPE_UNSUPPORTED},
    {"TYPE_2_TX_PRE_FORK", TX_TYPE_UNSUPPORTED},
    {"TYPE_3_TX_PRE_FORK", TX_TYPE_UNSUPPORTED},
    {"TYPE_4_TX_PRE_FORK", TX_TYPE_UNSUPPORTED},
    {"GAS_ALLOWANCE_EXCEEDED", TX_GAS_ABOVE_BLOCK},
    {"GAS_LIMIT_EXCEEDS_MAXIMUM", TX_GAS_ABOVE_CAP},
    {"INTRINSIC_GAS_TOO_LOW", TX_GAS_BELOW_INTRINSIC},
    {"INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", TX_GAS_BELOW_FLOOR},
    {"INITCODE_SIZE_EXCEEDED", TX_INIT_CODE_TOO_LARGE},
    {"PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", TX_TIP_ABOVE_FEE},
    {"PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2", TX_TIP_ABOVE_FEE},
    {"INSUFFICIENT_MAX_FEE_PER_GAS", TX_FEE_BELOW_BASE},
    {"INSUFFICIENT_MAX_FEE_PER_BLOB_GAS", TX_BLOB_FEE_BELOW_BASE},
    {"INSUFFICIENT_ACCOUNT_FUNDS", TX_INSUFFICIENT_FUNDS},
    {"GASLIMIT_PRICE_PRODUCT_OVERFLOW", TX_INSUFFICIENT_FUNDS},
    {"SENDER_NOT_EOA", TX_SENDER_HAS_CODE},
    {"TYPE_3_TX_ZERO_BLOBS", TX_BLOBS_MISSING},
    {"TYPE_3_TX_BLOB_COUNT_EXCEEDED", TX_BLOBS_TOO_MANY},
    {"TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED", TX_BLOBS_TOO_MANY},
    {"TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", TX_BLOB_VERSION_WRONG},
    {"TYPE_3_TX_CONTRACT_CREATION", TX_BLOB_CREATE},
    {"TYPE_4_TX_CONTRACT_CREATION", TX_AUTHORIZATION_CREATE},
    {"TYPE_4_EMPTY_AUTHORIZATION_LIST", TX_AUTHORIZATIONS_MISSING},
    /* Older suites, ethereum/tests and legacytests. */
    {"IntrinsicGas", TX_GAS_BELOW_INTRINSIC},
    {"TR_IntrinsicGas", TX_GAS_BELOW_INTRINSIC},
    {"TR_NoFunds", TX_INSUFFICIENT_FUNDS},
    {"TR_NoFundsX", TX_INSUFFICIENT_FUNDS},
    {"TR_NoFundsOrGas", TX_INSUFFICIENT_FUNDS},
    {"TR_NoFundsOrGas", TX_GAS_BELOW_INTRINSIC},
    {"TR_TypeNotSupported", TX_TYPE_UNSUPPORTED},
    {"TR_TypeNotSupportedBlob", TX_TYPE_UNSUPPORTED},
    {"TR_FeeCapLessThanBlocks", TX_FEE_BELOW_BASE},
    {"TR_TipGtFeeCap", TX_TIP_ABOVE_FEE},
    {"TR_GasLimitReached", TX_GAS_ABOVE_BLOCK},
    {"TR_NonceHasMaxValue", TX_NONCE_MAX},
    {"TR_InitCodeLimitExceeded", TX_INIT_CODE_TOO_LARGE},
    {"TR_EMPTYBLOB", TX_BLOBS_MISSING},
    {"TR_BLOBVERSION_INVALID", TX_BLOB_VERSION_WRONG},
    {"TR_BLOBLIST_OVERSIZE", TX_BLOBS_TOO_MANY},
    {"TR_BLOBCREATE", TX_BLOB_CREATE},
    {"TR_RLP_WRONGVALUE", TX_MALFORMED},
    {"SenderNotEOA", TX_SENDER_HAS_CODE},
};

static bool name_means(bytes name, enum tx_verdict verdict)
{
    bytes prefix = bytes_str("TransactionException.");
    if (bytes_starts_with(name, prefix)) {
        name = bytes_slice(name, prefix.len, name.len - prefix.len);
    }
    if (bytes_starts_with(name, bytes_str("RLP_"))) {
        return verdict == TX_MALFORMED;
    }
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (bytes_eq_str(name, classes[i].name)) {
            known = true;
            if (classes[i].verdict == verdict) {
                return true;
            }
        }
    }
    return !known;
}

bool exception_means(const char *exception, enum tx_verdict verdict)
{
    bytes rest = bytes_str(exception);
    for (;;) {
        size_t end = bytes_find(rest, bytes_str("|"));
        bool is_last = end == SIZE_MAX;
        if (name_means(bytes_slice(rest, 0, is_last ? rest.len : end), verdict)) {
            return true;
        }
        if (is_last) {
            return false;
        }
        rest = bytes_slice(rest, end + 1, rest.len - end - 1);
    }
}
