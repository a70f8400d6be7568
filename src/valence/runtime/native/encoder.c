/* A classifier with a BERT-like encoder on AVX512-VNNI, from token ids to logits.

Texts lie one after another in one row of tokens: nothing is padded. Products with weights are int8 with sums in int32;
a token's activations have one scale per group of 64 columns, so nothing that a text is given depends on the texts
beside it, and every text's logits are the same bits alone and in any batch. Everything else is float32.

Shapes: N tokens of all texts, T tokens of one text, D width, E width of the embeddings, F feed-forward width, H heads,
C classes.

One call runs on one thread, or on several that share every step and meet at barriers. Calls may run side by side.
Sources: Sanh et al. 2019 (DistilBERT), Devlin et al. 2018 (BERT); the coefficients of erf: Eigen. */

#define _GNU_SOURCE
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

enum {
    GROUP = 64,       /* columns that share an activation scale; also the columns finished together */
    PANEL = 32,       /* columns of packed weights that lie together */
    TILE = 6,         /* rows computed together */
    LANES = 16,       /* floats in a vector */
    MAX_THREADS = 64
};

/* The smallest value of GELU is -0.16997: with this added, its output fits unsigned int8 with twice the levels. */
static const float GELU_SHIFT = 0.17006f;

enum Activation { GELU = 0, GELU_TANH = 1, RELU = 2 };
enum HeadActivation { HEAD_RELU = 0, HEAD_TANH = 1, HEAD_GELU = 2 };
enum Status { OK = 0, OUT_OF_MEMORY = 1, BAD_TOKEN = 2 };

typedef struct {
    int32_t vocabulary, positions, token_types, hidden, embedding, heads, feed_forward, layers, classes;
    int32_t activation, head_activation;
    float epsilon;
} Shape;

/* A product with weights as it comes: int8 [in, out], the scale [out] that gives it back, the bias [out]. */
typedef struct {
    const int8_t *weight;
    const float *scale, *bias;
} LinearWeights;

typedef struct {
    const float *weight, *bias;
} NormWeights;

typedef struct {
    LinearWeights query_key_value, output, up, down;
    NormWeights attention_norm, feed_forward_norm;
} LayerWeights;

typedef struct {
    const int8_t *words; /* [V, E] */
    const float *words_scale, *positions, *token_types; /* [V], [P, E], [types, E] or NULL */
    NormWeights embedding_norm;
    LinearWeights projection; /* from E to D, where they differ */
    LinearWeights transform;
    const float *classifier, *classifier_bias; /* [C, D], [C] */
} ModelWeights;

/* What native_engine.py repeats of this file is compared with this when the library is loaded: the version, which grows
   with every change of these structs, of the enums above, or of a function that Python calls; then the sizes. */
EXPORT const int32_t valence_interface[] = {
    2, sizeof(Shape), sizeof(LinearWeights), sizeof(NormWeights), sizeof(LayerWeights), sizeof(ModelWeights)
};

/* The same, packed: panels of 32 columns, in each the 4 values of a column that one instruction reads side by side. */
typedef struct {
    int in, out;
    int8_t *packed;   /* [out / PANEL, in / 4, PANEL, 4] */
    int32_t *offset;  /* [out / PANEL, in / GROUP, PANEL]: takes back the 128 added to signed activations */
    float *scale, *bias; /* [out] */
} Linear;

typedef struct {
    float *weight, *bias;
} Norm;

typedef struct {
    Linear query_key_value, output, up, down;
    Norm attention_norm, feed_forward_norm;
} Layer;

typedef struct Scratch {
    struct Scratch *next;
    size_t size;
    char *bytes;
} Scratch;

typedef struct {
    Shape shape;
    const int8_t *words;
    const float *words_scale, *positions, *token_types;
    Norm embedding_norm;
    Linear projection; /* of no columns where E is D */
    Layer *layers;
    Linear transform;
    float *classifier, *classifier_bias;
    Scratch *scratch;
} Model;

/* Activations as uint8 with a scale per row and group. */
typedef struct {
    uint8_t *values; /* [rows, columns] */
    float *scale;    /* [rows, columns / GROUP] */
    int columns;
} Quantised;

/* ---------------------------------------------------------------- where the time goes */

#ifdef PROFILE /* for benchmarks/profile_native.py, which runs one thread */
enum Phase { EMBEDDINGS, QUERY_KEY_VALUE, ATTENTION, OUTPUT, NORMS, UP_AND_ACTIVATION, DOWN, HEAD, PHASES };
static uint64_t phase_cycles[PHASES], phase_since;
EXPORT const uint64_t *valence_phases(void) { return phase_cycles; }
#define BEGIN_PROFILE() (phase_since = __builtin_ia32_rdtsc())
#define END_PHASE(phase)                                  \
    do {                                                  \
        const uint64_t cycles = __builtin_ia32_rdtsc();   \
        phase_cycles[phase] += cycles - phase_since;      \
        phase_since = cycles;                             \
    } while (0)
#else
#define BEGIN_PROFILE() ((void)0)
#define END_PHASE(phase) ((void)0)
#endif

/* ---------------------------------------------------------------- memory */

static void *allocate(size_t size) {
    size_t page = size >= (4u << 20) ? (2u << 20) : 64;
    void *memory = aligned_alloc(page, (size + page - 1) / page * page);
    if (memory && page > 64) madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

static float *copy_floats(const float *values, size_t count) {
    float *copy = allocate(count * sizeof(float));
    if (copy) memcpy(copy, values, count * sizeof(float));
    return copy;
}

/* ---------------------------------------------------------------- vectors */

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")

/* e to the power of x; x at most 88. Relative error about 2e-7. */
INLINE __m512 exp_ps(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

/* 1 / x to float precision, by one step of Newton. */
INLINE __m512 reciprocal_ps(__m512 x) {
    const __m512 r = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(2.0f)));
}

/* x / 2 (1 + erf(x / sqrt 2)), with erf as z times a quotient of polynomials in z squared; erf is off by 3e-7 at most. */
INLINE __m512 gelu_ps(__m512 x) {
    const __m512 most = _mm512_set1_ps(4.0f); /* from here on erf is 1 in float precision */
    __m512 z = _mm512_mul_ps(x, _mm512_set1_ps(0.70710678f));
    z = _mm512_max_ps(_mm512_min_ps(z, most), _mm512_sub_ps(_mm512_setzero_ps(), most));
    const __m512 s = _mm512_mul_ps(z, z);
    __m512 above = _mm512_set1_ps(-2.72614225801306e-10f);
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(2.77068142495902e-08f));
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(-2.10102402082508e-06f));
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(-5.69250639462346e-05f));
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(-7.34990630326855e-04f));
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(-2.95459980854025e-03f));
    above = _mm512_fmadd_ps(above, s, _mm512_set1_ps(-1.60960333262415e-02f));
    __m512 below = _mm512_set1_ps(-1.45660718464996e-05f);
    below = _mm512_fmadd_ps(below, s, _mm512_set1_ps(-2.13374055278905e-04f));
    below = _mm512_fmadd_ps(below, s, _mm512_set1_ps(-1.68282697438203e-03f));
    below = _mm512_fmadd_ps(below, s, _mm512_set1_ps(-7.37332916720468e-03f));
    below = _mm512_fmadd_ps(below, s, _mm512_set1_ps(-1.42647390514189e-02f));
    const __m512 erf = _mm512_mul_ps(_mm512_mul_ps(z, above), reciprocal_ps(below));
    const __m512 half = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
    return _mm512_fmadd_ps(half, erf, half);
}

/* x / 2 (1 + tanh(u)) = x / (1 + exp(-2u)) */
INLINE __m512 gelu_tanh_ps(__m512 x) {
    const __m512 cubed = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
    const __m512 u = _mm512_fmadd_ps(cubed, _mm512_set1_ps(0.044715f), x);
    const __m512 power = _mm512_mul_ps(u, _mm512_set1_ps(-1.59576912f));
    const __m512 bounded = _mm512_max_ps(_mm512_min_ps(power, _mm512_set1_ps(80.0f)), _mm512_set1_ps(-80.0f));
    return _mm512_mul_ps(x, reciprocal_ps(_mm512_add_ps(_mm512_set1_ps(1.0f), exp_ps(bounded))));
}

/* The bits of |x|: as integers they have the order of the values, and NaN is above them all. */
INLINE __m512i magnitude(__m512 x) { return _mm512_castps_si512(_mm512_abs_ps(x)); }

/* Quantise one group of 64 values of a row. Signed values are stored with 128 added. Where a value is infinite or not
   a number, the scale says so, and with it all that is computed from the row. */
INLINE float quantise_group(const __m512 *values, int unsigned_values, uint8_t *out) {
    const __m512i largest = _mm512_max_epi32(_mm512_max_epi32(magnitude(values[0]), magnitude(values[1])),
                                             _mm512_max_epi32(magnitude(values[2]), magnitude(values[3])));
    const float levels = unsigned_values ? 255.0f : 127.0f;
    const int32_t bits = _mm512_reduce_max_epi32(largest);
    float most;
    memcpy(&most, &bits, sizeof most);
    if (most < 1e-10f) most = 1e-10f;
    const __m512 inverse = _mm512_set1_ps(levels / most);
    for (int i = 0; i < 4; i++) {
        __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(values[i], inverse));
        if (!unsigned_values) rounded = _mm512_add_epi32(rounded, _mm512_set1_epi32(128));
        _mm_storeu_si128((__m128i *)(out + i * LANES), _mm512_cvtusepi32_epi8(_mm512_max_epi32(rounded, _mm512_setzero_si512())));
    }
    return most / levels;
}

INLINE void quantise_row(const float *row, int row_index, const Quantised *out) {
    const int groups = out->columns / GROUP;
    for (int g = 0; g < groups; g++) {
        __m512 values[4];
        for (int i = 0; i < 4; i++) values[i] = _mm512_loadu_ps(row + g * GROUP + i * LANES);
        out->scale[(size_t)row_index * groups + g] =
            quantise_group(values, 0, out->values + (size_t)row_index * out->columns + g * GROUP);
    }
}

/* Layer norm of a row in place, and its quantised copy. Two passes over a row that lies in the first cache. */
INLINE void norm_row(float *row, int columns, const Norm *norm, float epsilon) {
    __m512 sum = _mm512_setzero_ps();
    for (int c = 0; c < columns; c += LANES) sum = _mm512_add_ps(sum, _mm512_loadu_ps(row + c));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / (float)columns);
    __m512 squares = _mm512_setzero_ps();
    for (int c = 0; c < columns; c += LANES) {
        const __m512 centred = _mm512_sub_ps(_mm512_loadu_ps(row + c), mean);
        squares = _mm512_fmadd_ps(centred, centred, squares);
    }
    const float variance = _mm512_reduce_add_ps(squares) / (float)columns;
    const __m512 inverse = _mm512_set1_ps(1.0f / sqrtf(variance + epsilon));
    for (int c = 0; c < columns; c += LANES) {
        const __m512 centred = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(row + c), mean), inverse);
        _mm512_storeu_ps(row + c, _mm512_fmadd_ps(centred, _mm512_loadu_ps(norm->weight + c), _mm512_loadu_ps(norm->bias + c)));
    }
}

/* ---------------------------------------------------------------- products with weights */

/* sum += a x b, four values at a time. Written out because GCC 12 copies the sums back and forth around its intrinsic. */
INLINE __m512i multiply_add(__m512i sum, __m512i a, __m512i b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

/* One panel of 32 columns for `rows` rows (a constant where it is called): out[r][i] = scale * sum + bias. */
INLINE void int8_tile(const uint8_t *a, size_t a_stride, const float *a_scale, size_t scale_stride,
                      const Linear *linear, int panel, const int rows, float *out, size_t out_stride) {
    const int groups = linear->in / GROUP;
    const int8_t *b = linear->packed + (size_t)panel * linear->in * PANEL;
    const int32_t *offset = linear->offset + (size_t)panel * groups * PANEL;
    __m512 sum[TILE][2];
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (int g = 0; g < groups; g++) {
        __m512i product[TILE][2];
        const __m512i offset0 = _mm512_loadu_si512(offset + g * PANEL), offset1 = _mm512_loadu_si512(offset + g * PANEL + LANES);
        for (int r = 0; r < rows; r++) product[r][0] = offset0, product[r][1] = offset1;
        const uint8_t *a_group = a + g * GROUP;
#pragma GCC unroll 4
        for (int k = 0; k < GROUP; k += 4) {
            const __m512i b0 = _mm512_load_si512(b), b1 = _mm512_load_si512(b + 64);
            b += 128;
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, a_group + r * a_stride + k, 4);
                const __m512i repeated = _mm512_set1_epi32(four);
                product[r][0] = multiply_add(product[r][0], repeated, b0);
                product[r][1] = multiply_add(product[r][1], repeated, b1);
            }
        }
        for (int r = 0; r < rows; r++) {
            const __m512 scale = _mm512_set1_ps(a_scale[r * scale_stride + g]);
            sum[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product[r][0]), scale, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product[r][1]), scale, sum[r][1]);
        }
    }
    const int column = panel * PANEL;
    for (int i = 0; i < 2; i++) {
        const __m512 scale = _mm512_loadu_ps(linear->scale + column + i * LANES);
        const __m512 bias = _mm512_loadu_ps(linear->bias + column + i * LANES);
        for (int r = 0; r < rows; r++) _mm512_storeu_ps(out + r * out_stride + i * LANES, _mm512_fmadd_ps(sum[r][i], scale, bias));
    }
}

static __attribute__((noinline)) void int8_rows(const uint8_t *a, size_t a_stride, const float *a_scale, size_t scale_stride,
                      const Linear *linear, int panel, int rows, float *out, size_t out_stride) {
    switch (rows) {
    case 6: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 6, out, out_stride); break;
    case 5: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 5, out, out_stride); break;
    case 4: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 4, out, out_stride); break;
    case 3: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 3, out, out_stride); break;
    case 2: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 2, out, out_stride); break;
    case 1: int8_tile(a, a_stride, a_scale, scale_stride, linear, panel, 1, out, out_stride); break;
    default: break;
    }
}

/* out[:, begin:end] = a x weights, column groups of 64 at a time; the weights of a group stay in the cache. */
static void linear_to_floats(const Quantised *a, int rows, const Linear *linear, int begin, int end, float *out, int out_columns) {
    const int groups = a->columns / GROUP;
    for (int g = begin / GROUP; g < end / GROUP; g++)
        for (int row = 0; row < rows; row += TILE)
            for (int half = 0; half < 2; half++)
                int8_rows(a->values + (size_t)row * a->columns, a->columns, a->scale + (size_t)row * groups, groups,
                          linear, g * 2 + half, rows - row < TILE ? rows - row : TILE,
                          out + (size_t)row * out_columns + g * GROUP - begin + half * PANEL, out_columns);
}

INLINE __m512 activate(__m512 x, int activation) {
    if (activation == RELU) return _mm512_max_ps(_mm512_setzero_ps(), x); /* in this order NaN stays */
    return _mm512_add_ps(activation == GELU ? gelu_ps(x) : gelu_tanh_ps(x), _mm512_set1_ps(GELU_SHIFT));
}

/* The same, then the activation function, then quantised at once: floats never leave the first cache. */
static void linear_to_quantised(const Quantised *a, int rows, const Linear *linear, int begin, int end, int activation, const Quantised *out) {
    const int groups = a->columns / GROUP, out_groups = out->columns / GROUP;
    float values[TILE * GROUP] __attribute__((aligned(64)));
    for (int g = begin / GROUP; g < end / GROUP; g++)
        for (int row = 0; row < rows; row += TILE) {
            const int tile = rows - row < TILE ? rows - row : TILE;
            for (int half = 0; half < 2; half++)
                int8_rows(a->values + (size_t)row * a->columns, a->columns, a->scale + (size_t)row * groups, groups,
                          linear, g * 2 + half, tile, values + half * PANEL, GROUP);
            for (int r = 0; r < tile; r++) {
                __m512 activated[4];
                for (int i = 0; i < 4; i++) activated[i] = activate(_mm512_load_ps(values + r * GROUP + i * LANES), activation);
                out->scale[(size_t)(row + r) * out_groups + g] =
                    quantise_group(activated, 1, out->values + (size_t)(row + r) * out->columns + g * GROUP);
            }
        }
}

/* ---------------------------------------------------------------- attention */

/* out [rows, 16 n] = a [rows, depth] x b [depth, 16 n]; rows and n are constants where it is called. */
INLINE void float_tile(const float *a, size_t a_stride, const float *b, size_t b_stride, int depth, const int rows,
                       const int n, float *out, size_t out_stride) {
    __m512 sum[TILE][4];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n; i++) sum[r][i] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++) {
        __m512 right[4];
        for (int i = 0; i < n; i++) right[i] = _mm512_loadu_ps(b + k * b_stride + i * LANES);
        for (int r = 0; r < rows; r++) {
            const __m512 left = _mm512_set1_ps(a[r * a_stride + k]);
            for (int i = 0; i < n; i++) sum[r][i] = _mm512_fmadd_ps(left, right[i], sum[r][i]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n; i++) _mm512_storeu_ps(out + r * out_stride + i * LANES, sum[r][i]);
}

#define FLOAT_ROWS(ROWS)                                                                                  \
    case ROWS:                                                                                            \
        switch (n) {                                                                                      \
        case 4: float_tile(a, a_stride, b, b_stride, depth, ROWS, 4, out, out_stride); break;             \
        case 3: float_tile(a, a_stride, b, b_stride, depth, ROWS, 3, out, out_stride); break;             \
        case 2: float_tile(a, a_stride, b, b_stride, depth, ROWS, 2, out, out_stride); break;             \
        default: float_tile(a, a_stride, b, b_stride, depth, ROWS, 1, out, out_stride); break;            \
        }                                                                                                 \
        break;

static __attribute__((noinline)) void float_rows(const float *a, size_t a_stride, const float *b, size_t b_stride, int depth, int rows, int n,
                       float *out, size_t out_stride) {
    switch (rows) {
        FLOAT_ROWS(6)
        FLOAT_ROWS(5)
        FLOAT_ROWS(4)
        FLOAT_ROWS(3)
        FLOAT_ROWS(2)
        FLOAT_ROWS(1)
    default: break;
    }
}

/* 16 rows of 16 floats to 16 columns. */
INLINE void transpose_16(const float *in, size_t in_stride, int rows, float *out, size_t out_stride) {
    __m512 r[16], t[16];
    for (int i = 0; i < 16; i++) r[i] = i < rows ? _mm512_loadu_ps(in + i * in_stride) : _mm512_setzero_ps();
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
        r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_ps(out + i * out_stride, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
        _mm512_storeu_ps(out + (i + 8) * out_stride, _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
        _mm512_storeu_ps(out + (i + 4) * out_stride, _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88));
        _mm512_storeu_ps(out + (i + 12) * out_stride, _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd));
    }
}

/* Softmax of the first `count` values of a row after scaling; up to the next 16 the row is filled with zeros. */
INLINE void softmax_row(float *row, int count, float scale) {
    const int whole = count / LANES * LANES;
    const __mmask16 rest = (__mmask16)((1u << (count - whole)) - 1);
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int c = 0; c < whole; c += LANES) most = _mm512_max_ps(most, _mm512_loadu_ps(row + c));
    if (rest) most = _mm512_mask_max_ps(most, rest, most, _mm512_loadu_ps(row + whole));
    const __m512 factor = _mm512_set1_ps(scale);
    const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(most) * scale);
    __m512 sum = _mm512_setzero_ps();
    for (int c = 0; c < whole; c += LANES) {
        const __m512 power = exp_ps(_mm512_fmsub_ps(_mm512_loadu_ps(row + c), factor, highest));
        sum = _mm512_add_ps(sum, power);
        _mm512_storeu_ps(row + c, power);
    }
    if (rest) {
        const __m512 power = _mm512_maskz_mov_ps(rest, exp_ps(_mm512_fmsub_ps(_mm512_loadu_ps(row + whole), factor, highest)));
        sum = _mm512_add_ps(sum, power);
        _mm512_storeu_ps(row + whole, power);
    }
    const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
    for (int c = 0; c < count; c += LANES) _mm512_storeu_ps(row + c, _mm512_mul_ps(_mm512_loadu_ps(row + c), inverse));
}

/* One head of one text: out [readers, width] from its queries (readers x width), keys and values (T x width).
   transposed: room for width x T rounded up to 16; scores: TILE x the same. */
INLINE void attend(const float *query, size_t query_stride, const float *key, const float *value, size_t stride, int readers, int tokens,
                   int width, float *transposed, float *scores, float *out, size_t out_stride) {
    const int padded = (tokens + LANES - 1) / LANES * LANES;
    const float scale = 1.0f / sqrtf((float)width);
    for (int t = 0; t < tokens; t += LANES)
        for (int c = 0; c < width; c += LANES)
            transpose_16(key + (size_t)t * stride + c, stride, tokens - t, transposed + (size_t)c * padded + t, padded);
    for (int row = 0; row < readers; row += TILE) {
        const int rows = readers - row < TILE ? readers - row : TILE;
        for (int t = 0; t < padded; t += 4 * LANES) {
            const int n = (padded - t) / LANES < 4 ? (padded - t) / LANES : 4;
            float_rows(query + (size_t)row * query_stride, query_stride, transposed + t, padded, width, rows, n, scores + t, padded);
        }
        for (int r = 0; r < rows; r++) softmax_row(scores + (size_t)r * padded, tokens, scale);
        float_rows(scores, padded, value, stride, tokens, rows, width / LANES, out + (size_t)row * out_stride, out_stride);
    }
}

/* ---------------------------------------------------------------- one call */

typedef struct {
    const Model *model;
    const int32_t *ids, *types;
    const int64_t *starts; /* [texts + 1] */
    int texts, tokens, longest;
    float *logits;
    int threads;
    /* scratch */
    float *hidden, *projected, *mixed, *first_query, *work;
    Quantised embedded_int8, hidden_int8, mixed_int8, raised_int8;
    size_t work_size; /* floats per thread */
} Call;

/* The barrier of the one call at a time that several threads share. */
static struct {
    atomic_int arrived, generation;
} barrier;

static void wait_for_others(const Call *call) {
    if (call->threads == 1) return;
    const int threads = call->threads, generation = atomic_load_explicit(&barrier.generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier.arrived, 1, memory_order_acq_rel) == threads - 1) {
        atomic_store_explicit(&barrier.arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&barrier.generation, 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&barrier.generation, memory_order_acquire) == generation; spins++) {
        if (spins < 4096) _mm_pause();
        else sched_yield(); /* there may be fewer processors than threads at this moment */
    }
}

typedef struct {
    int begin, end;
} Range;

/* A thread's share of `count` things in pieces of `piece`. */
INLINE Range share(int count, int piece, int thread, int threads) {
    const int pieces = (count + piece - 1) / piece;
    Range range = {pieces * thread / threads * piece, pieces * (thread + 1) / threads * piece};
    if (range.end > count) range.end = count;
    return range;
}

static void embed(Call *call, Range rows) {
    const Model *model = call->model;
    const int width = model->shape.embedding, projects = model->projection.in > 0;
    Quantised *quantised = projects ? &call->embedded_int8 : &call->hidden_int8;
    int text = 0;
    for (int row = rows.begin; row < rows.end; row++) {
        while (call->starts[text + 1] <= row) text++;
        const int8_t *word = model->words + (size_t)call->ids[row] * width;
        const __m512 scale = _mm512_set1_ps(model->words_scale[call->ids[row]]);
        const float *position = model->positions + (size_t)(row - call->starts[text]) * width;
        const float *type = model->token_types ? model->token_types + (size_t)(call->types ? call->types[row] : 0) * width : NULL;
        float *out = (projects ? call->projected : call->hidden) + (size_t)row * width;
        for (int c = 0; c < width; c += LANES) {
            const __m512 values = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(word + c))));
            __m512 sum = _mm512_fmadd_ps(values, scale, _mm512_loadu_ps(position + c));
            if (type) sum = _mm512_add_ps(sum, _mm512_loadu_ps(type + c));
            _mm512_storeu_ps(out + c, sum);
        }
        norm_row(out, width, &model->embedding_norm, model->shape.epsilon);
        quantise_row(out, row, quantised);
    }
}

/* Bring embeddings of another width to that of the layers. */
static void project(Call *call, Range rows, int thread) {
    const int hidden = call->model->shape.hidden;
    Range columns = share(hidden, GROUP, thread, call->threads);
    linear_to_floats(&call->embedded_int8, call->tokens, &call->model->projection, columns.begin, columns.end, call->hidden + columns.begin, hidden);
    wait_for_others(call);
    for (int row = rows.begin; row < rows.end; row++) quantise_row(call->hidden + (size_t)row * hidden, row, &call->hidden_int8);
    wait_for_others(call);
}

/* Residual, layer norm, quantised copy: hidden = norm(hidden + added). */
static void add_and_norm(Call *call, float *hidden, const float *added, const Norm *norm, Range rows) {
    const int columns = call->model->shape.hidden;
    for (int row = rows.begin; row < rows.end; row++) {
        float *out = hidden + (size_t)row * columns;
        for (int c = 0; c < columns; c += LANES)
            _mm512_storeu_ps(out + c, _mm512_add_ps(_mm512_loadu_ps(out + c), _mm512_loadu_ps(added + (size_t)row * columns + c)));
        norm_row(out, columns, norm, call->model->shape.epsilon);
        quantise_row(out, row, &call->hidden_int8);
    }
}

/* The heads of one group of 64 columns in one text, quantised. `query` points at the text's first reader. */
static void attend_group(Call *call, int text, int group, const float *query, size_t query_stride, const float *key_value, size_t stride,
                         int readers, int first_row, int thread) {
    const Shape *shape = &call->model->shape;
    const int width = shape->hidden / shape->heads;
    const int start = (int)call->starts[text], tokens = (int)(call->starts[text + 1] - call->starts[text]);
    const int padded = (call->longest + LANES - 1) / LANES * LANES;
    float *transposed = call->work + thread * call->work_size, *scores = transposed + (size_t)width * padded;
    for (int column = group * GROUP; column < (group + 1) * GROUP; column += width) {
        const float *key = key_value + (size_t)start * stride + column;
        attend(query + column, query_stride, key, key + shape->hidden, stride, readers, tokens, width, transposed, scores,
               call->mixed + (size_t)first_row * shape->hidden + column, shape->hidden);
    }
    const int groups = shape->hidden / GROUP;
    for (int row = first_row; row < first_row + readers; row++) {
        __m512 values[4];
        for (int i = 0; i < 4; i++) values[i] = _mm512_loadu_ps(call->mixed + (size_t)row * shape->hidden + group * GROUP + i * LANES);
        call->mixed_int8.scale[(size_t)row * groups + group] =
            quantise_group(values, 0, call->mixed_int8.values + (size_t)row * shape->hidden + group * GROUP);
    }
}

static void run_layer(Call *call, const Layer *layer, int is_last, int thread) {
    const Shape *shape = &call->model->shape;
    const int hidden = shape->hidden, groups = hidden / GROUP, threads = call->threads;
    const int readers = is_last ? call->texts : call->tokens; /* the classifier reads only the first token */
    const int projected = is_last ? 2 * hidden : 3 * hidden;
    Range columns = share(projected, GROUP, thread, threads);
    const int skipped = 3 * hidden - projected;
    linear_to_floats(&call->hidden_int8, call->tokens, &layer->query_key_value, skipped + columns.begin, skipped + columns.end,
                     call->projected + columns.begin, projected);
    if (is_last) {
        /* The first tokens' rows, gathered by every thread for its own columns of the query. */
        wait_for_others(call);
        if (thread == 0)
            for (int text = 0; text < call->texts; text++) { /* rows move up, so in order */
                const size_t from = (size_t)call->starts[text];
                memmove(call->hidden + (size_t)text * hidden, call->hidden + from * hidden, hidden * sizeof(float));
                memmove(call->hidden_int8.values + (size_t)text * hidden, call->hidden_int8.values + from * hidden, hidden);
                memmove(call->hidden_int8.scale + (size_t)text * groups, call->hidden_int8.scale + from * groups, groups * sizeof(float));
            }
        wait_for_others(call);
        Range query = share(hidden, GROUP, thread, threads);
        linear_to_floats(&call->hidden_int8, readers, &layer->query_key_value, query.begin, query.end, call->first_query + query.begin, hidden);
    }
    wait_for_others(call);
    END_PHASE(QUERY_KEY_VALUE);
    Range units = share(call->texts * groups, 1, thread, threads);
    for (int unit = units.begin; unit < units.end; unit++) {
        const int text = unit / groups, group = unit % groups, start = (int)call->starts[text];
        if (is_last)
            attend_group(call, text, group, call->first_query + (size_t)text * hidden, hidden, call->projected, projected, 1, text, thread);
        else
            attend_group(call, text, group, call->projected + (size_t)start * projected, projected, call->projected + hidden, projected,
                         (int)(call->starts[text + 1] - start), start, thread);
    }
    wait_for_others(call);
    END_PHASE(ATTENTION);
    columns = share(hidden, GROUP, thread, threads);
    Range rows = share(readers, 1, thread, threads);
    float *added = call->projected; /* free again */
    linear_to_floats(&call->mixed_int8, readers, &layer->output, columns.begin, columns.end, added + columns.begin, hidden);
    wait_for_others(call);
    END_PHASE(OUTPUT);
    add_and_norm(call, call->hidden, added, &layer->attention_norm, rows);
    wait_for_others(call);
    END_PHASE(NORMS);
    Range wide = share(shape->feed_forward, GROUP, thread, threads);
    linear_to_quantised(&call->hidden_int8, readers, &layer->up, wide.begin, wide.end, shape->activation, &call->raised_int8);
    wait_for_others(call);
    END_PHASE(UP_AND_ACTIVATION);
    linear_to_floats(&call->raised_int8, readers, &layer->down, columns.begin, columns.end, added + columns.begin, hidden);
    wait_for_others(call);
    END_PHASE(DOWN);
    add_and_norm(call, call->hidden, added, &layer->feed_forward_norm, rows);
    wait_for_others(call);
    END_PHASE(NORMS);
}

INLINE float activate_head(float x, int activation) {
    if (activation == HEAD_RELU) return x < 0 ? 0 : x;
    return activation == HEAD_TANH ? tanhf(x) : 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

static void classify(Call *call, int thread) {
    const Model *model = call->model;
    const int hidden = model->shape.hidden, classes = model->shape.classes;
    Range columns = share(hidden, GROUP, thread, call->threads);
    linear_to_floats(&call->hidden_int8, call->texts, &model->transform, columns.begin, columns.end, call->projected + columns.begin, hidden);
    wait_for_others(call);
    Range texts = share(call->texts, 1, thread, call->threads);
    for (int text = texts.begin; text < texts.end; text++) {
        float *row = call->projected + (size_t)text * hidden;
        for (int c = 0; c < hidden; c++) row[c] = activate_head(row[c], model->shape.head_activation);
        for (int label = 0; label < classes; label++) {
            __m512 sum = _mm512_setzero_ps();
            for (int c = 0; c < hidden; c += LANES)
                sum = _mm512_fmadd_ps(_mm512_loadu_ps(row + c), _mm512_loadu_ps(model->classifier + (size_t)label * hidden + c), sum);
            call->logits[(size_t)text * classes + label] = _mm512_reduce_add_ps(sum) + model->classifier_bias[label];
        }
    }
    wait_for_others(call);
}

static void run_share(Call *call, int thread) {
    const Model *model = call->model;
    BEGIN_PROFILE();
    Range rows = share(call->tokens, 1, thread, call->threads);
    embed(call, rows);
    wait_for_others(call);
    if (model->projection.in) project(call, rows, thread);
    END_PHASE(EMBEDDINGS);
    for (int layer = 0; layer < model->shape.layers; layer++)
        run_layer(call, &model->layers[layer], layer == model->shape.layers - 1, thread);
    classify(call, thread);
    END_PHASE(HEAD);
}

#pragma GCC pop_options

/* ---------------------------------------------------------------- packing */

static int pack_linear(Linear *linear, const LinearWeights *weights, int in, int out, int unsigned_input, float shift) {
    const int groups = in / GROUP, panels = out / PANEL;
    linear->in = in;
    linear->out = out;
    linear->packed = allocate((size_t)in * out);
    linear->offset = allocate((size_t)panels * groups * PANEL * sizeof(int32_t));
    linear->scale = copy_floats(weights->scale, out);
    linear->bias = copy_floats(weights->bias, out);
    if (!linear->packed || !linear->offset || !linear->scale || !linear->bias) return OUT_OF_MEMORY;
    for (int panel = 0; panel < panels; panel++) {
        int8_t *packed = linear->packed + (size_t)panel * in * PANEL;
        int32_t total[PANEL] = {0};
        for (int g = 0; g < groups; g++) {
            int32_t sums[PANEL] = {0};
            for (int k = g * GROUP; k < (g + 1) * GROUP; k++) {
                const int8_t *row = weights->weight + (size_t)k * out + panel * PANEL;
                int8_t *place = packed + (size_t)(k / 4) * PANEL * 4 + k % 4;
                for (int c = 0; c < PANEL; c++) {
                    place[c * 4] = row[c];
                    sums[c] += row[c];
                }
            }
            int32_t *offset = linear->offset + ((size_t)panel * groups + g) * PANEL;
            for (int c = 0; c < PANEL; c++) {
                offset[c] = unsigned_input ? 0 : -128 * sums[c];
                total[c] += sums[c];
            }
        }
        /* What was added to the activations for their storage is taken back here. */
        for (int c = 0; c < PANEL; c++) linear->bias[panel * PANEL + c] -= shift * linear->scale[panel * PANEL + c] * (float)total[c];
    }
    return OK;
}

static int copy_norm(Norm *norm, const NormWeights *weights, int columns) {
    norm->weight = copy_floats(weights->weight, columns);
    norm->bias = copy_floats(weights->bias, columns);
    return norm->weight && norm->bias ? OK : OUT_OF_MEMORY;
}

static void free_linear(Linear *linear) {
    free(linear->packed);
    free(linear->offset);
    free(linear->scale);
    free(linear->bias);
}

static void free_norm(Norm *norm) {
    free(norm->weight);
    free(norm->bias);
}

/* ---------------------------------------------------------------- helper threads */

/* Helpers wait for calls that are shared. `turn` counts those calls, times 256, plus the threads of the latest. */
static struct {
    pthread_mutex_t busy; /* held by the call that is shared */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_ulong turn;
    Call *call;
    int helpers;
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static const double AWAKE_SECONDS = 5e-4; /* texts that come one after another find the helpers awake */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static unsigned long wait_for_turn(unsigned long seen) {
    unsigned long turn;
    const double since = now();
    do {
        for (int i = 0; i < 64; i++) {
            if ((turn = atomic_load_explicit(&pool.turn, memory_order_acquire)) != seen) return turn;
            _mm_pause();
        }
    } while (now() - since < AWAKE_SECONDS);
    pthread_mutex_lock(&pool.lock);
    while ((turn = atomic_load_explicit(&pool.turn, memory_order_acquire)) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    return turn;
}

static void *help(void *argument) {
    const int index = (int)(intptr_t)argument;
    unsigned long seen = 0;
    for (;;) {
        seen = wait_for_turn(seen);
        if (index < (int)(seen & 255)) run_share(pool.call, index);
    }
    return NULL;
}

static pthread_mutex_t scratch_lock = PTHREAD_MUTEX_INITIALIZER; /* of the lists of all models, held for a moment */

static void before_fork(void) { pthread_mutex_lock(&scratch_lock); } /* so that the child finds every list whole */
static void after_fork_in_parent(void) { pthread_mutex_unlock(&scratch_lock); }

static void after_fork_in_child(void) { /* threads are not inherited */
    pthread_mutex_init(&scratch_lock, NULL);
    pthread_mutex_init(&pool.busy, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    atomic_store(&pool.turn, 0);
    atomic_store(&barrier.arrived, 0);
    pool.helpers = 0;
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static void register_fork(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/* Make sure that there are helpers; returns how many threads a call can have. */
static int call_helpers(int threads) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads of the program */
    while (pool.helpers < threads - 1) {
        pthread_t helper;
        pthread_attr_t detached;
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        const int failed = pthread_create(&helper, &detached, help, (void *)(intptr_t)(pool.helpers + 1));
        pthread_attr_destroy(&detached);
        if (failed) break;
        pool.helpers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool.helpers + 1 < threads ? pool.helpers + 1 : threads;
}

static void run_call(Call *call) {
    if (call->threads > 1 && pthread_mutex_trylock(&pool.busy) == 0) {
        call->threads = call_helpers(call->threads);
        if (call->threads > 1) {
            pool.call = call;
            pthread_mutex_lock(&pool.lock);
            const unsigned long counted = (atomic_load(&pool.turn) & ~255ul) + 256;
            atomic_store_explicit(&pool.turn, counted | (unsigned long)call->threads, memory_order_release);
            pthread_cond_broadcast(&pool.wake);
            pthread_mutex_unlock(&pool.lock);
        }
        run_share(call, 0);
        pthread_mutex_unlock(&pool.busy);
        return;
    }
    call->threads = 1; /* another call has the helpers */
    run_share(call, 0);
}

/* ---------------------------------------------------------------- what Python calls */

/* Whether this processor has the instructions. */
EXPORT int valence_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}

EXPORT void valence_close(Model *model) {
    if (!model) return;
    for (int i = 0; model->layers && i < model->shape.layers; i++) {
        Layer *layer = &model->layers[i];
        free_linear(&layer->query_key_value);
        free_linear(&layer->output);
        free_linear(&layer->up);
        free_linear(&layer->down);
        free_norm(&layer->attention_norm);
        free_norm(&layer->feed_forward_norm);
    }
    free(model->layers);
    free_linear(&model->projection);
    free_linear(&model->transform);
    free_norm(&model->embedding_norm);
    free(model->classifier);
    free(model->classifier_bias);
    while (model->scratch) {
        Scratch *next = model->scratch->next;
        free(model->scratch->bytes);
        free(model->scratch);
        model->scratch = next;
    }
    free(model);
}

/* Pack a model. The four tables of embeddings are read where they lie, as long as the model is open. Returns NULL
   where memory is short. */
EXPORT Model *valence_open(const Shape *shape, const ModelWeights *weights, const LayerWeights *layers) {
    Model *model = calloc(1, sizeof(Model));
    if (!model) return NULL;
    const int hidden = shape->hidden, wide = shape->feed_forward;
    const float shift = shape->activation == RELU ? 0.0f : GELU_SHIFT;
    model->shape = *shape;
    pthread_once(&fork_once, register_fork);
    model->words = weights->words;
    model->words_scale = weights->words_scale;
    model->positions = weights->positions;
    model->token_types = weights->token_types;
    model->layers = calloc(shape->layers, sizeof(Layer));
    model->classifier = copy_floats(weights->classifier, (size_t)shape->classes * hidden);
    model->classifier_bias = copy_floats(weights->classifier_bias, shape->classes);
    int status = model->layers && model->classifier && model->classifier_bias ? OK : OUT_OF_MEMORY;
    if (!status) status = copy_norm(&model->embedding_norm, &weights->embedding_norm, shape->embedding);
    if (!status && shape->embedding != hidden) status = pack_linear(&model->projection, &weights->projection, shape->embedding, hidden, 0, 0);
    if (!status) status = pack_linear(&model->transform, &weights->transform, hidden, hidden, 0, 0);
    for (int i = 0; !status && i < shape->layers; i++) {
        Layer *layer = &model->layers[i];
        status = pack_linear(&layer->query_key_value, &layers[i].query_key_value, hidden, 3 * hidden, 0, 0);
        if (!status) status = pack_linear(&layer->output, &layers[i].output, hidden, hidden, 0, 0);
        if (!status) status = pack_linear(&layer->up, &layers[i].up, hidden, wide, 0, 0);
        if (!status) status = pack_linear(&layer->down, &layers[i].down, wide, hidden, 1, shift);
        if (!status) status = copy_norm(&layer->attention_norm, &layers[i].attention_norm, hidden);
        if (!status) status = copy_norm(&layer->feed_forward_norm, &layers[i].feed_forward_norm, hidden);
    }
    if (status) {
        valence_close(model);
        return NULL;
    }
    return model;
}

/* Take room from the model's list, or make it: what a call needed before, the next one finds. */
static Scratch *take_scratch(Model *model, size_t size) {
    pthread_mutex_lock(&scratch_lock);
    Scratch *scratch = model->scratch;
    if (scratch) model->scratch = scratch->next;
    pthread_mutex_unlock(&scratch_lock);
    if (!scratch) scratch = calloc(1, sizeof(Scratch));
    if (scratch && scratch->size < size) {
        free(scratch->bytes);
        scratch->bytes = allocate(size);
        scratch->size = scratch->bytes ? size : 0;
        if (!scratch->bytes) {
            free(scratch);
            return NULL;
        }
    }
    return scratch;
}

static void give_scratch(Model *model, Scratch *scratch) {
    pthread_mutex_lock(&scratch_lock);
    scratch->next = model->scratch;
    model->scratch = scratch;
    pthread_mutex_unlock(&scratch_lock);
}

static char *carve(char **place, size_t size) {
    char *piece = *place;
    *place += (size + 63) / 64 * 64;
    return piece;
}

/* Lay the call's buffers out from `place`; returns where they end. */
static char *lay_out(Call *call, char *place) {
    const Shape *shape = &call->model->shape;
    const size_t tokens = call->tokens, hidden = shape->hidden, wide = shape->feed_forward;
    const size_t padded = (call->longest + LANES - 1) / LANES * LANES;
    call->work_size = (hidden / shape->heads + TILE) * padded + LANES;
    call->hidden = (float *)carve(&place, tokens * hidden * 4);
    call->projected = (float *)carve(&place, tokens * hidden * 3 * 4);
    call->mixed = (float *)carve(&place, tokens * hidden * 4);
    call->first_query = (float *)carve(&place, (size_t)call->texts * hidden * 4);
    call->work = (float *)carve(&place, call->work_size * 4 * call->threads);
    const size_t narrow = shape->embedding == shape->hidden ? 0 : shape->embedding;
    call->embedded_int8 = (Quantised){(uint8_t *)carve(&place, tokens * narrow), (float *)carve(&place, tokens * narrow / GROUP * 4), shape->embedding};
    call->hidden_int8 = (Quantised){(uint8_t *)carve(&place, tokens * hidden), (float *)carve(&place, tokens * hidden / GROUP * 4), shape->hidden};
    call->mixed_int8 = (Quantised){(uint8_t *)carve(&place, tokens * hidden), (float *)carve(&place, tokens * hidden / GROUP * 4), shape->hidden};
    call->raised_int8 = (Quantised){(uint8_t *)carve(&place, tokens * wide), (float *)carve(&place, tokens * wide / GROUP * 4), shape->feed_forward};
    return place;
}

/* Compute logits [texts, C]. Text i has the tokens starts[i] to starts[i + 1], at least one; `types` may be NULL. */
EXPORT int valence_logits(Model *model, const int32_t *ids, const int32_t *types, const int64_t *starts, int32_t texts,
                          int32_t threads, float *logits) {
    Call call = {.model = model, .ids = ids, .types = types, .starts = starts, .texts = texts, .logits = logits};
    call.tokens = (int)starts[texts];
    call.threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    for (int text = 0; text < texts; text++) {
        const int64_t length = starts[text + 1] - starts[text];
        if (length < 1 || length > model->shape.positions) return BAD_TOKEN;
        if (length > call.longest) call.longest = (int)length;
    }
    for (int token = 0; token < call.tokens; token++) {
        if (ids[token] < 0 || ids[token] >= model->shape.vocabulary) return BAD_TOKEN;
        if (types && model->token_types && (types[token] < 0 || types[token] >= model->shape.token_types)) return BAD_TOKEN;
    }
    Scratch *scratch = take_scratch(model, (size_t)lay_out(&call, NULL));
    if (!scratch) return OUT_OF_MEMORY;
    lay_out(&call, scratch->bytes);
    run_call(&call);
    give_scratch(model, scratch);
    return OK;
}
