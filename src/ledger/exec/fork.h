/* fork.h: the rule sets of Ethereum's execution layer, Frontier to Osaka.
 *
 * This ledger runs Osaka from its first block. The older ones exist because the public suites and
 * imported Ethereum chains need them. A fork is a number that grows: `fork >= FORK_BERLIN` means
 * "with everything that Berlin brought". Forks that only move the difficulty bomb or blob
 * parameters (Muir Glacier, Gray Glacier, BPO1 …) are not rule sets of their own.
 *
 * Source: ethereum/execution-specs, the folder of each fork.
 */
#ifndef LEDGER_EXEC_FORK_H
#define LEDGER_EXEC_FORK_H

enum fork {
    FORK_FRONTIER,
    FORK_HOMESTEAD,
    FORK_TANGERINE, /* EIP-150 */
    FORK_SPURIOUS,  /* EIP-158, 160, 161, 170 */
    FORK_BYZANTIUM,
    FORK_CONSTANTINOPLE, /* with EIP-1283 */
    FORK_PETERSBURG,     /* without it; the suites' "ConstantinopleFix" */
    FORK_ISTANBUL,
    FORK_BERLIN,
    FORK_LONDON,
    FORK_PARIS,
    FORK_SHANGHAI,
    FORK_CANCUN,
    FORK_PRAGUE,
    FORK_OSAKA,
};
#define FORK_COUNT 15

#endif
