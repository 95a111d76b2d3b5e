/* date.h: the dates of HTTP and S3.
 *
 * Times are seconds since 1970-01-01T00:00:00Z in an i64, without leap seconds; object times are
 * milliseconds in a u64. Nothing here reads a clock: the present is always an argument.
 *
 * Parsers are strict about digits and ranges (29 February only in leap years) and accept years
 * 1 to 9999. HTTP dates come in the three forms of RFC 9110 §5.6.7: IMF-fixdate, RFC 850 with a
 * two-digit year (which is read as the one nearest to `now_s`, at most 50 years ahead) and asctime.
 */
#ifndef GATEWAY_S3_DATE_H
#define GATEWAY_S3_DATE_H

#include "base/bytes.h"

#define S3_HTTP_DATE_BYTES 30  /* "Sun, 06 Nov 1994 08:49:37 GMT" and a zero */
#define S3_ISO_DATE_BYTES 25   /* "1994-11-06T08:49:37.000Z" and a zero */
#define S3_BASIC_DATE_BYTES 17 /* "19941106T084937Z" and a zero */

/* s3_date_read_http: any of the three forms; the weekday is not compared with the date. */
MUST_USE bool s3_date_read_http(i64 *ret_s, bytes text, i64 now_s);
/* s3_date_read_basic: "YYYYMMDDTHHMMSSZ", the form of x-amz-date. */
MUST_USE bool s3_date_read_basic(i64 *ret_s, bytes text);
/* s3_date_read_iso: "YYYY-MM-DDTHH:MM:SS", optional fraction (dropped), then Z or +HH:MM. */
MUST_USE bool s3_date_read_iso(i64 *ret_s, bytes text);

/* Writers; out of range (before year 1 or after 9999) is a bug. */
void s3_date_write_http(char out[S3_HTTP_DATE_BYTES], i64 s);
void s3_date_write_iso(char out[S3_ISO_DATE_BYTES], u64 ms);
void s3_date_write_basic(char out[S3_BASIC_DATE_BYTES], i64 s);

#endif
