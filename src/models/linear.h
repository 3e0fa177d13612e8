/* x W + b: W [I, O], b [O]. The inputs of a row lie side by side in vectors, W transposed. */

#define IV VECTORS(I)
#define KEPT 0 /* vectors of a row from forward for backward */
#define INPUT PADDED(I) /* numbers from one row of inputs to the next: those past I are 0 */
enum { W1 = 0, B1 = W1 + O * INPUT, SIZE = B1 + BIASES * O };

/* Where number n of torch's order [N] lies. */
IN int place(int n) { return n < I * O ? W1 + n % O * INPUT + n / O : B1 + n - I * O; }

/* The predictions `p` of TOGETHER rows from `r` on. */
IN void forward(int r, const real *w, const real *const *x, vec (*kept)[KEPT], vec *p)
{
    const vec *w1 = (const vec *)(w + W1);
    for (int o = 0; o < O; o++)
        for (int n = r; n < r + TOGETHER; n++) {
            vec each = all(0);
            for (int k = 0; k < IV; k++) each += ((const vec *)x[n])[k] * w1[o * IV + k];
            p[o][n] = sum(each) + (BIASES ? w[B1 + o] : 0);
        }
}

/* Adds their part to the gradient `g`, by the slopes `q` of the loss by their predictions. */
IN void backward(int r, const real *w, real *g, const real *const *x, vec (*kept)[KEPT], const vec *q)
{
    vec *g1 = (vec *)(g + W1);
    for (int o = 0; o < O; o++) {
        for (int k = 0; k < IV; k++)
            for (int n = r; n < r + TOGETHER; n++) g1[o * IV + k] += q[o][n] * ((const vec *)x[n])[k];
        for (int n = r; BIASES && n < r + TOGETHER; n++) g[B1 + o] += q[o][n];
    }
}
