/* A 3x3 convolution followed by 2x2 max-pooling, forward and backward, on one thread of a processor.
 *
 * Images are [n, height, width, channels] and weights [filters, 3, 3, channels], floats without gaps; pooled images are
 * [n, h, w, filters]. Of a pooled value `top` keeps which of its four positions it came from (0 to 3, row by row), or
 * NOWHERE if rectification left nothing of it. Only these positions have a gradient: backward touches a quarter of
 * what convolving an unpooled gradient would, and nothing at all where the gradient is zero.
 *
 * The first of equal values is the largest, as in torch. Vectors have eight floats whatever the processor: the compiler
 * makes several of one where it has to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8, NOWHERE = 4, FEW_CHANNELS = 4 };

/* A checksum of this file, by which kernels.py knows that the library was compiled from the source beside it. */
unsigned kernels_version(void) { return KERNELS_VERSION; }

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vector load(const float *from) { return *(const unaligned *)from; }
INLINE void store(float *to, vector value) { *(unaligned *)to = value; }
INLINE vector spread(float value) { return value - (vector){0}; }
INLINE void add_scaled(float *to, float scale, const float *from)
{
    store(to, load(to) + spread(scale) * load(from));
}
INLINE vector choose(integers mask, vector yes, vector no)
{
    return (vector)(((integers)yes & mask) | ((integers)no & ~mask));
}
INLINE long up(long count) { return (count + LANES - 1) / LANES * LANES; }
INLINE long smaller(long a, long b) { return a < b ? a : b; }

/* What all loops need to know. */
struct shape {
    long height, width, channels, filters, padding;
};
INLINE long pooled(long side, long padding) { return (side + 2 * padding - 2) / 2; }
INLINE long row_of(struct shape a) { return (a.width + 2 * a.padding) * a.channels; }
INLINE long image_of(struct shape a) { return a.height * a.width * a.channels; }
INLINE long pooled_of(struct shape a) { return pooled(a.height, a.padding) * pooled(a.width, a.padding) * a.filters; }
/* Where line y of an image begins within its border. */
INLINE long line_of(struct shape a, long y) { return (y + a.padding) * row_of(a) + a.padding * a.channels; }
/* An image with its border, and LANES floats behind it, so that a vector may reach beyond the last row. */
INLINE long framed_of(struct shape a) { return (a.height + 2 * a.padding) * row_of(a) + LANES; }

static void frame(const float *image, float *framed, struct shape a)
{
    memset(framed, 0, framed_of(a) * sizeof(float));
    for (long y = 0; y < a.height; y++)
        memcpy(framed + line_of(a, y), image + y * a.width * a.channels, a.width * a.channels * sizeof(float));
}

static void unframe(const float *framed, float *image, struct shape a)
{
    for (long y = 0; y < a.height; y++)
        memcpy(image + y * a.width * a.channels, framed + line_of(a, y), a.width * a.channels * sizeof(float));
}

INLINE vector larger(vector best, vector next, integers *where, int position)
{
    integers better = (next > best) | (next != next); /* what is not a number wins, as in torch */
    *where = (*where & ~better) | (better & position);
    return choose(better, next, best);
}

/* `block` vectors of filters of the pooled pixel whose 4x4 patch starts at `patch`; weight [3, 3, channels, lanes]. */
INLINE void convolve_pixel(const float *patch, long row, long channels, const float *weight, long lanes,
                           const float *bias, int rectify, int block, float *values, uint8_t *tops)
{
    vector sum[2][4];
    for (int b = 0; b < block; b++)
        for (int position = 0; position < 4; position++)
            sum[b][position] = load(bias + b * LANES);
    for (long u = 0; u < 3; u++)
        for (long k = 0; k < 3 * channels; k++, weight += lanes) {
            const float *x = patch + u * row + k;
            vector x0 = spread(x[0]), x1 = spread(x[channels]), x2 = spread(x[row]), x3 = spread(x[row + channels]);
            for (int b = 0; b < block; b++) {
                vector weights = load(weight + b * LANES);
                sum[b][0] += weights * x0;
                sum[b][1] += weights * x1;
                sum[b][2] += weights * x2;
                sum[b][3] += weights * x3;
            }
        }
    for (int b = 0; b < block; b++) {
        integers where = {0};
        vector best = sum[b][0];
        for (int position = 1; position < 4; position++)
            best = larger(best, sum[b][position], &where, position);
        if (rectify) {
            integers dead = best <= 0; /* false for what is not a number, which has to stay */
            where = (where & ~dead) | (dead & NOWHERE);
            best = choose(dead, (vector){0}, best);
        }
        store(values + b * LANES, best);
        for (int lane = 0; lane < LANES; lane++)
            tops[b * LANES + lane] = (uint8_t)where[lane];
    }
}

INLINE void convolve(const float *framed, const float *weight, const float *bias, float *out, uint8_t *top,
                     struct shape a, int rectify)
{
    long h = pooled(a.height, a.padding), w = pooled(a.width, a.padding), lanes = up(a.filters), row = row_of(a);
    for (long i = 0; i < h; i++)
        for (long j = 0; j < w; j++, out += a.filters, top += a.filters)
            for (long f = 0; f < a.filters; f += 2 * LANES) {
                const float *patch = framed + 2 * i * row + 2 * j * a.channels;
                long count = smaller(a.filters - f, 2 * LANES);
                float values[2 * LANES];
                uint8_t tops[2 * LANES];
                /* Written out, so that the sums of either case stay in registers. */
                if (count > LANES)
                    convolve_pixel(patch, row, a.channels, weight + f, lanes, bias + f, rectify, 2, values, tops);
                else
                    convolve_pixel(patch, row, a.channels, weight + f, lanes, bias + f, rectify, 1, values, tops);
                memcpy(out + f, values, count * sizeof(float));
                memcpy(top + f, tops, count);
            }
}

/* x, weight and bias to out and top; with `rectify`, negative values become zero. Returns whether there was memory. */
int convolve_and_pool(const float *x, const float *weight, const float *bias, float *out, uint8_t *top, long n,
                      long height, long width, long channels, long filters, long padding, int rectify)
{
    struct shape a = {height, width, channels, filters, padding};
    long lanes = up(filters), taps = 9 * channels, size = pooled_of(a);
    float *memory = calloc(framed_of(a) + (taps + 1) * lanes, sizeof(float));
    if (!memory)
        return 0;
    float *framed = memory, *ordered = framed + framed_of(a), *shift = ordered + taps * lanes;
    for (long f = 0; f < filters; f++)
        for (long k = 0; k < taps; k++)
            ordered[k * lanes + f] = weight[f * taps + k];
    memcpy(shift, bias, filters * sizeof(float));
    for (long s = 0; s < n; s++) {
        frame(x + s * image_of(a), framed, a);
        if (channels == 1) { /* with a number that the compiler knows, it unrolls the inner loops */
            struct shape one = {height, width, 1, filters, padding};
            convolve(framed, ordered, shift, out + s * size, top + s * size, one, rectify);
        } else
            convolve(framed, ordered, shift, out + s * size, top + s * size, a, rectify);
    }
    free(memory);
    return 1;
}

/* Adds the 4x4 patch under each pooled pixel, times its gradient, to sums [NOWHERE + 1, filters, 4, 4, channels] by where
 * the maximum was, which tells what part of the patch the weights saw. */
INLINE void add_patches(const float *gradient, const uint8_t *top, const float *framed, float *sums, struct shape a)
{
    long h = pooled(a.height, a.padding), w = pooled(a.width, a.padding), size = 16 * a.channels;
    float patch[16 * FEW_CHANNELS];
    for (long i = 0; i < h; i++)
        for (long j = 0; j < w; j++, gradient += a.filters, top += a.filters) {
            for (long u = 0; u < 4; u++)
                memcpy(patch + u * 4 * a.channels, framed + (2 * i + u) * row_of(a) + 2 * j * a.channels,
                       4 * a.channels * sizeof(float));
            for (long f = 0; f < a.filters; f++) {
                float *sum = sums + (top[f] * a.filters + f) * size;
                for (long k = 0; k < size; k += LANES)
                    add_scaled(sum + k, gradient[f], patch + k);
            }
        }
}

/* The gradient of the weights, out of what `add_patches` added up. */
static void add_windows(const float *sums, float *weight_gradient, struct shape a)
{
    for (long position = 0; position < 4; position++)
        for (long f = 0; f < a.filters; f++)
            for (long u = 0; u < 3; u++)
                for (long k = 0; k < 3 * a.channels; k++) {
                    long line = u + (position >> 1), column = k + (position & 1) * a.channels;
                    weight_gradient[(f * 3 + u) * 3 * a.channels + k] +=
                        sums[((position * a.filters + f) * 4 + line) * 4 * a.channels + column];
                }
}

/* A live gradient: one that is not zero, of a value that rectification left. */
struct live {
    float gradient;
    int32_t at; /* where it meets the others: in the framed image, or in the weights */
};

/* to[0 .. block vectors] += the sum of gradient * from[at ..] over `count` live ones, which stays in registers. */
INLINE void gather_block(float *to, const float *from, const struct live *lives, long count, int block)
{
    vector sum[6];
    for (int b = 0; b < block; b++)
        sum[b] = load(to + b * LANES);
    for (long c = 0; c < count; c++)
        for (int b = 0; b < block; b++)
            sum[b] += spread(lives[c].gradient) * load(from + lives[c].at + b * LANES);
    for (int b = 0; b < block; b++)
        store(to + b * LANES, sum[b]);
}

static void gather(float *to, const float *from, const struct live *lives, long count, long lanes)
{
    for (; lanes >= 6 * LANES; lanes -= 6 * LANES, to += 6 * LANES, from += 6 * LANES)
        gather_block(to, from, lives, count, 6);
    switch (lanes / LANES) {
    case 5: gather_block(to, from, lives, count, 5); break;
    case 4: gather_block(to, from, lives, count, 4); break;
    case 3: gather_block(to, from, lives, count, 3); break;
    case 2: gather_block(to, from, lives, count, 2); break;
    case 1: gather_block(to, from, lives, count, 1); break;
    }
}

/* Adds one image's part to rows_gradient [filters, 3, lanes] and to `back`, the framed gradient of the image; `lives` has
 * room for all pooled values and 5 times the filters. */
static void scatter(const float *gradient, const uint8_t *top, const float *framed, const float *rows,
                    float *rows_gradient, float *back, struct live *lives, long *counts, struct shape a)
{
    long h = pooled(a.height, a.padding), w = pooled(a.width, a.padding), row = row_of(a), lanes = up(3 * a.channels);
    struct live *here = lives + h * w * a.filters;
    memset(counts, 0, a.filters * sizeof(long));
    for (long i = 0; i < h; i++)
        for (long j = 0; j < w; j++, gradient += a.filters, top += a.filters) {
            long corner = 2 * i * row + 2 * j * a.channels, found[NOWHERE + 1] = {0};
            const long offset[NOWHERE + 1] = {0, a.channels, row, row + a.channels, 0};
            for (long f = 0; f < a.filters; f++) {
                /* Written always and counted if alive: no branch that a processor could guess wrong. */
                long position = gradient[f] == 0 ? NOWHERE : top[f];
                lives[f * h * w + counts[f]] = (struct live){gradient[f], corner + offset[position]};
                counts[f] += position != NOWHERE;
                here[position * a.filters + found[position]++] = (struct live){gradient[f], f * 3 * lanes};
            }
            for (long position = 0; position < NOWHERE; position++)
                for (long u = 0; u < 3 && found[position]; u++)
                    gather(back + corner + offset[position] + u * row, rows + u * lanes, here + position * a.filters,
                           found[position], lanes);
        }
    for (long f = 0; f < a.filters; f++)
        for (long u = 0; u < 3; u++)
            gather(rows_gradient + (f * 3 + u) * lanes, framed + u * row, lives + f * h * w, counts[f], lanes);
}

static void add_bias(const float *gradient, const uint8_t *top, float *bias_gradient, long values, long filters)
{
    for (long value = 0; value < values; value += filters, gradient += filters, top += filters)
        for (long f = 0; f < filters; f++)
            bias_gradient[f] += top[f] == NOWHERE ? 0 : gradient[f];
}

static int backward_of_weights(const float *gradient, const uint8_t *top, const float *x, float *weight_gradient,
                               long n, struct shape a)
{
    long size = pooled_of(a);
    float *memory = calloc(framed_of(a) + (NOWHERE + 1) * a.filters * 16 * a.channels, sizeof(float));
    if (!memory)
        return 0;
    float *framed = memory, *sums = framed + framed_of(a);
    for (long s = 0; s < n; s++) {
        frame(x + s * image_of(a), framed, a);
        if (a.channels == 1) {
            struct shape one = {a.height, a.width, 1, a.filters, a.padding};
            add_patches(gradient + s * size, top + s * size, framed, sums, one);
        } else
            add_patches(gradient + s * size, top + s * size, framed, sums, a);
    }
    add_windows(sums, weight_gradient, a);
    free(memory);
    return 1;
}

static int backward_of_all(const float *gradient, const uint8_t *top, const float *x, const float *weight,
                           float *weight_gradient, float *image_gradient, long n, struct shape a)
{
    long size = pooled_of(a);
    long taps = 3 * a.channels, lanes = up(taps), count = 3 * a.filters;
    float *memory = calloc(2 * framed_of(a) + 2 * count * lanes, sizeof(float));
    struct live *lives = malloc((size + (NOWHERE + 1) * a.filters) * sizeof(struct live));
    long *counts = malloc(a.filters * sizeof(long));
    if (!memory || !lives || !counts) {
        free(memory), free(lives), free(counts);
        return 0;
    }
    float *framed = memory, *back = framed + framed_of(a), *rows = back + framed_of(a);
    float *rows_gradient = rows + count * lanes;
    for (long r = 0; r < count; r++)
        memcpy(rows + r * lanes, weight + r * taps, taps * sizeof(float));
    for (long s = 0; s < n; s++) {
        frame(x + s * image_of(a), framed, a);
        memset(back, 0, framed_of(a) * sizeof(float));
        scatter(gradient + s * size, top + s * size, framed, rows, rows_gradient, back, lives, counts, a);
        if (image_gradient)
            unframe(back, image_gradient + s * image_of(a), a);
    }
    for (long r = 0; r < count; r++)
        memcpy(weight_gradient + r * taps, rows_gradient + r * lanes, taps * sizeof(float));
    free(memory), free(lives), free(counts);
    return 1;
}

/* The gradient of out, what forward got and the `top` it gave, to the gradients of weight and bias, which are to be
 * zero before, and of x, unless image_gradient is NULL. Returns whether there was memory. */
int convolve_and_pool_backward(const float *gradient, const uint8_t *top, const float *x, const float *weight,
                               float *weight_gradient, float *bias_gradient, float *image_gradient, long n,
                               long height, long width, long channels, long filters, long padding)
{
    struct shape a = {height, width, channels, filters, padding};
    add_bias(gradient, top, bias_gradient, n * pooled_of(a), filters);
    if (channels <= FEW_CHANNELS && !image_gradient)
        return backward_of_weights(gradient, top, x, weight_gradient, n, a);
    return backward_of_all(gradient, top, x, weight, weight_gradient, image_gradient, n, a);
}
