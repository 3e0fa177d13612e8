/* f(x W1 + b1) W2 + b2 and backpropagation through it: W1 [I, H], b1 [H], W2 [H, O], b2 [O].

   The hidden units lie side by side in vectors, W2 transposed; some rows are taken together, so that a weight that is
   read serves all of them, and the hidden layer of none is ever written to memory. */

#define HV VECTORS(H)
#define INPUT I /* numbers from one row of inputs to the next */
enum { W1 = 0, B1 = W1 + I * PADDED(H), W2 = B1 + BIASES * PADDED(H), B2 = W2 + O * PADDED(H), SIZE = B2 + BIASES * O };

/* Where number n of torch's order [N] lies. */
IN int place(int n)
{
    if (n < I * H) return W1 + n / H * PADDED(H) + n % H;
    if ((n -= I * H) < BIASES * H) return B1 + n;
    if ((n -= BIASES * H) < H * O) return W2 + n % O * PADDED(H) + n / O;
    return B2 + n - H * O;
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
    vec a[R][HV], z[R][HV], p[O], q[O];

    for (int k = 0; k < HV; k++) {
        for (int r = 0; r < R; r++) z[r][k] = BIASES ? b1[k] : all(0);
        for (int i = 0; i < I; i++)
            for (int r = 0; r < R; r++) z[r][k] += x[r][i] * w1[i * HV + k];
        for (int r = 0; r < R; r++) a[r][k] = ACTIVATE(z[r][k]);
    }
    for (int o = 0; o < O; o++) {
        p[o] = all(0);
        for (int r = 0; r < R; r++) {
            vec each = all(0);
            for (int k = 0; k < HV; k++) each += a[r][k] * w2[o * HV + k];
            p[o][r] = sum(each) + (BIASES ? w[B2 + o] : 0);
        }
    }
    const real total = rows_loss(R, p, y, q);
    for (int o = 0; o < O; o++) {
        q[o] *= scale;
        for (int r = 0; BIASES && r < R; r++) g[B2 + o] += q[o][r];
    }
    for (int k = 0; k < HV; k++) {
        for (int r = 0; r < R; r++) {
            vec back = all(0);
            for (int o = 0; o < O; o++) {
                g2[o * HV + k] += q[o][r] * a[r][k];
                back += q[o][r] * w2[o * HV + k];
            }
            z[r][k] = SLOPE(z[r][k], a[r][k], back);
            if (BIASES) gb[k] += z[r][k];
        }
        for (int i = 0; i < I; i++)
            for (int r = 0; r < R; r++) g1[i * HV + k] += x[r][i] * z[r][k];
    }
    return total;
}
