/* check.h: assertions that cmocka lacks, and cmocka itself with the headers it needs first. */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CHECK_HEX_BYTES_MAX 4096

/* check_hex: `got` equals the bytes written in hexadecimal; a difference shows both as text. */
static inline void check_hex(bytes got, const char *expected)
{
    char text[2 * CHECK_HEX_BYTES_MAX + 1];
    assert_true(got.len <= CHECK_HEX_BYTES_MAX);
    hex_encode(text, sizeof text, got);
    assert_string_equal(text, expected);
}

/* unhex: decodes a constant of the test; returns its length. */
static inline size_t unhex(u8 *out, size_t cap, const char *digits)
{
    bytes text = bytes_str(digits);
    assert_true(text.len / 2 <= cap);
    assert_true(hex_decode(out, text.len / 2, text));
    return text.len / 2;
}

#endif
