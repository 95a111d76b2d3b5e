/* anvil.h: another EVM to compare with: a child process that answers eth_call on loopback. */
#ifndef BENCH_ANVIL_H
#define BENCH_ANVIL_H

#include "base/bytes.h"

struct anvil;

/* anvil_start: the program of $ANVIL or the path's `anvil`, on a port of its own; NULL if there is
 * none or it does not answer within ten seconds. */
struct anvil *anvil_start(void);
/* anvil_gas_per_second: runs code with that much gas, all of which it must use up; gas per second
 * of the process's CPU time (in ticks of 10 ms, so let it run for a while), or 0 if it failed. */
double anvil_gas_per_second(struct anvil *anvil, bytes code, u64 gas);
/* anvil_stop: ends the process; NULL is fine. */
void anvil_stop(struct anvil *anvil);

#endif
