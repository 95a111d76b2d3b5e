/* Any text as a JSON-RPC request, over a chain of a few blocks. The answer is empty or JSON. */
#include "base/assert.h"
#include "ledger/rpc/rpc.h"
#include "codec/json.h"
#include "ledger/modules/modules.h"
#include "os/file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static const char genesis[] =
    "{\"version\":1,\"chain_id\":7200,\"time\":1767225600,"
    "\"seats\":[\"0x7e5f4552091a69125d5dfcb7b8c2659029395bdf\"],"
    "\"alloc\":{\"0x2b5ad5c4795c026514f8317c7a215e218dccd6cf\":{\"balance\":\"1000000000000\"},"
    "\"0x00000000000000000000000000000000000000cc\":{\"code\":\"0x6000\",\"nonce\":1}}}";

/* The store lives in a folder that is removed at once: its open files last as long as the process.
 */
static struct rpc *open_rpc(void)
{
    const struct hash seed = {{1}};
    char dir[] = "/tmp/cairn-rpc-fuzz-XXXXXX";
    struct app *app;
    struct rpc *rpc;
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    assert_that(mkdtemp(dir) != NULL);
    const struct app_options options = {.dir = dir, .genesis = bytes_str(genesis), .no_sync = true};
    assert_that(is_ok(app_open(&options, &app)));
    assert_that(is_ok(dir_remove_all(dir)));
    rpc_new(&(struct rpc_options){.app = app, .version = "cairn/fuzz"}, &rpc);
    return rpc;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct rpc *rpc;
    struct buf out;
    if (rpc == NULL) {
        rpc = open_rpc();
    }
    buf_init(&out, 2 * RPC_REPLY_BYTES_MAX);
    rpc_answer(rpc, bytes_make(data, len), &out);
    assert_that(!out.failed);
    if (out.len > 0) {
        json_t *answer;
        assert_that(is_ok(json_parse(buf_bytes(&out), 4 * RPC_REPLY_BYTES_MAX, &answer)));
        json_decref(answer);
    }
    buf_free(&out);
    return 0;
}
