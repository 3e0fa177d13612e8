/* The gradient of one member on the rows of a step: WIDTH of them make a vector of the loss, and the model takes as
   many at a time as serve each number of its parameters that is read. */

#ifndef LANES
#define LANES 1

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
    const real mean = MEAN_OF ? 1 / (real)(count * MEAN_OF) : 1;
    real total = 0;

    memset(g, 0, PADDED(SIZE) * sizeof(real));
    for (long b = 0; b < count; b += WIDTH) {
        const int some = count - b < WIDTH ? count - b : WIDTH;
        const real *x[WIDTH];
        vec kept[WIDTH][KEPT], p[O] = {0}, y[O] = {0}, slope[O];
        for (int r = 0; r < some; r++) {
            const long row = order ? order[b + r] : b + r;
            x[r] = seen->inputs + row * INPUT;
            for (int o = 0; o < O; o++) y[o][r] = seen->targets[row * O + o];
        }
        for (int r = some; r % TOGETHER; r++) x[r] = x[0]; /* of no slope */
        for (int r = 0; r < some; r += TOGETHER) forward(r, w, x, kept, p);
        vec each = LOSS(p, y, slope);
        for (int r = 0; r < some; r++) total += each[r];
        for (int o = 0; o < O; o++) {
            slope[o] *= mean;
            for (int r = some; r % TOGETHER; r++) slope[o][r] = 0;
        }
        for (int r = 0; r < some; r += TOGETHER) backward(r, w, g, x, kept, slope);
    }
    *losses = total * mean;
}
#endif
