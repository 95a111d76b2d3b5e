/* The precompiles of BLS12-381: point evaluation (EIP-4844) and the seven of EIP-2537. */
#include "ledger/precompile/internal.h"

#include "crypto/bls12_381.h"
#include "crypto/hash.h"
#include "crypto/kzg.h"

#define VERSIONED_HASH_KZG 0x01
#define FIELD_ELEMENTS_PER_BLOB 4096
#define POINT_EVALUATION_BYTES 192

#define DISCOUNT_COUNT 128
#define DISCOUNT_UNIT 1000

/* EIP-2537, "discount tables": thousandths for 1, 2, … 128 and more pairs. */
static const u16 g1_discount[DISCOUNT_COUNT] = {
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665,
    661,  658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615,
    613,  611, 609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585,
    584,  582, 581, 580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563,
    562,  561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545,
    544,  543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529,
    528,  528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519};
static const u16 g2_discount[DISCOUNT_COUNT] = {
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699,
    693,  688,  683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629,
    627,  624,  622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592,
    590,  589,  587, 586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568, 567,
    566,  565,  563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549, 548,
    547,  546,  545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534, 533,
    532,  532,  531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524};

/* Lengths that are no whole number of pairs are refused when the precompile runs; until then they
 * cost what their whole pairs cost. */
static u64 gas_msm(u64 count, u64 multiplication, const u16 discount[DISCOUNT_COUNT])
{
    if (count == 0) {
        return 0;
    }
    u64 rate = discount[min_u64(count, DISCOUNT_COUNT) - 1];
    return gas_mul(gas_mul(count, multiplication), rate) / DISCOUNT_UNIT;
}

u64 gas_point_evaluation(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return 50000;
}

/* Input: versioned hash, z, y, commitment, proof. Answer: the two numbers that describe blobs. */
err run_point_evaluation(enum fork fork, bytes input, struct arena *arena,
                         enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    const u8 *in = input.data;
    struct hash versioned;
    u8 answer[64] = {0};
    if (input.len != POINT_EVALUATION_BYTES) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    sha256(&versioned, bytes_make(in + 96, KZG_POINT_BYTES));
    versioned.b[0] = VERSIONED_HASH_KZG;
    if (memcmp(in, versioned.b, sizeof versioned.b) != 0 ||
        !kzg_verify(in + 96, in + 32, in + 64, in + 144)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    store_be16(answer + 30, FIELD_ELEMENTS_PER_BLOB);
    memcpy(answer + 32, kzg_modulus, sizeof kzg_modulus);
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}

u64 gas_bls_g1_add(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return 375;
}

err run_bls_g1_add(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 sum[BLS_G1_BYTES];
    if (input.len != (size_t)2 * BLS_G1_BYTES ||
        !bls_g1_add(sum, input.data, input.data + BLS_G1_BYTES)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(sum), ret_verdict, ret_output);
}

u64 gas_bls_g1_msm(enum fork fork, bytes input)
{
    (void)fork;
    return gas_msm(input.len / BLS_G1_MSM_PAIR_BYTES, 12000, g1_discount);
}

err run_bls_g1_msm(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 sum[BLS_G1_BYTES];
    if (!bls_g1_msm(sum, input)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(sum), ret_verdict, ret_output);
}

u64 gas_bls_g2_add(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return 600;
}

err run_bls_g2_add(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 sum[BLS_G2_BYTES];
    if (input.len != (size_t)2 * BLS_G2_BYTES ||
        !bls_g2_add(sum, input.data, input.data + BLS_G2_BYTES)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(sum), ret_verdict, ret_output);
}

u64 gas_bls_g2_msm(enum fork fork, bytes input)
{
    (void)fork;
    return gas_msm(input.len / BLS_G2_MSM_PAIR_BYTES, 22500, g2_discount);
}

err run_bls_g2_msm(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 sum[BLS_G2_BYTES];
    if (!bls_g2_msm(sum, input)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(sum), ret_verdict, ret_output);
}

u64 gas_bls_pairing(enum fork fork, bytes input)
{
    (void)fork;
    return gas_add(37700, gas_mul(32600, input.len / BLS_PAIRING_PAIR_BYTES));
}

err run_bls_pairing(enum fork fork, bytes input, struct arena *arena,
                    enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 answer[32] = {0};
    bool is_one;
    if (!bls_pairing(&is_one, input)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    answer[31] = is_one;
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}

u64 gas_bls_map_g1(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return 5500;
}

err run_bls_map_g1(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 point[BLS_G1_BYTES];
    if (input.len != BLS_FP_BYTES || !bls_map_g1(point, input.data)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(point), ret_verdict, ret_output);
}

u64 gas_bls_map_g2(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return 23800;
}

err run_bls_map_g2(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 point[BLS_G2_BYTES];
    if (input.len != (size_t)2 * BLS_FP_BYTES || !bls_map_g2(point, input.data)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(point), ret_verdict, ret_output);
}
