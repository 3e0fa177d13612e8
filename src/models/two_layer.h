/* f(x W1 + b1) W2 + b2 and backpropagation through it: W1 [I, H], b1 [H], W2 [H, O], b2 [O].

   The hidden units lie side by side in vectors, W2 transposed; some rows are taken together, so that a weight that is
   read serves all of them, and the hidden layer of none is ever written to memory. */

#define HV VECTORS(H)
#define INPUT I /* numbers from one row of inputs to the next */
enum { W1 = 0, B1 = W1 + I * HV * WIDTH, W2 = B1 + BIASES * HV * WIDTH, B2 = W2 + O * HV * WIDTH,
       SIZE = B2 + BIASES * PADDED(O), HOLES = H % WIDTH || (BIASES && O % WIDTH) };

/* From torch's order [N] to the padded one [SIZE] (to: 1), or back. */
IN void move(real *flat, real *own, int to)
{
    int k = 0;
    for (int i = 0; i < I; i++)
        for (int h = 0; h < H; h++) NUMBER(W1 + i * HV * WIDTH + h);
    for (int h = 0; h < BIASES * H; h++) NUMBER(B1 + h);
    for (int h = 0; h < H; h++)
        for (int o = 0; o < O; o++) NUMBER(W2 + o * HV * WIDTH + h);
    for (int o = 0; o < BIASES * O; o++) NUMBER(B2 + o);
}

IN vec activate_relu(vec z) { return choose(z < 0, all(0), z); }
IN vec slope_relu(vec z, vec a, vec back) { return choose(z > 0, back, all(0)); }
IN vec slope_tanh(vec z, vec a, vec back) { return back * (1 - a * a); }
IN vec slope_sigmoid(vec z, vec a, vec back) { return back * (a * (1 - a)); }
IN vec activate_identity(vec z) { return z; }
IN vec slope_identity(vec z, vec a, vec back) { return back; }

/* The loss of R rows before it is averaged; `g` is added to. `scale` is what a row counts in the mean. */
IN real some_rows(const int R, const real *w, real *g, const real *const *x, const real *const *y, real scale)
{
    const vec *w1 = (const vec *)(w + W1), *b1 = (const vec *)(w + B1), *w2 = (const vec *)(w + W2);
    vec *g1 = (vec *)(g + W1), *gb = (vec *)(g + B1), *g2 = (vec *)(g + W2);
    vec a[R][HV], z[R][HV];
    real q[R][O], total = 0;

    for (int r = 0; r < R; r++)
        for (int k = 0; k < HV; k++) z[r][k] = BIASES ? b1[k] : all(0);
    for (int i = 0; i < I; i++)
        for (int k = 0; k < HV; k++)
            for (int r = 0; r < R; r++) z[r][k] += x[r][i] * w1[i * HV + k];
    for (int r = 0; r < R; r++) {
        real p[O];
        for (int k = 0; k < HV; k++) a[r][k] = ACTIVATE(z[r][k]);
        for (int o = 0; o < O; o++) {
            vec each = all(0);
            for (int k = 0; k < HV; k++) each += a[r][k] * w2[o * HV + k];
            p[o] = sum(each) + (BIASES ? w[B2 + o] : 0);
        }
        total += LOSS(p, y[r], q[r]);
        for (int o = 0; o < O; o++) q[r][o] *= scale;
    }
    for (int r = 0; r < R; r++) {
        for (int o = 0; BIASES && o < O; o++) g[B2 + o] += q[r][o];
        for (int k = 0; k < HV; k++) {
            vec back = all(0);
            for (int o = 0; o < O; o++) {
                g2[o * HV + k] += q[r][o] * a[r][k];
                back += q[r][o] * w2[o * HV + k];
            }
            z[r][k] = SLOPE(z[r][k], a[r][k], back);
            if (BIASES) gb[k] += z[r][k];
        }
    }
    for (int i = 0; i < I; i++)
        for (int k = 0; k < HV; k++) {
            vec each = g1[i * HV + k];
            for (int r = 0; r < R; r++) each += x[r][i] * z[r][k];
            g1[i * HV + k] = each;
        }
    return total;
}
