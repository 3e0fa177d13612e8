/* Losses of several rows, or several members, side by side in the lanes of vectors, with O outputs: of each lane its
   part before it is averaged, and the slope of that by each prediction. The formulas are those of the classes. */

#define OUTPUTS for (int o = 0; o < O; o++)

IN vec squares(const vec *p, const vec *y, vec *slope)
{
    vec total = all(0);
    OUTPUTS {
        vec error = p[o] - y[o];
        total += error * error;
        slope[o] = 2 * error;
    }
    return total;
}

#ifdef DELTA
IN vec huber(const vec *p, const vec *y, vec *slope)
{
    vec total = all(0);
    OUTPUTS {
        vec error = p[o] - y[o];
        slope[o] = choose(error > DELTA, all(DELTA), choose(error < -DELTA, all(-DELTA), error));
        total += slope[o] * (error - slope[o] / 2);
    }
    return total;
}
#endif

IN vec logistic(const vec *p, const vec *y, vec *slope)
{
    vec total = all(0);
    OUTPUTS {
        vec sign = 2 * y[o] - 1, margin = sign * p[o];
        vec odds = exponential(choose(margin < 0, margin, -margin)); /* of the less probable one */
        vec whole = 1 + odds; /* rounded: what it is short of 1 + odds is added below */
        total += choose(margin < 0, -margin, all(0)) + logarithm(whole) - ((whole - 1) - odds) / whole;
        slope[o] = -sign * choose(margin < 0, all(1), odds) / whole;
    }
    return total;
}

IN vec cross_entropy(const vec *p, const vec *y, vec *slope)
{
    vec highest = p[0], whole = all(0), total = all(0);
    OUTPUTS highest = choose((p[o] > highest) | (p[o] != p[o]), p[o], highest);
    OUTPUTS whole += slope[o] = exponential(p[o] - highest);
    OUTPUTS {
        total += y[o] * (logarithm(whole) - (p[o] - highest));
        slope[o] = slope[o] / whole - y[o];
    }
    return total;
}

IN vec poisson(const vec *p, const vec *y, vec *slope)
{
    vec total = all(0);
    OUTPUTS {
        slope[o] = exponential(p[o]) - y[o];
        total += slope[o] + y[o] * (logarithm(choose(y[o] < 1, all(1), y[o])) - p[o]);
    }
    return total;
}
