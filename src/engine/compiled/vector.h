/* Numbers side by side: vectors of WIDTH reals as GCC and Clang have them, and what libm has only for one at a time. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef REAL real;
typedef INTEGER integer; /* as wide as a real: what a comparison of vectors gives */
typedef real vec __attribute__((vector_size(WIDTH * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef integer mask __attribute__((vector_size(WIDTH * sizeof(real))));

#define MANTISSA (SINGLE ? 23 : 52) /* bits */
#define EXPONENT (SINGLE ? 127 : 1023) /* of 1, as it is stored */
#define ROUND (real)(SINGLE ? 0x1.8p23 : 0x1.8p52) /* added and taken away, it leaves a whole number */
#define LOWEST (real)(SINGLE ? -104 : -746) /* e^x is 0 below */
#define HIGHEST (real)(SINGLE ? 89 : 710) /* and infinite above */
#define SQUARE_ROOT_HALF (SINGLE ? 0x3f3504f3 : 0x3fe6a09e667f3bcd) /* its bits */
#define LOG2_HIGH (real)(SINGLE ? 6.9313812256e-01 : 6.93147180369123816490e-01)
#define LOG2_LOW (real)(SINGLE ? 9.0580006145e-06 : 1.90821492927058770002e-10)
#define TOGETHER 4 /* rows of a batch; no more than WIDTH */
#define VECTORS(n) (((n) + WIDTH - 1) / WIDTH)
#define PADDED(n) (VECTORS(n) * WIDTH)
#define EACH for (int i = 0; i < SIZE; i += LANES) for (int l = 0; l < LANES; l++) /* number of each member */
#define IN static inline __attribute__((always_inline))

IN vec all(real x) { return x - (vec){0}; }

IN real sum(vec x)
{
    typedef real quarter __attribute__((vector_size(4 * sizeof(real))));
    quarter part[WIDTH / 4];
    memcpy(part, &x, sizeof x);
    for (int k = 1; k < WIDTH / 4; k++) part[0] += part[k];
    return (part[0][0] + part[0][2]) + (part[0][1] + part[0][3]);
}

IN vec choose(mask take, vec a, vec b) { return (vec)(((mask)a & take) | ((mask)b & ~take)); }

/* 2^n for whole n between the exponents of the smallest and the largest normal number */
IN vec power_of_two(vec n)
{
    mask bits = (__builtin_convertvector(n, mask) + EXPONENT) << MANTISSA;
    vec made;
    memcpy(&made, &bits, sizeof made);
    return made;
}

/* e^r - 1, where x = n log 2 + r: the first terms of its series, r (1 + r/2 (1 + r/3 (...))) */
IN vec reduced(vec x, vec *n)
{
    *n = (x * (real)1.44269504088896340736 + ROUND) - ROUND;
    vec r = x - *n * LOG2_HIGH - *n * LOG2_LOW, series = all(1);
    for (int k = SINGLE ? 7 : 13; k > 1; k--) series = 1 + series * (r * (1 / (real)k));
    return r * series;
}

/* e^x within 2 units in the last place */
IN vec exponential(vec x)
{
    vec y = choose(x < LOWEST, all(LOWEST), choose(x > HIGHEST, all(HIGHEST), x)), n;
    vec p = 1 + reduced(y, &n), half = (n * (real)0.5 + ROUND) - ROUND; /* in two steps, for what is below normal */
    p = p * power_of_two(half) * power_of_two(n - half);
    return choose(x != x, x, p);
}

/* log x of positive normal numbers within 1 unit in the last place, put together as in fdlibm (Sun 1993, e_log.c) */
IN vec logarithm(vec x)
{
    mask bits;
    memcpy(&bits, &x, sizeof bits);
    mask exponent = (bits - SQUARE_ROOT_HALF) >> MANTISSA; /* x = m 2^n with m from √½ to √2 */
    bits -= exponent << MANTISSA;
    vec n = __builtin_convertvector(exponent, vec), m;
    memcpy(&m, &bits, sizeof m);
    vec f = m - 1, s = f / (2 + f), t = s * s, half = f * f * (real)0.5, r = all(0);
    for (int k = SINGLE ? 4 : 9; k; k--) r = r * t + 2 / (real)(2 * k + 1); /* log m = 2 (s + s^3/3 + s^5/5 + ...) */
    return choose(x != x, x, n * LOG2_HIGH - ((half - (s * (half + r * t) + n * LOG2_LOW)) - f));
}

/* tanh x = e / (e + 2) with e = e^2x - 1, which near 0 is as exact as x */
IN vec activate_tanh(vec x)
{
    vec size = choose(x < 0, -x, x), n, e;
    e = reduced(choose(size > 20, all(40), size + size), &n); /* from 20 on it is 1 */
    vec power = power_of_two(n);
    e = e * power + (power - 1);
    vec y = e / (e + 2);
    return choose(x < 0, -y, y);
}

IN vec activate_sigmoid(vec x)
{
    vec small = exponential(choose(x < 0, x, -x)); /* e^-|x| never overflows */
    return choose(x < 0, small, all(1)) / (1 + small);
}
