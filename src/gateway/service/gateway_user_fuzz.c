/* gateway_user_fuzz: documents of S3 users, which another gateway of the owner may have written. */
#include "base/assert.h"
#include "gateway/service/gateway.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct address owner = {{7}};
    struct gateway_user user;
    if (is_ok(gateway_user_read(&user, &owner, bytes_make(data, size)))) {
        size_t texts = strlen(user.id) + strlen(user.display_name) + strlen(user.email) +
                       strlen(user.tenant) + strlen(user.access_key) + strlen(user.secret_key);
        assert_that(size == 4 + 6 * 2 + texts);
        assert_that(address_eq(&user.owner, &owner));
    }
    return 0;
}
