/* Of one row with O outputs: its part of the loss before it is averaged, and the slope of that by each prediction.

   The formulas are those of the classes of the same names. */

IN real exp1(real x) { return SINGLE ? expf(x) : exp(x); }
IN real log1(real x) { return SINGLE ? logf(x) : log(x); }
IN real log1p1(real x) { return SINGLE ? log1pf(x) : log1p(x); }

IN real squares(const real *p, const real *y, real *slope)
{
    real total = 0;
    for (int o = 0; o < O; o++) {
        real error = p[o] - y[o];
        total += error * error;
        slope[o] = 2 * error;
    }
    return total;
}

#ifdef DELTA
IN real huber(const real *p, const real *y, real *slope)
{
    const real delta = DELTA;
    real total = 0;
    for (int o = 0; o < O; o++) {
        real error = p[o] - y[o];
        slope[o] = error > delta ? delta : error < -delta ? -delta : error;
        total += slope[o] * (error - slope[o] / 2);
    }
    return total;
}
#endif

IN real logistic(const real *p, const real *y, real *slope)
{
    real total = 0;
    for (int o = 0; o < O; o++) {
        real sign = 2 * y[o] - 1, margin = sign * p[o];
        real odds = exp1(margin < 0 ? margin : -margin); /* of the less probable one */
        total += (margin < 0 ? -margin : 0) + log1p1(odds);
        slope[o] = -sign * (margin < 0 ? 1 : odds) / (1 + odds);
    }
    return total;
}

IN real cross_entropy(const real *p, const real *y, real *slope)
{
    real highest = p[0], whole = 0, total = 0;
    for (int o = 1; o < O; o++) highest = p[o] > highest || p[o] != p[o] ? p[o] : highest;
    for (int o = 0; o < O; o++) whole += slope[o] = exp1(p[o] - highest);
    for (int o = 0; o < O; o++) {
        total += y[o] * (log1(whole) - (p[o] - highest));
        slope[o] = slope[o] / whole - y[o];
    }
    return total;
}

IN real poisson(const real *p, const real *y, real *slope)
{
    real total = 0;
    for (int o = 0; o < O; o++) {
        slope[o] = exp1(p[o]) - y[o];
        total += slope[o] + y[o] * (log1(y[o] < 1 ? 1 : y[o]) - p[o]);
    }
    return total;
}
