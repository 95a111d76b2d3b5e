#include "gateway/s3/names.h"

/* sequence_len: bytes of the UTF-8 sequence that `first` starts, or 0. */
static size_t sequence_len(u8 first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if ((first & 0xF0) == 0xE0) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* second_valid: RFC 3629 table: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool second_valid(u8 first, u8 second)
{
    u8 low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    u8 high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

bool s3_utf8_valid(bytes text)
{
    for (size_t i = 0; i < text.len;) {
        const u8 *at = text.data + i;
        size_t len = sequence_len(at[0]);
        if (len == 0 || len > text.len - i) {
            return false;
        }
        if (len > 1 && !second_valid(at[0], at[1])) {
            return false;
        }
        for (size_t k = 2; k < len; k++) {
            if ((at[k] & 0xC0) != 0x80) {
                return false;
            }
        }
        i += len;
    }
    return true;
}

static bool is_digit(u8 c) { return c >= '0' && c <= '9'; }

static bool is_label_end(u8 c) { return (c >= 'a' && c <= 'z') || is_digit(c); }

/* is_ipv4: four runs of digits with dots between, as in 192.168.5.4. */
static bool is_ipv4(bytes name)
{
    int dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.') {
            dots++;
        } else if (!is_digit(name.data[i])) {
            return false;
        }
    }
    return dots == 3;
}

static bool is_reserved(bytes name)
{
    static const char *const prefixes[] = {"xn--", "sthree-"};
    static const char *const suffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (bytes_starts_with(name, bytes_str(prefixes[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (bytes_ends_with(name, bytes_str(suffixes[i]))) {
            return true;
        }
    }
    return false;
}

bool s3_bucket_name_valid(bytes name)
{
    if (name.len < S3_BUCKET_NAME_BYTES_MIN || name.len > S3_BUCKET_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        bool edge =
            i == 0 || i == name.len - 1 || name.data[i - 1] == '.' || name.data[i + 1] == '.';
        if (c == '.' ? edge : edge ? !is_label_end(c) : !is_label_end(c) && c != '-') {
            return false;
        }
    }
    return !is_ipv4(name) && !is_reserved(name);
}

enum s3_code s3_bucket_check(bytes name, struct s3_error *error)
{
    if (s3_bucket_name_valid(name)) {
        return S3_OK;
    }
    s3_refuse(error, S3_ERR_INVALID_BUCKET_NAME);
    s3_error_add(error, "BucketName", name);
    return S3_ERR_INVALID_BUCKET_NAME;
}

enum s3_code s3_key_check(bytes key, struct s3_error *error)
{
    if (key.len == 0 || !s3_utf8_valid(key)) {
        return s3_refuse(error, S3_ERR_INVALID_URI);
    }
    if (key.len > S3_KEY_BYTES_MAX) {
        s3_refuse(error, S3_ERR_KEY_TOO_LONG);
        s3_error_add_u64(error, "Size", key.len);
        s3_error_add_u64(error, "MaxSizeAllowed", S3_KEY_BYTES_MAX);
        return S3_ERR_KEY_TOO_LONG;
    }
    return S3_OK;
}
