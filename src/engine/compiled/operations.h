/* The element-wise operations of torch that rules are made of: names and arguments are those of ATen. */

#define OF(name) IN real aten_##name /* of numbers, a number */
#define IF(name) IN integer aten_##name /* of anything, 1 or 0 */

OF(add)(real a, real b, real alpha) { return a + alpha * b; }
OF(sub)(real a, real b, real alpha) { return a - alpha * b; }
OF(rsub)(real a, real b, real alpha) { return b - alpha * a; }
OF(mul)(real a, real b) { return a * b; }
OF(div)(real a, real b) { return a / b; }
OF(reciprocal)(real a) { return 1 / a; }
OF(neg)(real a) { return -a; }
OF(abs)(real a) { return a < 0 ? -a : a; }
OF(sign)(real a) { return a > 0 ? 1 : a < 0 ? -1 : 0; }
OF(sqrt)(real a) { return SINGLE ? sqrtf(a) : sqrt(a); }
OF(square)(real a) { return a * a; }
OF(lerp)(real a, real b, real t) { return aten_abs(t) < (real)0.5 ? a + t * (b - a) : b - (b - a) * (1 - t); }
OF(addcmul)(real a, real b, real c, real value) { return a + value * b * c; }
OF(addcdiv)(real a, real b, real c, real value) { return a + value * b / c; }
OF(maximum)(real a, real b) { return a > b || a != a ? a : b; } /* NaN, where one of them is */
OF(minimum)(real a, real b) { return a < b || a != a ? a : b; }
OF(clamp_min)(real a, real low) { return aten_maximum(a, low); }
OF(clamp_max)(real a, real high) { return aten_minimum(a, high); }
OF(clamp)(real a, real low, real high) { return aten_minimum(aten_maximum(a, low), high); }
OF(where)(integer take, real a, real b) { return take ? a : b; }
OF(masked_fill)(real a, integer take, real b) { return take ? b : a; }
OF(clone)(real a) { return a; }
OF(copy)(real a, real b) { return b; }
OF(full_like)(real a, real b) { return b; }
OF(ones_like)(real a) { return 1; }
OF(zeros_like)(real a) { return 0; }
OF(scalar_tensor)(real a) { return a; }
IF(eq)(real a, real b) { return a == b; }
IF(ne)(real a, real b) { return a != b; }
IF(lt)(real a, real b) { return a < b; }
IF(le)(real a, real b) { return a <= b; }
IF(gt)(real a, real b) { return a > b; }
IF(ge)(real a, real b) { return a >= b; }
IF(bitwise_and)(integer a, integer b) { return a & b; }
IF(bitwise_or)(integer a, integer b) { return a | b; }
IF(bitwise_not)(integer a) { return !a; }
IF(logical_and)(integer a, integer b) { return a & b; }
IF(logical_not)(integer a) { return !a; }
