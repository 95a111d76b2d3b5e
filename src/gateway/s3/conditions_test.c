#include "gateway/s3/conditions.h"
#include "gateway/s3/date.h"
#include "gateway/s3/range.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <string.h>

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */
#define D_BEFORE "Sun, 06 Nov 1994 08:49:27 GMT"
#define D_AT "Sun, 06 Nov 1994 08:49:37 GMT"
#define D_AFTER "Sun, 06 Nov 1994 08:49:47 GMT"
#define LATER (NOW + 3600)

/* ---- dates ---- */

static void http_dates(void **state)
{
    (void)state;
    static const char *const same[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const bad[] = {
        "",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Tue, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
    };
    i64 s;
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        assert_true(s3_date_read_http(&s, bytes_str(same[i]), NOW));
        assert_true(s == NOW);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(s3_date_read_http(&s, bytes_str(bad[i]), NOW));
    }
    /* Two-digit years: at most 50 years ahead of the present. */
    assert_true(s3_date_read_http(&s, bytes_str("Sunday, 06-Nov-44 08:49:37 GMT"), NOW));
    char text[S3_HTTP_DATE_BYTES];
    s3_date_write_http(text, s);
    assert_string_equal(text, "Sun, 06 Nov 2044 08:49:37 GMT");
    assert_true(s3_date_read_http(&s, bytes_str("Sunday, 06-Nov-45 08:49:37 GMT"), NOW));
    s3_date_write_http(text, s);
    assert_string_equal(text, "Tue, 06 Nov 1945 08:49:37 GMT");
}

static void dates_around_the_calendar(void **state)
{
    (void)state;
    static const struct {
        i64 s;
        const char *http;
        const char *basic;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT", "19691231T235959Z"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT", "20000229T000000Z"},
        {951868799, "Tue, 29 Feb 2000 23:59:59 GMT", "20000229T235959Z"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT", "21000228T235959Z"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT", "21000301T000000Z"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT", "99991231T235959Z"},
        {-62135596800, "Mon, 01 Jan 0001 00:00:00 GMT", "00010101T000000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char http[S3_HTTP_DATE_BYTES];
        char basic[S3_BASIC_DATE_BYTES];
        i64 s;
        s3_date_write_http(http, cases[i].s);
        s3_date_write_basic(basic, cases[i].s);
        assert_string_equal(http, cases[i].http);
        assert_string_equal(basic, cases[i].basic);
        assert_true(s3_date_read_http(&s, bytes_str(http), 0));
        assert_true(s == cases[i].s);
        assert_true(s3_date_read_basic(&s, bytes_str(basic)));
        assert_true(s == cases[i].s);
    }
}

static void iso_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        i64 s;
    } good[] = {
        {"1994-11-06T08:49:37Z", NOW},           {"1994-11-06T08:49:37.000Z", NOW},
        {"1994-11-06T08:49:37.999999999Z", NOW}, {"1994-11-06T09:49:37+01:00", NOW},
        {"1994-11-06T03:19:37-05:30", NOW},
    };
    static const char *const bad[] = {"1994-11-06T08:49:37",       "1994-11-06 08:49:37Z",
                                      "1994-11-06T08:49:37.Z",     "1994-11-06T08:49:37+0100",
                                      "1994-11-06T08:49:37+24:00", "1994-13-06T08:49:37Z",
                                      "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
                                      "1994-11-06T08:49:37ZZ",     "19941106T084937Z"};
    i64 s;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(s3_date_read_iso(&s, bytes_str(good[i].text)));
        assert_true(s == good[i].s);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(s3_date_read_iso(&s, bytes_str(bad[i])));
    }
    char text[S3_ISO_DATE_BYTES];
    s3_date_write_iso(text, (u64)NOW * 1000 + 42);
    assert_string_equal(text, "1994-11-06T08:49:37.042Z");
    assert_false(s3_date_read_basic(&s, bytes_str("19941106T084937")));
    assert_false(s3_date_read_basic(&s, bytes_str("19941106t084937Z")));
}

/* ---- conditions ---- */

static const struct s3_current present = {
    true, {(const u8 *)"\"etag\"", 6}, (u64)NOW * 1000 + 500, 10};
static const struct s3_current absent = {false, {(const u8 *)"", 0}, 0, 0};

struct condition_case {
    const char *headers[9]; /* pairs, ended by NULL */
    enum s3_code code;
};

static void begin(struct testing_request *t, const char *method, const char *const *headers)
{
    testing_init(t);
    for (size_t i = 0; headers[i] != NULL; i += 2) {
        testing_header(t, headers[i], headers[i + 1]);
    }
    assert_int_equal(testing_parse(t, method, "/bucket/key"), S3_OK);
}

#define OK_ S3_OK
#define NM S3_ERR_NOT_MODIFIED
#define PF S3_ERR_PRECONDITION_FAILED

static void reads(void **state)
{
    (void)state;
    static const struct condition_case cases[] = {
        {{NULL}, OK_},
        {{"If-Match", "\"etag\"", NULL}, OK_},
        {{"If-Match", "etag", NULL}, OK_},
        {{"If-Match", "*", NULL}, OK_},
        {{"If-Match", "\"a\", \"etag\" ,\"b\"", NULL}, OK_},
        {{"If-Match", "\"other\"", NULL}, PF},
        {{"If-Match", "", NULL}, PF},
        {{"If-None-Match", "\"etag\"", NULL}, NM},
        {{"If-None-Match", "W/\"etag\"", NULL}, NM},
        {{"If-None-Match", "*", NULL}, NM},
        {{"If-None-Match", "ABCORZ", NULL}, OK_},
        {{"If-None-Match", "a,b,etag", NULL}, NM},
        {{"If-Modified-Since", D_BEFORE, NULL}, OK_},
        {{"If-Modified-Since", D_AT, NULL}, NM},
        {{"If-Modified-Since", D_AFTER, NULL}, NM},
        {{"If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT", NULL}, OK_},
        {{"If-Modified-Since", "rubbish", NULL}, OK_},
        {{"If-Unmodified-Since", D_BEFORE, NULL}, PF},
        {{"If-Unmodified-Since", D_AT, NULL}, OK_},
        {{"If-Unmodified-Since", D_AFTER, NULL}, OK_},
        {{"If-Unmodified-Since", "rubbish", NULL}, OK_},
        /* precedence */
        {{"If-Match", "etag", "If-Unmodified-Since", D_BEFORE, NULL}, OK_},
        {{"If-Match", "other", "If-Unmodified-Since", D_AFTER, NULL}, PF},
        {{"If-None-Match", "etag", "If-Modified-Since", D_BEFORE, NULL}, NM},
        {{"If-None-Match", "other", "If-Modified-Since", D_AFTER, NULL}, OK_},
        {{"If-Match", "other", "If-None-Match", "etag", NULL}, PF},
        {{"If-Match", "etag", "If-None-Match", "etag", NULL}, NM},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_conditions c;
        begin(&t, "GET", cases[i].headers);
        assert_int_equal(s3_conditions_parse(&t.request, LATER, &c, &t.error), S3_OK);
        enum s3_code code = s3_conditions_read(&c, &present, &t.error);
        assert_int_equal(code, cases[i].code);
        if (code == PF) {
            assert_true(bytes_starts_with(s3_error_find(&t.error, "Condition"), bytes_str("If-")));
        }
        testing_free(&t);
    }
}

static void copy_sources(void **state)
{
    (void)state;
    static const struct condition_case cases[] = {
        {{"If-Match", "other", NULL}, OK_},
        {{"x-amz-copy-source-if-match", "\"etag\"", NULL}, OK_},
        {{"x-amz-copy-source-if-match", "other", NULL}, PF},
        {{"x-amz-copy-source-if-none-match", "etag", NULL}, PF},
        {{"x-amz-copy-source-if-none-match", "ABCORZ", NULL}, OK_},
        {{"x-amz-copy-source-if-modified-since", D_AFTER, NULL}, PF},
        {{"x-amz-copy-source-if-modified-since", D_BEFORE, NULL}, OK_},
        {{"x-amz-copy-source-if-unmodified-since", D_BEFORE, NULL}, PF},
        {{"x-amz-copy-source-if-match", "etag", "x-amz-copy-source-if-unmodified-since", D_BEFORE,
          NULL},
         OK_},
        {{"x-amz-copy-source-if-none-match", "etag", "x-amz-copy-source-if-modified-since",
          D_BEFORE, NULL},
         PF},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_conditions c;
        begin(&t, "PUT", cases[i].headers);
        s3_conditions_parse_source(&t.request, LATER, &c);
        assert_int_equal(s3_conditions_source(&c, &present, &t.error), cases[i].code);
        testing_free(&t);
    }
}

static void writes(void **state)
{
    (void)state;
    static const struct {
        const char *headers[5];
        enum s3_code present;
        enum s3_code absent;
    } cases[] = {
        {{NULL}, OK_, OK_},
        {{"If-None-Match", "*", NULL}, PF, OK_},
        {{"If-None-Match", "\"etag\"", NULL}, PF, OK_},
        {{"If-None-Match", "badetag", NULL}, OK_, OK_},
        {{"If-Match", "*", NULL}, OK_, S3_ERR_NO_SUCH_KEY},
        {{"If-Match", "etag", NULL}, OK_, S3_ERR_NO_SUCH_KEY},
        {{"If-Match", "badetag", NULL}, PF, S3_ERR_NO_SUCH_KEY},
        {{"If-Modified-Since", D_AFTER, NULL}, OK_, OK_},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_conditions c;
        begin(&t, "PUT", cases[i].headers);
        assert_int_equal(s3_conditions_parse(&t.request, LATER, &c, &t.error), S3_OK);
        assert_int_equal(s3_conditions_write(&c, &present, &t.error), cases[i].present);
        assert_int_equal(s3_conditions_write(&c, &absent, &t.error), cases[i].absent);
        testing_free(&t);
    }
}

static void deletes(void **state)
{
    (void)state;
    static const struct condition_case cases[] = {
        {{NULL}, OK_},
        {{"If-Match", "*", NULL}, OK_},
        {{"If-Match", "etag", NULL}, OK_},
        {{"If-Match", "badetag", NULL}, PF},
        {{"x-amz-if-match-size", "10", NULL}, OK_},
        {{"x-amz-if-match-size", "9999", NULL}, PF},
        {{"x-amz-if-match-last-modified-time", D_AT, NULL}, OK_},
        {{"x-amz-if-match-last-modified-time", "1994-11-06T08:49:37Z", NULL}, OK_},
        {{"x-amz-if-match-last-modified-time", D_BEFORE, NULL}, PF},
        {{"If-Match", "etag", "x-amz-if-match-size", "11", NULL}, PF},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_conditions c;
        begin(&t, "DELETE", cases[i].headers);
        assert_int_equal(s3_conditions_parse(&t.request, LATER, &c, &t.error), S3_OK);
        assert_int_equal(s3_conditions_delete(&c, &present, &t.error), cases[i].code);
        assert_int_equal(s3_conditions_delete(&c, &absent, &t.error), S3_OK);
        testing_free(&t);
    }
    static const struct condition_case bad[] = {
        {{"x-amz-if-match-size", "ten", NULL}, S3_ERR_INVALID_ARGUMENT},
        {{"x-amz-if-match-size", "-1", NULL}, S3_ERR_INVALID_ARGUMENT},
        {{"x-amz-if-match-last-modified-time", "soon", NULL}, S3_ERR_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct testing_request t;
        struct s3_conditions c;
        begin(&t, "DELETE", bad[i].headers);
        assert_int_equal(s3_conditions_parse(&t.request, LATER, &c, &t.error), bad[i].code);
        testing_free(&t);
    }
}

/* ---- ranges ---- */

struct range_case {
    const char *range;
    const char *if_range; /* or NULL */
    u64 size;
    const char *want; /* Content-Range; "whole"; "416" */
};

static void ranges(void **state)
{
    (void)state;
    static const struct range_case cases[] = {
        {"bytes=0-9", NULL, 100, "bytes 0-9/100"},
        {"bytes=0-0", NULL, 1, "bytes 0-0/1"},
        {"bytes=4-", NULL, 100, "bytes 4-99/100"},
        {"bytes=-7", NULL, 100, "bytes 93-99/100"},
        {"bytes=-700", NULL, 100, "bytes 0-99/100"},
        {"bytes=90-1000", NULL, 100, "bytes 90-99/100"},
        {"bytes=0-18446744073709551615", NULL, 100, "bytes 0-99/100"},
        {"bytes=0-99999999999999999999999", NULL, 100, "bytes 0-99/100"},
        {"Bytes=0-9", NULL, 100, "bytes 0-9/100"},
        {" bytes= 0 - 9 ", NULL, 100, "bytes 0-9/100"},
        {"bytes=100-", NULL, 100, "416"},
        {"bytes=100-200", NULL, 100, "416"},
        {"bytes=40-50", NULL, 5, "416"},
        {"bytes=99999999999999999999999-", NULL, 100, "416"},
        {"bytes=-0", NULL, 100, "416"},
        {"bytes=0-", NULL, 0, "416"},
        {"bytes=-1", NULL, 0, "416"},
        {"bytes=0-0", NULL, 0, "416"},
        {"bytes=5-4", NULL, 100, "whole"},
        {"bytes=0-2,4-5", NULL, 100, "whole"},
        {"bytes=", NULL, 100, "whole"},
        {"bytes=-", NULL, 100, "whole"},
        {"bytes=a-b", NULL, 100, "whole"},
        {"bytes=1", NULL, 100, "whole"},
        {"bytes 1-2", NULL, 100, "whole"},
        {"items=1-2", NULL, 100, "whole"},
        {"0-9", NULL, 100, "whole"},
        {"", NULL, 100, "whole"},
        {"bytes=0-9", "\"etag\"", 100, "bytes 0-9/100"},
        {"bytes=0-9", "\"other\"", 100, "whole"},
        {"bytes=0-9", "W/\"etag\"", 100, "whole"},
        {"bytes=0-9", D_AT, 100, "bytes 0-9/100"},
        {"bytes=0-9", D_BEFORE, 100, "whole"},
        {"bytes=500-", "\"other\"", 100, "whole"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *headers[] = {"Range", cases[i].range, cases[i].if_range ? "If-Range" : NULL,
                                 cases[i].if_range, NULL};
        struct testing_request t;
        struct s3_range range;
        begin(&t, "GET", headers);
        enum s3_code code = s3_range_parse(&t.request, cases[i].size, present.etag,
                                           present.modified_ms, LATER, &range, &t.error);
        char text[S3_CONTENT_RANGE_BYTES] = "whole";
        if (code != S3_OK) {
            assert_int_equal(code, S3_ERR_INVALID_RANGE);
            assert_true(bytes_eq_str(s3_error_find(&t.error, "RangeRequested"), cases[i].range));
            memcpy(text, "416", 4);
        } else if (range.kind == S3_RANGE_PART) {
            s3_range_header(text, &range, cases[i].size);
        } else {
            assert_true(range.offset == 0 && range.len == cases[i].size);
        }
        assert_string_equal(text, cases[i].want);
        testing_free(&t);
    }
}

static void copy_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        enum s3_code code;
        u64 offset;
        u64 len;
    } cases[] = {
        {"bytes=0-4", S3_OK, 0, 5},
        {"bytes=2-2", S3_OK, 2, 1},
        {"bytes=0-5", S3_ERR_INVALID_RANGE, 0, 0},
        {"bytes=0-21", S3_ERR_INVALID_RANGE, 0, 0},
        {"0-2", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=0", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=0-", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=-2", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=hello-world", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=0-bar", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=hello-", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=0-2,3-5", S3_ERR_INVALID_ARGUMENT, 0, 0},
        {"bytes=3-2", S3_ERR_INVALID_ARGUMENT, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *headers[] = {"x-amz-copy-source-range", cases[i].range, NULL};
        struct testing_request t;
        struct s3_range range;
        begin(&t, "PUT", headers);
        enum s3_code code = s3_range_copy_parse(&t.request, 5, &range, &t.error);
        assert_int_equal(code, cases[i].code);
        if (code == S3_OK) {
            assert_true(range.offset == cases[i].offset && range.len == cases[i].len);
        }
        testing_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_dates),   cmocka_unit_test(dates_around_the_calendar),
        cmocka_unit_test(iso_dates),    cmocka_unit_test(reads),
        cmocka_unit_test(copy_sources), cmocka_unit_test(writes),
        cmocka_unit_test(deletes),      cmocka_unit_test(ranges),
        cmocka_unit_test(copy_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
