/* The packed segments of commit, complete and repair, in a scene where they could succeed.
 *
 * First byte: bits 0..1 which function, bit 2: the receipts are signed by their providers before
 * the call, so that the fuzzer gets past the signatures. The rest is the `segments` argument.
 * Whatever it is, no assertion fails, accounts agree after a success, and nothing changes after a
 * refusal.
 */
#include "ledger/modules/scene.h"

#include "codec/record.h"

#define ROUNDS_PER_SCENE 512
#define INPUT_BYTES_MAX KIB(16)
#define SIGN_RECEIPTS 4

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct scene scene;
static size_t rounds;

/* One stored segment of eight holders, one of which lost it, to complete and repair. */
static void make_scene(void)
{
    scene_init(&scene, 14);
    struct segment_entry entry = scene_entry(&scene, 0, 8);
    assert_that(scene_commit(&scene, &entry));
    struct address account = world_person(FIRST_PROVIDER);
    assert_that(world_call(&scene.world, &provider_module, "declareLostAll", &account, NULL));
    world_block(&scene.world, 1);
}

static void sign_again(struct segment_entry *entry)
{
    u8 count = entry->receipt_count;
    entry->receipt_count = 0;
    for (u8 i = 0; i < count; i++) {
        const struct holder_receipt wanted = entry->receipts[i];
        u32 person = FIRST_PROVIDER + wanted.provider % 16 - 1;
        world_sign(&scene.world, entry, scene.territory, scene.gateway, wanted.index,
                   wanted.provider, wanted.draw, person, wanted.deadline);
    }
}

/* repack: the entries that can be read, signed; what follows as it is. Returns the receipts. */
static size_t repack(struct buf *out, bytes segments, bool sign)
{
    struct reader reader;
    size_t receipts = 0;
    reader_init(&reader, segments);
    while (reader.left > 0) {
        struct reader before = reader;
        struct segment_entry entry;
        segment_entry_read(&reader, &entry);
        if (reader.failed) {
            buf_put(out, bytes_make(before.at, before.left));
            break;
        }
        if (sign) {
            sign_again(&entry);
        }
        receipts += entry.receipt_count;
        segment_entry_write(out, &entry);
    }
    return receipts;
}

static void encode(struct buf *out, u8 function, bytes segments, size_t receipts)
{
    static const char *const names[] = {"commit", "complete", "repair", "commit"};
    const struct abi_entry *entry =
        native_function_abi(&segment_module, world_function(&segment_module, names[function]));
    struct abi_value old_holders[512];
    assert_that(receipts <= COUNT_OF(old_holders));
    for (size_t i = 0; i < receipts; i++) {
        old_holders[i] = abi_u64(i % 2 == 0); /* 1: who lost everything, 0: an empty entry */
    }
    struct abi_value commit[] = {abi_u64(scene.territory), abi_bytes(segments), abi_array(NULL, 0)};
    struct abi_value complete[] = {abi_u64(scene.territory), abi_bytes(segments)};
    struct abi_value repair[] = {abi_u64(scene.territory), abi_u64(scene.gateway),
                                 abi_bytes(segments), abi_array(old_holders, receipts)};
    abi_encode_call(out, entry, function == 1 ? complete : function == 2 ? repair : commit);
}

/* run: always undone, so that every input meets the same scene. */
static void run(bytes input)
{
    struct address gateway = world_person(GATEWAY);
    struct arena arena;
    arena_init(&arena, MIB(16));
    journal_begin_tx(&scene.world.journal);
    size_t snapshot = journal_snapshot(&scene.world.journal);
    struct frame frame = world_frame(&scene.world, segment_module.number, &arena);
    frame.caller = gateway;
    frame.gas_left = WORLD_GAS;
    frame.input = input;
    world_check(native_call(&frame));
    if (frame.status == FRAME_RUNNING) {
        scene_check(&scene);
    }
    journal_revert(&scene.world.journal, snapshot);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    if (rounds % ROUNDS_PER_SCENE == 0) {
        if (rounds > 0) {
            world_free(&scene.world);
        }
        make_scene();
    }
    rounds++;
    struct buf segments;
    struct buf input;
    buf_init(&segments, MIB(1));
    buf_init(&input, MIB(1));
    size_t receipts =
        repack(&segments, bytes_make(data + 1, size - 1), (data[0] & SIGN_RECEIPTS) != 0);
    encode(&input, data[0] & 3, buf_bytes(&segments), receipts);
    run(buf_bytes(&input));
    buf_free(&input);
    buf_free(&segments);
    return 0;
}
