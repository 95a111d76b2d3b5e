/* stray.h: transactions of the gateway's key that its log knows nothing of. */
#ifndef SIM_STRAY_H
#define SIM_STRAY_H

#include "sim/world.h"

/* stray_lose: one is signed and never sent: those after it wait until the gap is closed.
 * stray_take: somebody else with the same key uses a nonce that the gateway takes for free. Both do
 * nothing unless the gateway serves. */
void stray_lose(struct role *gateway);
void stray_take(struct role *gateway);

#endif
