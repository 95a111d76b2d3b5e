/* bls12_381_map.h: from a field element to the curve, written once for both groups.
 *
 * A template as bls12_381_curve.h, after which it is included; it also wants SSWU_(name) and
 * ISO_(name), the constants of the group's map. RFC 9380: the simplified SWU map to an isogenous
 * curve y² = x³ + A x + B (6.6.2), then the isogeny (6.6.3, appendix E).
 */

/* evaluate: Σ coefficients[i] x^i by Horner's rule; monic: plus x^count. */
static void evaluate(FIELD *out, const FIELD *x, const FIELD *coefficients, size_t count,
                     bool monic)
{
    size_t i = count - 1;
    FIELD r = coefficients[i];
    if (monic) {
        FIELD_(add)(&r, &r, x);
    }
    while (i-- > 0) {
        FIELD_(mul)(&r, &r, x);
        FIELD_(add)(&r, &r, &coefficients[i]);
    }
    *out = r;
}

/* isogeny: (x, y) of the isogenous curve to the curve, without division: with the denominators
 * dx, dy and Z = dx dy, X = nx dx dy² and Y = y ny dx³ dy². A zero denominator means infinity. */
static void isogeny(POINT *out, const FIELD *x, const FIELD *y)
{
    FIELD nx;
    FIELD dx;
    FIELD ny;
    FIELD dy;
    FIELD t;
    evaluate(&nx, x, ISO_(x_num), COUNT_OF(ISO_(x_num)), false);
    evaluate(&dx, x, ISO_(x_den), COUNT_OF(ISO_(x_den)), true);
    evaluate(&ny, x, ISO_(y_num), COUNT_OF(ISO_(y_num)), false);
    evaluate(&dy, x, ISO_(y_den), COUNT_OF(ISO_(y_den)), true);
    FIELD_(mul)(&out->z, &dx, &dy);
    FIELD_(mul)(&t, &out->z, &dy); /* dx dy² */
    FIELD_(mul)(&out->x, &nx, &t);
    FIELD_(sqr)(&dx, &dx);
    FIELD_(mul)(&t, &t, &dx);
    FIELD_(mul)(&t, &t, &ny);
    FIELD_(mul)(&out->y, &t, y);
}

/* curve_value: x³ + A x + B. */
static void curve_value(FIELD *out, const FIELD *x)
{
    FIELD r;
    FIELD_(sqr)(&r, x);
    FIELD_(add)(&r, &r, &SSWU_(a));
    FIELD_(mul)(&r, &r, x);
    FIELD_(add)(out, &r, &SSWU_(b));
}

/* first_x: -B/A (1 + 1 / (Z² u⁴ + Z u²)), or B / (Z A) if that divides by zero; zu = Z u². */
static void first_x(FIELD *out, const FIELD *zu)
{
    FIELD t;
    FIELD denominator;
    FIELD_(sqr)(&t, zu);
    FIELD_(add)(&t, &t, zu);
    if (FIELD_(is_zero)(&t)) {
        FIELD_(mul)(&denominator, &SSWU_(z), &SSWU_(a));
        FIELD_(inv)(&denominator, &denominator);
        FIELD_(mul)(out, &SSWU_(b), &denominator);
        return;
    }
    /* -B (1 + t) / (A t) */
    FIELD_(mul)(&denominator, &SSWU_(a), &t);
    FIELD_(inv)(&denominator, &denominator);
    FIELD_(add)(&t, &t, &FIELD_ONE);
    FIELD_(mul)(&t, &t, &SSWU_(b));
    FIELD_(neg)(&t, &t);
    FIELD_(mul)(out, &t, &denominator);
}

void POINT_(map)(POINT *out, const FIELD *u)
{
    FIELD zu;
    FIELD x;
    FIELD y;
    FIELD value;
    FIELD_(sqr)(&zu, u);
    FIELD_(mul)(&zu, &zu, &SSWU_(z));
    first_x(&x, &zu);
    curve_value(&value, &x);
    if (!FIELD_(sqrt)(&y, &value)) {
        FIELD_(mul)(&x, &x, &zu);
        curve_value(&value, &x);
        /* Z is no square, so one of the two values is. */
        bool found = FIELD_(sqrt)(&y, &value);
        assert_that(found);
    }
    if (FIELD_(sgn0)(u) != FIELD_(sgn0)(&y)) {
        FIELD_(neg)(&y, &y);
    }
    isogeny(out, &x, &y);
}
