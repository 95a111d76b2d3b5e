/* chaos.h: what goes wrong in one seed, and when.
 *
 * Every seed draws its own mix (a swarm): which kinds of faults happen at all, how often, and how
 * hard. Data may only be lost as far as the redundancy allows: stores that lose their disk or lie
 * are counted against quorum - k of them, since an object may be in the middle of being written.
 */
#ifndef SIM_CHAOS_H
#define SIM_CHAOS_H

#include "sim/world.h"

struct chaos;

/* chaos_start: draws the mix and goes on until chaos_heal(). Lives as long as the seed. */
struct chaos *chaos_start(struct world *world);
/* chaos_heal: no more faults, links whole, liars honest, everybody started. */
void chaos_heal(struct chaos *chaos);

#endif
