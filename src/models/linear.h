/* x W + b: W [I, O], b [O]. The inputs of a row lie side by side in vectors, W transposed. */

#define IV VECTORS(I)
#define INPUT (IV * WIDTH) /* numbers from one row of inputs to the next: those past I are 0 */
enum { W1 = 0, B1 = W1 + O * IV * WIDTH, SIZE = B1 + BIASES * PADDED(O), HOLES = I % WIDTH || (BIASES && O % WIDTH) };

/* From torch's order [N] to the padded one [SIZE] (to: 1), or back. */
IN void move(real *flat, real *own, int to)
{
    int k = 0;
    for (int i = 0; i < I; i++)
        for (int o = 0; o < O; o++) NUMBER(W1 + o * IV * WIDTH + i);
    for (int o = 0; o < BIASES * O; o++) NUMBER(B1 + o);
}

/* The loss of R rows before it is averaged; `g` is added to. `scale` is what a row counts in the mean. */
IN real some_rows(const int R, const real *w, real *g, const real *const *x, const real *const *y, real scale)
{
    const vec *w1 = (const vec *)(w + W1);
    vec *g1 = (vec *)(g + W1);
    real q[R][O], total = 0;

    for (int r = 0; r < R; r++) {
        const vec *xs = (const vec *)x[r];
        real p[O];
        for (int o = 0; o < O; o++) {
            vec each = all(0);
            for (int k = 0; k < IV; k++) each += xs[k] * w1[o * IV + k];
            p[o] = sum(each) + (BIASES ? w[B1 + o] : 0);
        }
        total += LOSS(p, y[r], q[r]);
        for (int o = 0; o < O; o++) q[r][o] *= scale;
    }
    for (int o = 0; o < O; o++) {
        for (int k = 0; k < IV; k++) {
            vec each = g1[o * IV + k];
            for (int r = 0; r < R; r++) each += q[r][o] * ((const vec *)x[r])[k];
            g1[o * IV + k] = each;
        }
        for (int r = 0; BIASES && r < R; r++) g[B1 + o] += q[r][o];
    }
    return total;
}
