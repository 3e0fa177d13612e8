/* Steps of many members, one member after another: all that it changes stays in the first-level cache.

   Before this stand: what is compiled (numbers and names), vector.h, losses.h, a model, operations.h, and the rule:
   `update`, an operation a line, as it was traced. */

#define TOGETHER 4 /* rows */
#define ALIGNED __attribute__((aligned(64)))

struct job {
    int64_t first, steps, members, rows, zero_every;
    real *flat;                /* [P, N] */
    real **slots;              /* [SLOTS] of [P, N] */
    real *before;              /* [P, N]: the gradient of the step before, where they add up */
    const real *const *scalars; /* [SCALARS] of [steps, P] */
    const int64_t *strides;    /* [SCALARS]: numbers from one step to the next; 0: it stays the same */
    const real *inputs, *targets; /* [D, rows, INPUT] and [D, rows, O] */
    const int64_t *which;      /* [P]: which of D a member sees */
    const int64_t *order;      /* [S, ...]: rows in the order of the steps; NULL: all of them (ROWS), as they stand */
    const int64_t *orders;     /* [P]: which of S is a member's */
    const int64_t *begins;     /* [steps + 1]: where a step's rows begin in an order; the last is its length */
    const real *limits;        /* [P]: of the gradient; NULL: none */
    real *losses;              /* [steps, P] */
};

/* The loss of a step's rows, and its gradient, which is written. */
IN real gradient(const struct job *job, long p, long k, const real *w, real *g)
{
    const int64_t *rows = job->order ? job->order + job->orders[p] * job->begins[job->steps] + job->begins[k] : 0;
    long count = ROWS ? ROWS : job->begins[k + 1] - job->begins[k], b = 0;
    const real *inputs = job->inputs + job->which[p] * job->rows * INPUT;
    const real *targets = job->targets + job->which[p] * job->rows * O;
    const real *x[TOGETHER], *y[TOGETHER], mean = MEAN ? 1 / (real)(count * NUMBERS) : 1;
    real total = 0;

    memset(g, 0, SIZE * sizeof(real));
    for (; b + TOGETHER <= count; b += TOGETHER) {
        for (int r = 0; r < TOGETHER; r++) {
            long row = rows ? rows[b + r] : b + r;
            x[r] = inputs + row * INPUT;
            y[r] = targets + row * O;
        }
        total += some_rows(TOGETHER, w, g, x, y, mean);
    }
    for (; b < count; b++) {
        long row = rows ? rows[b] : b;
        x[0] = inputs + row * INPUT;
        y[0] = targets + row * O;
        total += some_rows(1, w, g, x, y, mean);
    }
    return total * mean;
}

IN void clip(real *g, real limit)
{
    if (BY_NORM) {
        vec squares = all(0);
        for (int k = 0; k < SIZE / WIDTH; k++) squares += ((vec *)g)[k] * ((vec *)g)[k];
        real factor = limit / (square_root(sum(squares)) + (real)1e-6);
        for (int i = 0; factor < 1 && i < SIZE; i++) g[i] *= factor;
    } else {
        for (int i = 0; i < SIZE; i++) g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
    }
}

/* Members `from` to `to`: no member's numbers depend on which others there are. */
void take(const struct job *job, int64_t from, int64_t to)
{
    ALIGNED real w[SIZE], g[SIZE], before[SIZE], state[SLOTS + 1][SIZE], there[SIZE], ones[N], scalars[SCALARS + 1];
    for (int i = 0; i < N; i++) ones[i] = 1;
    memset(there, 0, sizeof there);
    move(ones, there, 1);
    for (long p = from; p < to; p++) {
        memset(w, 0, sizeof w);
        memset(state, 0, sizeof state);
        memset(before, 0, sizeof before);
        move(job->flat + p * N, w, 1);
        for (int s = 0; s < SLOTS; s++) move(job->slots[s] + p * N, state[s], 1);
        if (job->before) move(job->before + p * N, before, 1);
        for (long k = 0; k < job->steps; k++) {
            job->losses[k * job->members + p] = gradient(job, p, k, w, g);
            if (job->zero_every != 1 && !(job->zero_every && (job->first + k) % job->zero_every == 0))
                for (int i = 0; i < SIZE; i++) g[i] += before[i];
            if (HOLES)
                for (int i = 0; i < SIZE; i++) g[i] = there[i] > 0 ? g[i] : 0;
            if (job->limits) clip(g, job->limits[p]);
            if (job->before) memcpy(before, g, sizeof before);
            for (int s = 0; s < SCALARS; s++) scalars[s] = job->scalars[s][k * job->strides[s] + p];
            update(w, g, state, scalars);
            if (HOLES)
                for (int i = 0; i < SIZE; i++) w[i] = there[i] > 0 ? w[i] : 0;
        }
        move(job->flat + p * N, w, 0);
        for (int s = 0; s < SLOTS; s++) move(job->slots[s] + p * N, state[s], 0);
        if (job->before) move(job->before + p * N, before, 0);
    }
}
