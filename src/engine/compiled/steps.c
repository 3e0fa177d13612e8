/* Steps of many members, LANES of them at a time: all that their steps change stays in the first-level cache.

   Before this stand: what is compiled (numbers and names), vector.h, losses.h, a model (`place`, `look`, `gradient`),
   operations.h, and the rule: `update`, an operation a line, as it was traced. */

#define ALIGNED __attribute__((aligned(64)))

IN void clip(real *g, const real *limit)
{
    if (BY_NORM) {
        vec squares = all(0);
        for (int k = 0; k < VECTORS(SIZE); k++) squares += ((vec *)g)[k] * ((vec *)g)[k];
        real factor[LANES];
        for (int l = 0; l < LANES; l++)
            factor[l] = limit[l] / (aten_sqrt(LANES > 1 ? squares[l] : sum(squares)) + (real)1e-6);
        EACH g[i + l] *= factor[l] < 1 ? factor[l] : 1;
    } else {
        EACH g[i + l] = g[i + l] > limit[l] ? limit[l] : g[i + l] < -limit[l] ? -limit[l] : g[i + l];
    }
}

/* Numbers of these members from a row of all of them, `across` from one to the next. */
IN void pick(real *own, const real *row, const long *members, long across)
{
    if (across == 1 && members[LANES - 1] - members[0] == LANES - 1)
        memcpy(own, row + members[0], LANES * sizeof(real));
    else
        for (int l = 0; l < LANES; l++) own[l] = row[across * members[l]];
}

/* From rows [P, N] in torch's order to these members' own numbers, or back. */
IN void move(real *rows, real *own, const long *members, const int *places, int back)
{
    for (int l = 0; l < LANES; l++)
        for (int n = 0; n < N; n++) {
            real *row = rows + members[l] * N + n, *here = own + places[n] + l;
            if (back) *row = *here;
            else *here = *row;
        }
}

/* Members `from` to `to`. A last group that is not full has its last member several times, to the same bits. */
void take(const struct job *job, int64_t from, int64_t to)
{
    ALIGNED real w[PADDED(SIZE)], g[PADDED(SIZE)], before[PADDED(SIZE)], state[SLOTS + 1][PADDED(SIZE)];
    ALIGNED real scalars[SCALARS + 1][LANES], limits[LANES], losses[LANES];
    struct seen seen;
    long members[LANES];
    int places[N], used[SIZE] = {0}, hole[SIZE], holes = 0;
    for (int n = 0; n < N; n++)
        for (int l = 0; l < LANES; l++) used[(places[n] = place(n)) + l] = 1;
    for (int i = 0; i < SIZE; i++)
        if (!used[i]) hole[holes++] = i;
    for (long p = from; p < to; p += LANES) {
        for (int l = 0; l < LANES; l++) members[l] = p + l < to ? p + l : to - 1;
        memset(w, 0, sizeof w);
        memset(g, 0, sizeof g);
        memset(state, 0, sizeof state);
        memset(before, 0, sizeof before);
        move(job->flat, w, members, places, 0);
        for (int s = 0; s < SLOTS; s++) move(job->slots[s], state[s], members, places, 0);
        if (job->before) move(job->before, before, members, places, 0);
        if (job->limits) pick(limits, job->limits, members, 1);
        look(job, members, &seen);
        for (long k = 0; k < job->steps; k++) {
            gradient(job, &seen, k, w, g, losses);
            for (int l = 0; l < LANES && l < to - p; l++) job->losses[k * job->members + p + l] = losses[l];
            if (job->zero_every != 1 && !(job->zero_every && (job->first + k) % job->zero_every == 0))
                EACH g[i + l] += before[i + l];
            for (int h = 0; h < holes; h++) g[hole[h]] = 0;
            if (job->limits) clip(g, limits);
            if (job->before) memcpy(before, g, sizeof before);
            for (int s = 0; s < SCALARS; s++)
                if (!k || job->down[s]) pick(scalars[s], job->scalars[s] + k * job->down[s], members, job->across[s]);
            update(w, g, state, scalars);
            for (int h = 0; h < holes; h++) w[hole[h]] = 0;
        }
        move(job->flat, w, members, places, 1);
        for (int s = 0; s < SLOTS; s++) move(job->slots[s], state[s], members, places, 1);
        if (job->before) move(job->before, before, members, places, 1);
    }
}
