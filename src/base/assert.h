/* assert.h: bugs.
 *
 * assert_that() is never compiled out: a broken invariant ends the process before it can spread,
 * and crash recovery is a path that is tested all the time.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

__attribute__((noreturn, cold)) void assert_failed(const char *expr, const char *file, int line);

#define assert_that(expr) ((expr) ? (void)0 : assert_failed(#expr, __FILE__, __LINE__))

/* unreachable_case: for enum switches without default. */
#define unreachable_case() assert_failed("unreachable", __FILE__, __LINE__)

#endif
