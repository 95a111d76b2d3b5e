#include "cli/amount.h"

#include <stdio.h>
#include <string.h>

#define WEI_DIGITS 18

bool amount_parse(struct u256 *ret_wei, const char *text)
{
    char digits[100];
    size_t len = strlen(text);
    if (len > 3 && strcmp(text + len - 3, "wei") == 0) {
        return u256_parse_decimal(ret_wei, bytes_make(text, len - 3));
    }
    const char *dot = strchr(text, '.');
    size_t whole = dot != NULL ? (size_t)(dot - text) : len;
    size_t decimals = dot != NULL ? len - whole - 1 : 0;
    if (whole == 0 || whole > 60 || decimals > WEI_DIGITS || (dot != NULL && decimals == 0)) {
        return false;
    }
    snprintf(digits, sizeof digits, "%.*s%s", (int)whole, text, dot != NULL ? dot + 1 : "");
    size_t at = strlen(digits);
    memset(digits + at, '0', WEI_DIGITS - decimals);
    at += WEI_DIGITS - decimals;
    digits[at] = '\0';
    const char *start = digits + strspn(digits, "0");
    return u256_parse_decimal(ret_wei, bytes_str(*start != '\0' ? start : "0"));
}

void amount_text(char out[AMOUNT_TEXT_BYTES], struct u256 wei)
{
    char digits[80];
    char padded[100];
    u256_decimal(digits, wei);
    snprintf(padded, sizeof padded, "%0*d%s", strlen(digits) < 19 ? 19 - (int)strlen(digits) : 0, 0,
             digits);
    const char *start = strlen(digits) < 19 ? padded : digits;
    size_t whole = strlen(start) - WEI_DIGITS;
    size_t end = strlen(start);
    while (end > whole + 1 && start[end - 1] == '0') {
        end--;
    }
    if (end == whole + 1 && start[whole] == '0') {
        snprintf(out, AMOUNT_TEXT_BYTES, "%.*s CRN", (int)whole, start);
    } else {
        snprintf(out, AMOUNT_TEXT_BYTES, "%.*s.%.*s CRN", (int)whole, start, (int)(end - whole),
                 start + whole);
    }
}

bool address_parse(struct address *ret, const char *text)
{
    return hex_decode_0x(ret->b, sizeof ret->b, bytes_str(text));
}
