/* The yardsticks for a CPU: what the machine allows for the work of lifjax, in plain C, float32.
 *
 * Leaky integrate-and-fire neurons in the order of lifjax's step. The time loop is inside a block of neurons whose state
 * stays in the nearest cache, the loop over neurons is vectorised, the blocks are shared out over the cores. The noise
 * draws the deviates that lifjax draws: Threefry-2x32 with 13 rounds, one call for two steps, and the same polynomials.
 * Built by bench/peers/c_yardstick.py with -O3 -march=native -fopenmp.
 */
#include <stdint.h>
#include <string.h>

enum { B = 64 }; /* neurons of a block */

typedef struct { float V_th, V_reset, keep, scale, base; int32_t n_ref; } neuron;

#define STEP(DRIVE)                                                  \
  int held = r[i] > 0, spike = !held & (v[i] >= p.V_th);            \
  float u = (held | spike) ? p.V_reset : v[i];                      \
  r[i] = held ? r[i] - 1 : (spike ? p.n_ref : 0);                   \
  c[i] += spike;                                                     \
  v[i] = u * p.keep + (DRIVE);

#define BEGIN                                                        \
  long m = n - b < B ? n - b : B;                                    \
  float v[B], d[B];                                                  \
  int32_t r[B], c[B];                                                \
  for (int i = 0; i < B; i++) {                                      \
    v[i] = p.V_reset; r[i] = c[i] = 0;                               \
    d[i] = i < m ? I[b + i] * p.scale + p.base : 0;                  \
  }

#define END for (int i = 0; i < m; i++) count[b + i] = c[i];

/* Spike counts under a constant current I (n) [pA]. */
void counts(neuron p, const float *I, long n, long steps, int32_t *count) {
#pragma omp parallel for schedule(static)
  for (long b = 0; b < n; b += B) {
    BEGIN
    for (long k = 0; k < steps; k++) {
#pragma omp simd
      for (int i = 0; i < B; i++) { STEP(d[i]) }
    }
    END
  }
}

/* The same, and V of all neurons, (steps, n), as it stands after the reset. Each of some blocks side by side takes a few
 * steps in turn: its state stays in registers, and what they all write comes close together, in rows of some KB. */
void voltages(neuron p, const float *I, long n, long steps, int32_t *count, float *V) {
  enum { BESIDE = 64, FEW = 8 };
  const long size = B * sizeof(float), wide = BESIDE * B;
#pragma omp parallel for schedule(static)
  for (long begin = 0; begin < n; begin += wide) {
    struct { float v[B], d[B]; int32_t r[B], c[B]; } all[BESIDE], *at;
    long stop = n - begin < wide ? n : begin + wide;
    for (long k = 0; k < steps; k += FEW) {
      at = all;
      for (long b = begin; b < stop; b += B, at++) {
        BEGIN
        if (k > 0) {
          memcpy(v, at->v, size); memcpy(d, at->d, size); memcpy(r, at->r, size); memcpy(c, at->c, size);
        }
        for (long j = k; j < steps && j < k + FEW; j++) {
          float spare[B], *row = m == B ? V + j * n + b : spare;
#pragma omp simd
          for (int i = 0; i < B; i++) { STEP(d[i]) row[i] = u; }
          if (m < B) memcpy(V + j * n + b, spare, m * sizeof *V);
        }
        memcpy(at->v, v, size); memcpy(at->d, d, size); memcpy(at->r, r, size); memcpy(at->c, c, size);
        END
      }
    }
  }
}

/* As many bytes as V takes, and nothing else. */
void writes(long n, long steps, float *V) {
#pragma omp parallel for schedule(static)
  for (long k = 0; k < steps; k++) memset(V + k * n, 1, n * sizeof *V);
}

#define ROTATE(x, by) ((x) << (by) | (x) >> (32 - (by)))
#define ROUND(by) x += y; y = ROTATE(y, by) ^ x;
#define FOUR(a, b, c, d) ROUND(a) ROUND(b) ROUND(c) ROUND(d)
#define INJECT(j, k, l) x += k; y += l + j;

static inline void threefry(uint32_t k0, uint32_t k1, uint32_t x, uint32_t y, uint32_t *first, uint32_t *second) {
  uint32_t k2 = k0 ^ k1 ^ 0x1BD11BDAu;
  x += k0; y += k1;
  FOUR(13, 15, 26, 6) INJECT(1, k1, k2)
  FOUR(17, 29, 16, 24) INJECT(2, k2, k0)
  FOUR(13, 15, 26, 6) INJECT(3, k0, k1)
  ROUND(17)
  *first = x; *second = y;
}

static inline float as_float(uint32_t x) { union { uint32_t u; float f; } both = { x }; return both.f; }
static inline uint32_t as_bits(float x) { union { float f; uint32_t u; } both = { x }; return both.u; }

/* Estrin's scheme: pairs of terms, then pairs of pairs. */
#define P2(a, b, x) ((a) + (b) * (x))
#define P4(a, b, c, d, x, x2) P2(P2(a, b, x), P2(c, d, x), x2)
#define P8(a, b, c, d, e, f, g, h, x, x2, x4) P2(P4(a, b, c, d, x, x2), P4(e, f, g, h, x, x2), x4)

static inline float normal(uint32_t word) {
  float p = (float)(int32_t)(word & 0x7FFFFFFF) * 0x1p-32f + 0x1p-33f, q = 4 * p * (1 - p);
  int32_t raw = (int32_t)as_bits(q), e = (raw - 0x3F3504F3) >> 23;
  float r = as_float((uint32_t)(raw - (int32_t)((uint32_t)e << 23))) - 1, r2 = r * r;
  const float s = -2 / 22.25f;
  float w = (float)e * (s * 0.693147181f) - 1
    + r * P8(s * 0.999999814f, s * -0.500006675f, s * 0.333361829f, s * -0.249593377f, s * 0.198730212f,
             s * -0.173335121f, s * 0.164202044f, s * -0.101023609f, r, r2, r2 * r2);
  float w2 = w * w, w4 = w2 * w2, w8 = w4 * w4;
  float z = (1 - 2 * p)
    * (P8(4.48275721f, 2.37289077f, -0.575528446f, 0.26756271f, -0.14359629f, 0.0777547488f, -0.0259018765f,
          -0.0683919407f, w, w2, w4)
       + w8 * (P8(0.103701309f, 0.0689411776f, -0.0636919881f, -0.310979816f, 0.248886264f, 0.25466957f, -0.241470969f,
                  -0.0618850773f, w, w2, w4) + w8 * 0.0687203967f));
  return as_float(as_bits(z) | (word & 0x80000000u));
}

/* Spike counts under white noise: I (n) is its mean [pA], spread its standard deviation in a step [pA]. */
void noise(neuron p, const float *I, float spread, uint32_t k0, uint32_t k1, long n, long steps, int32_t *count) {
  float scale = spread * p.scale;
#pragma omp parallel for schedule(static)
  for (long b = 0; b < n; b += B) {
    BEGIN
    for (long k = 0; k < steps; k += 2) {
      uint32_t first[B], second[B];
#pragma omp simd
      for (int i = 0; i < B; i++) threefry(k0, k1, (uint32_t)(b + i), (uint32_t)(k / 2), first + i, second + i);
#pragma omp simd
      for (int i = 0; i < B; i++) { STEP(d[i] + scale * normal(first[i])) }
#pragma omp simd
      for (int i = 0; i < B; i++) { STEP(d[i] + scale * normal(second[i])) }
    }
    END
  }
}
