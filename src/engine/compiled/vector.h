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

/* e^x within 2 units in the last place, by the method and the coefficients of Cephes (Moshier 1989) */
IN vec exponential(vec x)
{
    const real round = SINGLE ? 0x1.8p23 : 0x1.8p52; /* added and taken away, it leaves a whole number */
    vec y = choose(x < LOWEST, all(LOWEST), x), p;
    y = choose(y > HIGHEST, all(HIGHEST), y);
    vec n = (y * (real)1.44269504088896340736 + round) - round;
    if (SINGLE) {
        vec r = y - n * (real)0.693359375 - n * (real)-2.12194440e-4;
        p = all(1.9875691500e-4);
        p = p * r + (real)1.3981999507e-3;
        p = p * r + (real)8.3334519073e-3;
        p = p * r + (real)4.1665795894e-2;
        p = p * r + (real)1.6666665459e-1;
        p = p * r + (real)5.0000001201e-1;
        p = p * (r * r) + r + 1;
    } else {
        vec r = y - n * (real)6.93145751953125e-1 - n * (real)1.42860682030941723212e-6, s = r * r;
        vec a = r * ((s * (real)1.26177193074810590878e-4 + (real)3.02994407707441961300e-2) * s + (real)9.99999999999999999910e-1);
        vec b = ((s * (real)3.00198505138664455042e-6 + (real)2.52448340349684104192e-3) * s + (real)2.27265548208155028766e-1) * s + 2;
        p = 1 + 2 * (a / (b - a));
    }
    vec half = (n * (real)0.5 + round) - round; /* in two steps, so that numbers below the normal ones are reached */
    p = p * power_of_two(half) * power_of_two(n - half);
    return choose(x != x, x, p);
}

/* log x of positive normal numbers within 1 unit in the last place, as fdlibm has it (Sun 1993, e_log.c) */
IN vec logarithm(vec x)
{
    mask bits;
    memcpy(&bits, &x, sizeof bits);
    mask exponent = (bits - SQUARE_ROOT_HALF) >> MANTISSA; /* x = m 2^n with m from √½ to √2 */
    bits -= exponent << MANTISSA;
    vec n = __builtin_convertvector(exponent, vec), m;
    memcpy(&m, &bits, sizeof m);
    vec f = m - 1, s = f / (2 + f), t = s * s, half = f * f * (real)0.5, r = all(1.479819860511658591e-01);
    r = r * t + (real)1.531383769920937332e-01;
    r = r * t + (real)1.818357216161805012e-01;
    r = r * t + (real)2.222219843214978396e-01;
    r = r * t + (real)2.857142874366239149e-01;
    r = r * t + (real)3.999999999940941908e-01;
    r = r * t + (real)6.666666666666735130e-01;
    return choose(x != x, x, n * LOG2_HIGH - ((half - (s * (half + r * t) + n * LOG2_LOW)) - f));
}

/* tanh x: near 0 by the rational functions of Cephes, else by e^2x */
IN vec activate_tanh(vec x)
{
    vec size = choose(x < 0, -x, x), s = x * x, near;
    if (SINGLE)
        near = ((((s * (real)-5.70498872745e-3 + (real)2.06390887954e-2) * s - (real)5.37397155531e-2) * s
                + (real)1.33314422036e-1) * s - (real)3.33332819422e-1) * s * x + x;
    else
        near = x + x * s * ((s * (real)-9.64399179425052238628e-1 - (real)9.92877231001918586564e1) * s - (real)1.61468768441708447952e3)
               / (((s + (real)1.12811678491632931402e2) * s + (real)2.23548839060100448583e3) * s + (real)4.84406305325125486048e3);
    vec far = 1 - 2 / (exponential(size + size) + 1);
    return choose(size < (real)0.625, near, choose(x < 0, -far, far));
}

IN vec activate_sigmoid(vec x)
{
    vec small = exponential(choose(x < 0, x, -x)); /* e^-|x| never overflows */
    return choose(x < 0, small, all(1)) / (1 + small);
}
