/* The gradient of one member on the rows of a step, some of them taken together by `some_rows` of the model. */

#define LANES 1
#define TOGETHER 4 /* rows */

struct seen { const real *inputs, *targets; const int64_t *order; };

IN void look(const struct job *job, const long *members, struct seen *seen)
{
    seen->inputs = job->inputs + job->which[*members] * job->rows * INPUT;
    seen->targets = job->targets + job->which[*members] * job->rows * O;
    seen->order = job->order ? job->order + job->orders[*members] * job->begins[job->steps] : 0;
}

IN void gradient(const struct job *job, const struct seen *seen, long k, const real *w, real *g, real *losses)
{
    const int64_t *order = seen->order ? seen->order + job->begins[k] : 0;
    const long count = ROWS ? ROWS : job->begins[k + 1] - job->begins[k];
    const real mean = MEAN ? 1 / (real)(count * NUMBERS) : 1;
    real total = 0;

    memset(g, 0, PADDED(SIZE) * sizeof(real));
    for (long b = 0; b < count;) {
        const real *x[TOGETHER], *y[TOGETHER];
        const int some = count - b < TOGETHER ? 1 : TOGETHER;
        for (int r = 0; r < some; r++, b++) {
            const long row = order ? order[b] : b;
            x[r] = seen->inputs + row * INPUT;
            y[r] = seen->targets + row * O;
        }
        total += some == 1 ? some_rows(1, w, g, x, y, mean) : some_rows(TOGETHER, w, g, x, y, mean);
    }
    *losses = total * mean;
}
