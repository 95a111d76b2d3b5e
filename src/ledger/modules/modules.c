#include "ledger/modules/modules.h"

#include "base/assert.h"
#include "crypto/hash.h"

const struct native_module *const native_modules_all[] = {
    &registry_module, &params_module,  &beacon_module,   &territory_module,
    &bucket_module,   &segment_module, &provider_module,
};
const size_t native_modules_count = COUNT_OF(native_modules_all);

void modules_interface_hash(const struct native_module *module, struct hash *ret_hash)
{
    struct hash topics[NATIVE_FUNCTIONS_MAX + NATIVE_EVENTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < module->function_count; i++) {
        topics[count++] = native_function_abi(module, i)->topic;
    }
    for (size_t i = 0; i < module->event_count; i++) {
        topics[count++] = native_event_abi(module, i)->topic;
    }
    keccak256(ret_hash, bytes_make(topics, count * sizeof topics[0]));
}
