/* |R t - z|² of many members, side by side in the lanes of vectors: t [I, O], R [I, I], z [I, O].

   A member's numbers lie in a lane of their own, so nothing is ever added up across a vector. */

#define LANES WIDTH
enum { SIZE = I * O * WIDTH };

IN int place(int n) { return n * WIDTH; }

struct seen { vec factor[I][I], target[I][O]; };

IN void look(const struct job *job, const long *members, struct seen *seen)
{
    for (int l = 0; l < WIDTH; l++) {
        const real *factor = job->inputs + job->which[members[l]] * I * I;
        const real *target = job->targets + job->which[members[l]] * I * O;
        for (int i = 0; i < I; i++) {
            for (int j = 0; j < I; j++) seen->factor[i][j][l] = factor[i * I + j];
            for (int o = 0; o < O; o++) seen->target[i][o][l] = target[i * O + o];
        }
    }
}

IN void gradient(const struct job *job, const struct seen *seen, long k, const real *w, real *g, real *losses)
{
    const vec *t = (const vec *)w;
    vec error[I][O], total = all(0);

    for (int i = 0; i < I; i++) {
        for (int o = 0; o < O; o++) error[i][o] = -seen->target[i][o];
        for (int j = 0; j < I; j++)
            for (int o = 0; o < O; o++) error[i][o] += seen->factor[i][j] * t[j * O + o];
        for (int o = 0; o < O; o++) total += error[i][o] * error[i][o];
    }
    for (int j = 0; j < I; j++)
        for (int o = 0; o < O; o++) {
            vec slope = all(0);
            for (int i = 0; i < I; i++) slope += seen->factor[i][j] * error[i][o];
            ((vec *)g)[j * O + o] = 2 * slope;
        }
    *(vec *)losses = total;
}
