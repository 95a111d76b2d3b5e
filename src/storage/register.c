/* register.c: what an operator does with a provider, once each. */
#include "storage/provider_call.h"
#include "storage/store.h"

#include "base/log.h"
#include "ledger/modules/provider_layout.h"
#include "net/url.h"
#include "os/address.h"

#include <arpa/inet.h>

void store_consent(struct secp_signature *ret_consent, const struct secp_secret *operator_,
                   u64 chain_id, const struct address *provider)
{
    struct hash digest;
    provider_consent_digest(&digest, chain_id, provider);
    secp_sign(ret_consent, operator_, &digest);
}

/* The /24 or /48 of the address that the endpoint names. */
static err prefix_of_endpoint(const char *endpoint, u64 *ret_prefix)
{
    struct url url;
    struct net_address addresses[NET_ADDRESSES_MAX];
    TRY(url_parse(&url, endpoint));
    if (net_resolve(url.host, url.port, addresses) == 0) {
        log_error("storage", "%s names no address: give the prefix", endpoint);
        return fail(ERR_USAGE);
    }
    const struct net_address *first = &addresses[0];
    if (first->any.sa.sa_family == AF_INET) {
        *ret_prefix = provider_prefix_of(4, (const u8 *)&first->any.v4.sin_addr);
    } else {
        *ret_prefix = provider_prefix_of(6, (const u8 *)&first->any.v6.sin6_addr);
    }
    return ok();
}

struct registered {
    struct address account;
    u32 provider;
    bool found;
    struct provider_record record;
    u8 endpoint[PROVIDER_ENDPOINT_BYTES_MAX];
    size_t endpoint_len;
    u64 prefix;
};

static err view_registered(void *ctx, const struct slot_source *slots)
{
    struct registered *view = ctx;
    view->found = false;
    TRY(provider_of(slots, &view->account, &view->provider));
    if (view->provider == 0) {
        return ok();
    }
    TRY(provider_load(slots, view->provider, &view->record, &view->found));
    TRY(provider_endpoint(slots, view->provider, view->endpoint, &view->endpoint_len));
    return provider_prefix_key(slots, view->record.prefix, &view->prefix);
}

static bool differs(const struct registered *view, const struct store_registration *wanted,
                    u64 prefix)
{
    bytes endpoint = bytes_make(view->endpoint, view->endpoint_len);
    return view->prefix != prefix || view->record.region != wanted->region ||
           view->record.capacity != wanted->capacity ||
           !address_eq(&view->record.signer, &wanted->signer) ||
           !bytes_eq_str(endpoint, wanted->endpoint);
}

static err send_register(struct chain_account *account, const struct store_registration *wanted,
                         u64 prefix, u64 deadline_ms)
{
    struct address self = chain_account_address(account);
    bool own = address_eq(&self, &wanted->operator_);
    struct abi_value values[] = {
        abi_address(&wanted->operator_),
        abi_bytes(bytes_make(wanted->consent.b, own ? 0 : sizeof wanted->consent.b)),
        abi_u64(wanted->region),
        abi_u64(prefix),
        abi_bytes(bytes_str(wanted->endpoint)),
        abi_address(&wanted->signer),
        abi_u64(wanted->capacity),
        abi_u64(wanted->announced),
    };
    return provider_call(account, PROVIDER_REGISTER, values, 0, deadline_ms);
}

static err send_update(struct chain_account *account, const struct store_registration *wanted,
                       u64 prefix, u64 deadline_ms)
{
    struct abi_value values[] = {
        abi_u64(wanted->region),
        abi_u64(prefix),
        abi_bytes(bytes_str(wanted->endpoint)),
        abi_address(&wanted->signer),
        abi_u64(wanted->capacity),
    };
    return provider_call(account, PROVIDER_UPDATE, values, 0, deadline_ms);
}

err store_register(struct chain *chain, struct chain_account *account,
                   const struct store_registration *registration, u64 deadline_ms,
                   u32 *ret_provider)
{
    struct registered view = {.account = chain_account_address(account)};
    u64 prefix = registration->prefix;
    if (prefix == 0) {
        TRY(prefix_of_endpoint(registration->endpoint, &prefix));
    }
    TRY(chain_view(chain, view_registered, &view, deadline_ms));
    if (!view.found) {
        TRY(send_register(account, registration, prefix, deadline_ms));
        TRY(chain_view(chain, view_registered, &view, deadline_ms));
        if (!view.found) {
            return fail(ERR_FAILED);
        }
    } else if (differs(&view, registration, prefix)) {
        TRY(send_update(account, registration, prefix, deadline_ms));
    }
    *ret_provider = view.provider;
    return ok();
}

err store_drain(struct chain_account *account, u64 deadline_ms)
{
    return provider_call(account, PROVIDER_DRAIN, NULL, 0, deadline_ms);
}

err store_exit(struct chain_account *account, u64 deadline_ms)
{
    return provider_call(account, PROVIDER_EXIT, NULL, 0, deadline_ms);
}

err store_rejoin(struct chain_account *account, u64 deadline_ms)
{
    return provider_call(account, PROVIDER_REJOIN, NULL, 0, deadline_ms);
}
