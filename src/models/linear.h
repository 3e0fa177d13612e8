/* x W + b: W [I, O], b [O]. The inputs of a row lie side by side in vectors, W transposed. */

#define IV VECTORS(I)
#define INPUT PADDED(I) /* numbers from one row of inputs to the next: those past I are 0 */
enum { W1 = 0, B1 = W1 + O * INPUT, SIZE = B1 + BIASES * O };

/* Where number n of torch's order [N] lies. */
IN int place(int n) { return n < I * O ? W1 + n % O * INPUT + n / O : B1 + n - I * O; }

/* The loss of R rows before it is averaged; `g` is added to. `scale` is what a row counts in the mean. */
IN real some_rows(const int R, const real *w, real *g, const real *const *x, const real *const *y, real scale)
{
    const vec *w1 = (const vec *)(w + W1);
    vec *g1 = (vec *)(g + W1), p[O], q[O];

    for (int o = 0; o < O; o++) {
        p[o] = all(0);
        for (int r = 0; r < R; r++) {
            vec each = all(0);
            for (int k = 0; k < IV; k++) each += ((const vec *)x[r])[k] * w1[o * IV + k];
            p[o][r] = sum(each) + (BIASES ? w[B1 + o] : 0);
        }
    }
    const real total = rows_loss(R, p, y, q);
    for (int o = 0; o < O; o++) {
        q[o] *= scale;
        for (int k = 0; k < IV; k++)
            for (int r = 0; r < R; r++) g1[o * IV + k] += q[o][r] * ((const vec *)x[r])[k];
        for (int r = 0; BIASES && r < R; r++) g[B1 + o] += q[o][r];
    }
    return total;
}
