/* wordlist.h: the 2048 English words of BIP-39, in order; eight letters at most. */
#ifndef DATA_WORDLIST_H
#define DATA_WORDLIST_H

#include "base/bytes.h"

#define WORDLIST_COUNT 2048
#define WORDLIST_LETTERS_MAX 8

extern const char wordlist[WORDLIST_COUNT][WORDLIST_LETTERS_MAX + 1];

/* wordlist_find: index of a lower-case word; false: none. */
MUST_USE bool wordlist_find(u16 *ret_index, bytes word);

#endif
