/* The element-wise operations of torch that rules are made of, by their names there. */

IN real mul(real a, real b) { return a * b; }
IN real add(real a, real b, real alpha) { return a + alpha * b; }
IN real sub(real a, real b, real alpha) { return a - alpha * b; }
IN real divide(real a, real b) { return a / b; }
IN real neg(real a) { return -a; }
IN real absolute(real a) { return a < 0 ? -a : a; }
IN real square_root(real a) { return SINGLE ? sqrtf(a) : sqrt(a); }
IN real reciprocal(real a) { return 1 / a; }
IN real sign(real a) { return a > 0 ? 1 : a < 0 ? -1 : 0; }
IN real lerp(real a, real b, real t) { return absolute(t) < (real)0.5 ? a + t * (b - a) : b - (b - a) * (1 - t); }
IN real addcmul(real a, real b, real c, real value) { return a + value * b * c; }
IN real addcdiv(real a, real b, real c, real value) { return a + value * b / c; }
IN real maximum(real a, real b) { return a > b || a != a ? a : b; } /* NaN, where one of them is */
IN real minimum(real a, real b) { return a < b || a != a ? a : b; }
IN real where(integer take, real a, real b) { return take ? a : b; }
#define EACH for (int i = 0; i < SIZE; i += LANES) for (int l = 0; l < LANES; l++) /* numbers of members side by side */
