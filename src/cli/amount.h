/* amount.h: amounts of CRN and addresses, as people write them. */
#ifndef CLI_AMOUNT_H
#define CLI_AMOUNT_H

#include "base/bytes.h"
#include "ledger/exec/u256.h"

#define AMOUNT_TEXT_BYTES 100

/* amount_parse: "12.5" CRN, or "1000wei"; at most 18 decimals. */
MUST_USE bool amount_parse(struct u256 *ret_wei, const char *text);
/* amount_text: "12.5 CRN". */
void amount_text(char out[AMOUNT_TEXT_BYTES], struct u256 wei);
/* address_parse: 0x and 40 digits, of either case. */
MUST_USE bool address_parse(struct address *ret, const char *text);

#endif
