#include "gateway/s3/date.h"

#include "base/assert.h"

#define DAY_S 86400

struct civil {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
    int hour;
    int minute;
    int second;
};

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int days_of_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* days_before_year: from 1 January of year 1 to 1 January of `year`. */
static i64 days_before_year(int year)
{
    i64 y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

/* first_s, end_s: the years 1 to 9999. */
static i64 first_s(void) { return -days_before_year(1970) * DAY_S; }
static i64 end_s(void) { return (days_before_year(10000) - days_before_year(1970)) * DAY_S; }

static bool civil_to_s(i64 *ret_s, const struct civil *c)
{
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_of_month(c->year, c->month) || c->hour > 23 || c->minute > 59 ||
        c->second > 60) {
        return false;
    }
    i64 days = days_before_year(c->year) - days_before_year(1970) + c->day - 1;
    for (int m = 1; m < c->month; m++) {
        days += days_of_month(c->year, m);
    }
    /* A leap second counts as the second before it. */
    int second = c->second == 60 ? 59 : c->second;
    *ret_s = days * DAY_S + c->hour * 3600 + c->minute * 60 + second;
    return true;
}

/* s_to_civil: *ret_weekday is 0 for Sunday. */
static void s_to_civil(struct civil *ret, int *ret_weekday, i64 s)
{
    i64 days = s / DAY_S - (s % DAY_S < 0);
    i64 rest = s - days * DAY_S;
    i64 since_year_1 = days + days_before_year(1970);
    assert_that(since_year_1 >= 0 && since_year_1 < days_before_year(10000));
    *ret_weekday = (int)((since_year_1 + 1) % 7); /* 1 January of year 1 was a Monday */
    int year = (int)(since_year_1 / 366) + 1;
    while (days_before_year(year + 1) <= since_year_1) {
        year++;
    }
    i64 left = since_year_1 - days_before_year(year);
    int month = 1;
    while (left >= days_of_month(year, month)) {
        left -= days_of_month(year, month);
        month++;
    }
    *ret = (struct civil){
        year, month, (int)left + 1, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)};
}

/* A scanner over text; the first mismatch latches `failed`. */
struct scan {
    bytes left;
    bool failed;
};

static void scan_literal(struct scan *scan, const char *literal)
{
    bytes want = bytes_str(literal);
    if (scan->failed || !bytes_starts_with(scan->left, want)) {
        scan->failed = true;
        return;
    }
    scan->left = bytes_slice(scan->left, want.len, scan->left.len - want.len);
}

static int scan_digits(struct scan *scan, size_t count)
{
    if (scan->failed || scan->left.len < count) {
        scan->failed = true;
        return 0;
    }
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        u8 c = scan->left.data[i];
        if (c < '0' || c > '9') {
            scan->failed = true;
            return 0;
        }
        v = v * 10 + (c - '0');
    }
    scan->left = bytes_slice(scan->left, count, scan->left.len - count);
    return v;
}

/* scan_name: index of the 3-letter name that comes next. */
static int scan_name(struct scan *scan, const char (*names)[4], int count)
{
    for (int i = 0; !scan->failed && i < count; i++) {
        if (bytes_starts_with(scan->left, bytes_str(names[i]))) {
            scan->left = bytes_slice(scan->left, 3, scan->left.len - 3);
            return i;
        }
    }
    scan->failed = true;
    return 0;
}

static void scan_clock(struct scan *scan, struct civil *c)
{
    c->hour = scan_digits(scan, 2);
    scan_literal(scan, ":");
    c->minute = scan_digits(scan, 2);
    scan_literal(scan, ":");
    c->second = scan_digits(scan, 2);
}

static bool scan_end(i64 *ret_s, const struct scan *scan, const struct civil *c)
{
    return !scan->failed && scan->left.len == 0 && civil_to_s(ret_s, c);
}

static bool read_imf(i64 *ret_s, bytes text)
{
    struct scan scan = {text, false};
    struct civil c = {0};
    scan_name(&scan, day_names, 7);
    scan_literal(&scan, ", ");
    c.day = scan_digits(&scan, 2);
    scan_literal(&scan, " ");
    c.month = scan_name(&scan, month_names, 12) + 1;
    scan_literal(&scan, " ");
    c.year = scan_digits(&scan, 4);
    scan_literal(&scan, " ");
    scan_clock(&scan, &c);
    /* "+0000" is what mail libraries write; old S3 tools send it. */
    if (bytes_eq_str(scan.left, " +0000")) {
        scan_literal(&scan, " +0000");
    } else {
        scan_literal(&scan, " GMT");
    }
    return scan_end(ret_s, &scan, &c);
}

static bool read_rfc850(i64 *ret_s, bytes text, i64 now_s)
{
    static const char *const rest_of_day[7] = {"day",   "day", "sday", "nesday",
                                               "rsday", "day", "urday"};
    struct scan scan = {text, false};
    struct civil c = {0};
    int day = scan_name(&scan, day_names, 7);
    scan_literal(&scan, rest_of_day[day]);
    scan_literal(&scan, ", ");
    c.day = scan_digits(&scan, 2);
    scan_literal(&scan, "-");
    c.month = scan_name(&scan, month_names, 12) + 1;
    scan_literal(&scan, "-");
    int two_digits = scan_digits(&scan, 2);
    scan_literal(&scan, " ");
    scan_clock(&scan, &c);
    scan_literal(&scan, " GMT");
    struct civil now;
    int weekday;
    s_to_civil(&now, &weekday, now_s);
    c.year = now.year - now.year % 100 + two_digits;
    if (c.year > now.year + 50) {
        c.year -= 100;
    } else if (c.year <= now.year - 50) {
        c.year += 100;
    }
    return scan_end(ret_s, &scan, &c);
}

static bool read_asctime(i64 *ret_s, bytes text)
{
    struct scan scan = {text, false};
    struct civil c = {0};
    scan_name(&scan, day_names, 7);
    scan_literal(&scan, " ");
    c.month = scan_name(&scan, month_names, 12) + 1;
    scan_literal(&scan, " ");
    if (bytes_starts_with(scan.left, bytes_str(" "))) {
        scan_literal(&scan, " ");
        c.day = scan_digits(&scan, 1);
    } else {
        c.day = scan_digits(&scan, 2);
    }
    scan_literal(&scan, " ");
    scan_clock(&scan, &c);
    scan_literal(&scan, " ");
    c.year = scan_digits(&scan, 4);
    return scan_end(ret_s, &scan, &c);
}

bool s3_date_read_http(i64 *ret_s, bytes text, i64 now_s)
{
    return read_imf(ret_s, text) || read_rfc850(ret_s, text, now_s) || read_asctime(ret_s, text);
}

bool s3_date_read_basic(i64 *ret_s, bytes text)
{
    struct scan scan = {text, false};
    struct civil c = {0};
    c.year = scan_digits(&scan, 4);
    c.month = scan_digits(&scan, 2);
    c.day = scan_digits(&scan, 2);
    scan_literal(&scan, "T");
    c.hour = scan_digits(&scan, 2);
    c.minute = scan_digits(&scan, 2);
    c.second = scan_digits(&scan, 2);
    scan_literal(&scan, "Z");
    return scan_end(ret_s, &scan, &c);
}

/* scan_fraction: ".123456", dropped. */
static void scan_fraction(struct scan *scan)
{
    if (!bytes_starts_with(scan->left, bytes_str("."))) {
        return;
    }
    scan_literal(scan, ".");
    scan_digits(scan, 1);
    while (!scan->failed && scan->left.len > 0 && scan->left.data[0] >= '0' &&
           scan->left.data[0] <= '9') {
        scan_digits(scan, 1);
    }
}

/* scan_zone: seconds east of UTC. */
static i64 scan_zone(struct scan *scan)
{
    if (bytes_eq_str(scan->left, "Z")) {
        scan_literal(scan, "Z");
        return 0;
    }
    bool west = bytes_starts_with(scan->left, bytes_str("-"));
    scan_literal(scan, west ? "-" : "+");
    int hours = scan_digits(scan, 2);
    scan_literal(scan, ":");
    int minutes = scan_digits(scan, 2);
    scan->failed = scan->failed || hours > 23 || minutes > 59;
    i64 offset = hours * 3600 + minutes * 60;
    return west ? -offset : offset;
}

bool s3_date_read_iso(i64 *ret_s, bytes text)
{
    struct scan scan = {text, false};
    struct civil c = {0};
    c.year = scan_digits(&scan, 4);
    scan_literal(&scan, "-");
    c.month = scan_digits(&scan, 2);
    scan_literal(&scan, "-");
    c.day = scan_digits(&scan, 2);
    scan_literal(&scan, "T");
    scan_clock(&scan, &c);
    scan_fraction(&scan);
    i64 zone = scan_zone(&scan);
    i64 s;
    if (!scan_end(&s, &scan, &c) || s - zone < first_s() || s - zone >= end_s()) {
        return false;
    }
    *ret_s = s - zone;
    return true;
}

/* put_digits: exactly `count` digits of v. */
static char *put_digits(char *out, int v, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return out + count;
}

static char *put_text(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return out + len;
}

static char *put_clock(char *out, const struct civil *c)
{
    out = put_text(put_digits(out, c->hour, 2), ":");
    out = put_text(put_digits(out, c->minute, 2), ":");
    return put_digits(out, c->second, 2);
}

void s3_date_write_http(char out[S3_HTTP_DATE_BYTES], i64 s)
{
    struct civil c;
    int weekday;
    s_to_civil(&c, &weekday, s);
    char *at = put_text(put_text(out, day_names[weekday]), ", ");
    at = put_text(put_digits(at, c.day, 2), " ");
    at = put_text(put_text(at, month_names[c.month - 1]), " ");
    at = put_text(put_digits(at, c.year, 4), " ");
    put_text(put_clock(at, &c), " GMT");
}

void s3_date_write_iso(char out[S3_ISO_DATE_BYTES], u64 ms)
{
    struct civil c;
    int weekday;
    s_to_civil(&c, &weekday, (i64)(ms / 1000));
    char *at = put_text(put_digits(out, c.year, 4), "-");
    at = put_text(put_digits(at, c.month, 2), "-");
    at = put_text(put_digits(at, c.day, 2), "T");
    at = put_text(put_clock(at, &c), ".");
    put_text(put_digits(at, (int)(ms % 1000), 3), "Z");
}

void s3_date_write_basic(char out[S3_BASIC_DATE_BYTES], i64 s)
{
    struct civil c;
    int weekday;
    s_to_civil(&c, &weekday, s);
    char *at = put_digits(put_digits(put_digits(out, c.year, 4), c.month, 2), c.day, 2);
    at = put_digits(put_digits(put_text(at, "T"), c.hour, 2), c.minute, 2);
    put_text(put_digits(at, c.second, 2), "Z");
}
