/* f(x W1 + b1) W2 + b2 and backpropagation through it: W1 [I, H], b1 [H], W2 [H, O], b2 [O].

   The hidden units lie side by side in vectors, W2 transposed; some rows are taken together, so that a weight that is
   read serves all of them. */

#define HV VECTORS(H)
#define KEPT HV /* vectors of a row from forward for backward */
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
IN vec slope_relu(vec a, vec back) { return choose(a > 0, back, all(0)); }
IN vec slope_tanh(vec a, vec back) { return back * (1 - a * a); }
IN vec slope_sigmoid(vec a, vec back) { return back * (a * (1 - a)); }
IN vec activate_identity(vec z) { return z; }
IN vec slope_identity(vec a, vec back) { return back; }

/* TOGETHER rows from `r` on: the hidden layer, which is kept, and the predictions `p`. */
IN void forward(int r, const real *w, const real *const *x, vec (*kept)[HV], vec *p)
{
    const vec *w1 = (const vec *)(w + W1), *b1 = (const vec *)(w + B1), *w2 = (const vec *)(w + W2);
    vec z[TOGETHER][HV];

    for (int n = 0; n < TOGETHER; n++)
        for (int k = 0; k < HV; k++) z[n][k] = BIASES ? b1[k] : all(0);
    for (int i = 0; i < I; i++)
        for (int k = 0; k < HV; k++)
            for (int n = 0; n < TOGETHER; n++) z[n][k] += x[r + n][i] * w1[i * HV + k];
    for (int n = 0; n < TOGETHER; n++)
        for (int k = 0; k < HV; k++) kept[r + n][k] = z[n][k] = ACTIVATE(z[n][k]);
    for (int o = 0; o < O; o++)
        for (int n = 0; n < TOGETHER; n++) {
            vec each = all(0);
            for (int k = 0; k < HV; k++) each += z[n][k] * w2[o * HV + k];
            p[o][r + n] = sum(each) + (BIASES ? w[B2 + o] : 0);
        }
}

/* Adds their part to the gradient `g`, by the slopes `q` of the loss by their predictions. */
IN void backward(int r, const real *w, real *g, const real *const *x, vec (*kept)[HV], const vec *q)
{
    const vec *w2 = (const vec *)(w + W2);
    vec *g1 = (vec *)(g + W1), *gb = (vec *)(g + B1), *g2 = (vec *)(g + W2), z[TOGETHER][HV];

    for (int n = 0; n < TOGETHER; n++)
        for (int k = 0; k < HV; k++) {
            vec back = all(0), a = kept[r + n][k];
            for (int o = 0; o < O; o++) {
                g2[o * HV + k] += q[o][r + n] * a;
                back += q[o][r + n] * w2[o * HV + k];
            }
            z[n][k] = SLOPE(a, back);
            if (BIASES) gb[k] += z[n][k];
        }
    for (int o = 0; BIASES && o < O; o++)
        for (int n = 0; n < TOGETHER; n++) g[B2 + o] += q[o][r + n];
    for (int i = 0; i < I; i++)
        for (int k = 0; k < HV; k++)
            for (int n = 0; n < TOGETHER; n++) g1[i * HV + k] += x[r + n][i] * z[n][k];
}
