// Kernels beside cuDNN's convolutions. They need no header, so NVRTC compiles them without a CUDA toolkit.
//
// Feature maps are NHWC in bf16, held as 16-bit words. Sums are f32 in a fixed order, or integers, so that every run
// gives the same bits.

typedef unsigned short bf16;
typedef unsigned int u32;
typedef unsigned long long u64;

__device__ inline float widen(bf16 x) { return __uint_as_float((u32)x << 16); }

// Rounds to nearest, ties to even. NaN stays NaN.
__device__ inline bf16 narrow(float x) {
  u32 bits = __float_as_uint(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bf16)((bits >> 16) | 64);
  return (bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// NaN stays NaN, so that it is found at the end.
__device__ inline float rectify(float x) { return x < 0.f ? 0.f : x; }

// Index of a thread among all threads of a grid, for kernels with one element a thread.
__device__ inline u64 element() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }

// Images, f32 [n, c, p], to feature maps [n, p, c].
extern "C" __global__ void to_feature_map(const float* images, bf16* map, u64 total, u32 channels, u32 pixels) {
  u64 i = element();
  if (i >= total) return;
  u32 c = i % channels;
  u64 rest = i / channels, p = rest % pixels, n = rest / pixels;
  map[i] = narrow(images[(n * channels + c) * pixels + p]);
}

// Weights, f32 [k, c, t], to cuDNN's order [k, t, c], times the scale of output channel k if there is one. Rows of
// `wide` values, with zeros to the end.
extern "C" __global__ void to_filter(const float* weights, const float* scale, bf16* filter, u64 total, u32 channels, u32 taps, u32 wide) {
  u64 i = element();
  if (i >= total) return;
  u32 index = i % wide, c = index % channels, t = index / channels;
  u64 k = i / wide;
  float value = t < taps ? weights[(k * channels + c) * taps + t] : 0.f;
  filter[i] = narrow(scale ? value * scale[k] : value);
}

// Windows of feature maps with few channels, so that their convolution becomes a product: [n, p, c] to
// [n, out_height * out_width, wide], with tap * channels + c in a row and zeros to its end. One thread writes 8 values.
extern "C" __global__ void unroll(const bf16* x, bf16* y, u64 total, u32 channels, u32 height, u32 width, u32 out_height, u32 out_width, u32 kernel, u32 stride, u32 padding, u32 wide) {
  u64 i = element();
  if (i >= total) return;
  u32 first = i % (wide / 8) * 8;
  u64 rest = i / (wide / 8);
  u32 ox = rest % out_width;
  rest /= out_width;
  u32 oy = rest % out_height;
  const bf16* image = x + rest / out_height * height * width * channels;
  u32 packed[4] = {};
#pragma unroll
  for (u32 k = 0; k < 8; k++) {
    u32 index = first + k, tap = index / channels;
    u32 row = oy * stride + tap / kernel - padding, column = ox * stride + tap % kernel - padding;
    // What lies before the edge has wrapped round and is large.
    if (tap < kernel * kernel && row < height && column < width)
      packed[k / 2] |= (u32)image[(row * width + column) * channels + index % channels] << (k % 2 * 16);
  }
  store_16(y + i * 8, packed);
}

__device__ inline float low(u32 pair) { return __uint_as_float(pair << 16); }
__device__ inline float high(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ inline u32 pack(float low, float high) { return narrow(low) | (u32)narrow(high) << 16; }

// relu(x * scale + shift) for each channel; without scale, relu(x). One thread has `step` values, 8 or 1.
extern "C" __global__ void activate(const bf16* x, const float* scale, const float* shift, bf16* y, u64 total, u32 channels, u32 step) {
  u64 i = element() * step;
  if (i >= total) return;
  u32 c = i % channels;
  if (step == 1) {
    float value = widen(x[i]);
    y[i] = narrow(rectify(scale ? fmaf(value, scale[c], shift[c]) : value));
    return;
  }
  u32 v[4];
  load_16(v, x + i);
#pragma unroll
  for (u32 k = 0; k < 4; k++) {
    float a = low(v[k]), b = high(v[k]);
    if (scale) {
      a = fmaf(a, scale[c + 2 * k], shift[c + 2 * k]);
      b = fmaf(b, scale[c + 2 * k + 1], shift[c + 2 * k + 1]);
    }
    v[k] = pack(rectify(a), rectify(b));
  }
  store_16(y + i, v);
}

// What follows a convolution, where cuDNN does not fuse it: + skip, + bias, ReLU. In place. One thread has `step` values,
// 8 or 1.
extern "C" __global__ void finish(bf16* x, const bf16* skip, const bf16* bias, u64 total, u32 channels, int relu, u32 step) {
  u64 i = element() * step;
  if (i >= total) return;
  if (step == 1) {
    float value = widen(x[i]) + (skip ? widen(skip[i]) : 0.f) + (bias ? widen(bias[i % channels]) : 0.f);
    x[i] = narrow(relu ? rectify(value) : value);
    return;
  }
  u32 v[4], s[4] = {}, b[4] = {};
  load_16(v, x + i);
  if (skip) load_16(s, skip + i);
  if (bias) load_16(b, bias + i % channels);
#pragma unroll
  for (u32 k = 0; k < 4; k++) {
    float l = low(v[k]) + low(s[k]) + low(b[k]), h = high(v[k]) + high(s[k]) + high(b[k]);
    v[k] = relu ? pack(rectify(l), rectify(h)) : pack(l, h);
  }
  store_16(x + i, v);
}

// The larger of two; NaN wins, so that it is found at the end.
__device__ inline float larger(float best, float value) { return value <= best ? best : value; }

// One thread has `step` channels, 8 or 1.
extern "C" __global__ void max_pool(const bf16* x, bf16* y, u64 total, u32 channels, u32 height, u32 width, u32 out_height, u32 out_width, u32 size, u32 stride, u32 step) {
  u64 i = element() * step;
  if (i >= total) return;
  u32 c = i % channels;
  u64 rest = i / channels;
  u32 ox = rest % out_width;
  rest /= out_width;
  u32 oy = rest % out_height;
  const bf16* window = x + ((rest / out_height * height + oy * stride) * width + ox * stride) * channels + c;
  const float lowest = __uint_as_float(0xff800000);
  if (step == 1) {
    float best = lowest;
    for (u32 dy = 0; dy < size; dy++)
      for (u32 dx = 0; dx < size; dx++) best = larger(best, widen(window[(dy * width + dx) * channels]));
    y[i] = narrow(best);
    return;
  }
  float best[8];
#pragma unroll
  for (u32 k = 0; k < 8; k++) best[k] = lowest;
  for (u32 dy = 0; dy < size; dy++)
    for (u32 dx = 0; dx < size; dx++) {
      u32 v[4];
      load_16(v, window + (u64)(dy * width + dx) * channels);
#pragma unroll
      for (u32 k = 0; k < 4; k++) {
        best[2 * k] = larger(best[2 * k], low(v[k]));
        best[2 * k + 1] = larger(best[2 * k + 1], high(v[k]));
      }
    }
  u32 v[4];
#pragma unroll
  for (u32 k = 0; k < 4; k++) v[k] = pack(best[2 * k], best[2 * k + 1]);
  store_16(y + i, v);
}

// Mean of each channel of each image and sum of squared deviations from it, [n, c] each. Grid (n, c / 128), block 128.
extern "C" __global__ void moments(const bf16* x, float* means, float* deviations, u32 channels, u32 pixels) {
  u32 c = blockIdx.y * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const bf16* image = x + (u64)blockIdx.x * pixels * channels + c;
  float sum = 0;
  for (u32 p = 0; p < pixels; p++) sum += widen(image[(u64)p * channels]);
  float mean = sum / pixels, deviation = 0;
  for (u32 p = 0; p < pixels; p++) {
    float d = widen(image[(u64)p * channels]) - mean;
    deviation = fmaf(d, d, deviation);
  }
  means[(u64)blockIdx.x * channels + c] = mean;
  deviations[(u64)blockIdx.x * channels + c] = deviation;
}

// Feature maps [n, p, c] to rows [n, c * pixels + p] of `stride` words. −0 becomes 0. Sets *broken if a value is not
// finite. Grid (n, c / 64, pixels / 64), block 256: a tile of 64 pixels and 64 channels goes through shared memory.
extern "C" __global__ void __launch_bounds__(256) to_rows(const bf16* map, bf16* rows, u32 channels, u32 pixels, u32 stride, u32* broken) {
  SHARED(u32, tile);  // [64 pixels, 33 words]
  u32 c0 = blockIdx.y * 64, p0 = blockIdx.z * 64, of_channels = min(64u, channels - c0), of_pixels = min(64u, pixels - p0);
  const bf16* image = map + ((u64)blockIdx.x * pixels + p0) * channels + c0;
  bf16* row = rows + (u64)blockIdx.x * stride;
  bf16* values = (bf16*)tile;
  for (u32 i = threadIdx.x; i < of_pixels * of_channels; i += blockDim.x) {
    u32 p = i / of_channels, c = i % of_channels;
    bf16 value = image[(u64)p * channels + c];
    if ((value & 0x7f80) == 0x7f80) *broken = 1;
    values[p * 66 + c] = value == 0x8000 ? (bf16)0 : value;
  }
  __syncthreads();
  for (u32 i = threadIdx.x; i < of_pixels * of_channels; i += blockDim.x) {
    u32 c = i / of_pixels, p = i % of_pixels;
    row[(u64)(c0 + c) * pixels + p0 + p] = values[p * 66 + c];
  }
}

// ---- the classifier ----
//
// One launch trains an epoch. Each block owns a slice of the features: their weights, Adam's moments and, for each
// mini-batch, their part of the rows, all in shared memory. Blocks meet once in a step, when the class scores are
// complete. Scores are summed as integers of 2^-32, so no order of the blocks changes a bit.

struct Fit {
  const bf16* rows;           // [n, stride]
  const u32* order;           // of the epoch, [n]
  const u32* labels;          // [n]
  float* weights;             // [features of all slices, padded classes]
  float* mean;                // Adam's moments, likewise
  float* square;
  u64* scores;                // three buffers of [room, classes], zero at the start
  u32* arrived;               // the barrier's counter, zero at the start
  double* loss;               // [room], summed over the steps
  u32* correct;               // [room], likewise
  u32* broken;                // set if a score is not finite
  double power_1, power_2;    // decays of Adam to the power of the steps so far
  float beta_1, beta_2, rate, epsilon, decay;
  u32 n, stride, slice, classes, padded, batch;
  u32 room;                   // batch, rounded up to a multiple of 8
  u32 moments_in_shared;
};

__device__ inline u32 xs_stride(u32 slice) { u32 words = slice / 2; return words + ((words & 7) == 4 ? 0 : 4); }

// Waits for all blocks. What they wrote before is seen after.
__device__ inline void meet(u32* arrived, u32 target) {
  __syncthreads();
  if (threadIdx.x == 0) {
    arrive(arrived);
    while (load_now(arrived) < target) {}
  }
  __syncthreads();
}

// Sums 32 values over LANES neighbours. Lane i is left with values i * 32 / LANES and following, in front.
template <int LANES> __device__ inline void share_sums(float (&v)[32], u32 lane) {
  int keep = 32;
#pragma unroll
  for (int mask = LANES / 2; mask; mask >>= 1) {
    keep >>= 1;
    bool upper = lane & mask;
#pragma unroll
    for (int i = 0; i < 16; i++)
      if (i < keep) {
        float give = upper ? v[i] : v[i + keep], own = upper ? v[i + keep] : v[i];
        v[i] = own + __shfl_xor_sync(0xffffffffu, give, mask);
      }
  }
}

// Copies the slice of a mini-batch's rows to shared memory, 16 bytes at a time; rows beyond the end are zero.
__device__ inline void fetch(const Fit& fit, u32* xs, u32 step, u32 first) {
  u32 words = xs_stride(fit.slice), parts = fit.slice / 8, rows = min(fit.batch, fit.n - step * fit.batch);
  for (u32 i = threadIdx.x; i < fit.room * parts; i += blockDim.x) {
    u32 r = i / parts, part = i % parts, f = first + part * 8;
    u32* to = xs + r * words + part * 4;
    if (r < rows && f < fit.stride) copy_16(to, fit.rows + (u64)fit.order[step * fit.batch + r] * fit.stride + f);
    else to[0] = to[1] = to[2] = to[3] = 0;
  }
  copies_begin();
}

extern "C" __global__ void __launch_bounds__(512) fit_epoch(Fit fit) {
  SHARED(u32, shared);
  u32 t = threadIdx.x, words = xs_stride(fit.slice), first = blockIdx.x * fit.slice, wide = fit.padded + 4;
  u32 steps = (fit.n + fit.batch - 1) / fit.batch, tiles = fit.padded / 8, room = fit.room, quarter = room / 4;
  u32* xs = shared;                                             // two buffers [room, words]
  float* w = (float*)(shared + 2 * room * words);          // [slice, wide]
  float* d = w + fit.slice * wide;                              // [room, wide]
  u64 start = (u64)first * fit.padded;
  float *mean = fit.mean + start, *square = fit.square + start;
  u32 own = fit.slice * fit.padded;
  if (fit.moments_in_shared) {
    mean = d + room * wide;
    square = mean + own;
    for (u32 i = t; i < own; i += blockDim.x) { mean[i] = fit.mean[start + i]; square[i] = fit.square[start + i]; }
  }
  for (u32 i = t; i < own; i += blockDim.x) w[i / fit.padded * wide + i % fit.padded] = fit.weights[start + i];
  double power_1 = fit.power_1, power_2 = fit.power_2, loss[2] = {0, 0};
  u32 correct[2] = {0, 0};
  fetch(fit, xs, 0, first);

  for (u32 step = 0; step < steps; step++) {
    u32* x = xs + (step & 1) * room * words;
    u64* scores = fit.scores + (u64)(step % 3) * room * fit.classes;
    copies_end();
    __syncthreads();
    if (step + 1 < steps) fetch(fit, xs + ((step + 1) & 1) * room * words, step + 1, first);

    // Scores of four rows and eight classes in four neighbours, which take the features in turns.
    for (u32 item = t / 4; item < (quarter * tiles + 7) / 8 * 8; item += blockDim.x / 4) {
      bool real = item < quarter * tiles;
      u32 row = real ? item % quarter : 0, c = real ? item / quarter * 8 : 0, part = t % 4;
      float acc[32] = {};
      for (u32 i = part; i < fit.slice / 2; i += 4) {
        float l[8], h[8];
        load_8(l, w + 2 * i * wide + c);
        load_8(h, w + (2 * i + 1) * wide + c);
#pragma unroll
        for (int q = 0; q < 4; q++) {
          u32 pair = x[(row + q * quarter) * words + i];
#pragma unroll
          for (int k = 0; k < 8; k++) acc[8 * q + k] = fmaf(high(pair), h[k], fmaf(low(pair), l[k], acc[8 * q + k]));
        }
      }
      share_sums<4>(acc, part);
      if (real)
#pragma unroll
        for (int k = 0; k < 8; k++) d[(row + part * quarter) * wide + c + k] = acc[k];
    }
    __syncthreads();
    for (u32 i = t; i < room * fit.classes; i += blockDim.x) {
      float score = d[i / fit.classes * wide + i % fit.classes];
      // The sum of all blocks must stay below 2^31.
      if (!(fabsf(score) * gridDim.x < 2147483648.f)) *fit.broken = 1;
      add_to(&scores[i], (u64)__float2ll_rn(score * 4294967296.f));
    }
    meet(fit.arrived, (step + 1) * gridDim.x);

    // Softmax: four neighbours a row. The buffer of the step after next is cleared by the way.
    u32 rows = min(fit.batch, fit.n - step * fit.batch);
    u64* cleared = fit.scores + (u64)((step + 2) % 3) * room * fit.classes;
    for (u32 i = blockIdx.x * blockDim.x + t; i < room * fit.classes; i += gridDim.x * blockDim.x) cleared[i] = 0;
    u32 kept = 0;
    for (u32 r = t / 4; r < room; r += blockDim.x / 4, kept++) {
      float* row = d + r * wide;
      u32 part = t % 4, label = r < rows ? fit.labels[fit.order[step * fit.batch + r]] : 0;
      float top = __uint_as_float(0xff800000), sum = 0, right = 0;
      u32 best = 0;
      for (u32 c = part; c < fit.classes; c += 4) {
        float v = (float)((double)(long long)load_now(&scores[r * fit.classes + c]) * (1.0 / 4294967296.0));
        row[c] = v;
        if (v > top) { top = v; best = c; }
      }
      for (int o = 1; o < 4; o <<= 1) {
        float v = __shfl_xor_sync(0xffffffffu, top, o);
        u32 c = __shfl_xor_sync(0xffffffffu, best, o);
        if (v > top || (v == top && c < best)) { top = v; best = c; }
      }
      for (u32 c = part; c < fit.classes; c += 4) {
        if (c == label) right = row[c];
        float e = expf(row[c] - top);
        row[c] = e;
        sum += e;
      }
      for (int o = 1; o < 4; o <<= 1) {
        sum += __shfl_xor_sync(0xffffffffu, sum, o);
        right += __shfl_xor_sync(0xffffffffu, right, o);
      }
      float scale = r < rows ? 1.f / (sum * rows) : 0.f;
      for (u32 c = part; c < fit.padded; c += 4)
        row[c] = c < fit.classes ? row[c] * scale - (c == label && r < rows ? 1.f / rows : 0.f) : 0.f;
      if (r < rows && part == 0 && kept < 2) {
        loss[kept] += (double)(logf(sum) + top - right);
        correct[kept] += best == label;
      }
    }
    __syncthreads();

    // Gradient of four features and eight classes in sixteen neighbours, which take the rows in turns; then Adam.
    power_1 *= fit.beta_1;
    power_2 *= fit.beta_2;
    float rate = (float)(fit.rate / (1 - power_1)), root = (float)(1 / sqrt(1 - power_2));
    u32 items = fit.slice / 4 * tiles;
    for (u32 item = t / 16; item < (items + 1) / 2 * 2; item += blockDim.x / 16) {
      bool real = item < items;
      u32 i = real ? item % (fit.slice / 4) * 2 : 0, c = real ? item / (fit.slice / 4) * 8 : 0, part = t % 16;
      float acc[32] = {};
      for (u32 r = part; r < room; r += 16) {
        u32 pair[2];
        float e[8];
        load_2(pair, x + r * words + i);
        load_8(e, d + r * wide + c);
#pragma unroll
        for (int k = 0; k < 8; k++) {
          acc[k] = fmaf(low(pair[0]), e[k], acc[k]);
          acc[8 + k] = fmaf(high(pair[0]), e[k], acc[8 + k]);
          acc[16 + k] = fmaf(low(pair[1]), e[k], acc[16 + k]);
          acc[24 + k] = fmaf(high(pair[1]), e[k], acc[24 + k]);
        }
      }
      share_sums<16>(acc, part);
      if (real)
#pragma unroll
        for (int k = 0; k < 2; k++) {
          u32 f = 2 * i + part / 4, class_ = c + part % 4 * 2 + k;
          float* weight = w + f * wide + class_;
          float g = fmaf(fit.decay, *weight, acc[k]);
          float m = fmaf(fit.beta_1, mean[f * fit.padded + class_], (1 - fit.beta_1) * g);
          float v = fmaf(fit.beta_2, square[f * fit.padded + class_], (1 - fit.beta_2) * g * g);
          mean[f * fit.padded + class_] = m;
          square[f * fit.padded + class_] = v;
          *weight -= rate * m / fmaf(sqrtf(v), root, fit.epsilon);
        }
    }
  }
  __syncthreads();
  for (u32 i = t; i < own; i += blockDim.x) {
    fit.weights[start + i] = w[i / fit.padded * wide + i % fit.padded];
    if (fit.moments_in_shared) { fit.mean[start + i] = mean[i]; fit.square[start + i] = square[i]; }
  }
  if (blockIdx.x == 0 && t % 4 == 0)
    for (u32 kept = 0; kept < 2; kept++) {
      u32 r = t / 4 + kept * (blockDim.x / 4);
      if (r < room) { fit.loss[r] = loss[kept]; fit.correct[r] = correct[kept]; }
    }
}

// Class scores of rows in order: f32 [n, padded classes]. Grid (n / 128, padded / 8), block 128: four rows and eight
// classes in four neighbours, which take eight features in turns.
extern "C" __global__ void __launch_bounds__(128) class_scores(const bf16* rows, const float* weights, float* scores, u32 n, u32 stride, u32 padded) {
  u32 part = threadIdx.x % 4, first = blockIdx.x * 128 + threadIdx.x / 4, c = blockIdx.y * 8;
  float acc[32] = {};
  for (u32 f = part * 8; f < stride; f += 32) {
    u32 x[4][4];
#pragma unroll
    for (int q = 0; q < 4; q++) load_16(x[q], rows + (u64)min(first + q * 32, n - 1) * stride + f);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float w[8];
      load_8(w, weights + (u64)(f + i) * padded + c);
#pragma unroll
      for (int q = 0; q < 4; q++)
#pragma unroll
        for (int k = 0; k < 8; k++) acc[8 * q + k] = fmaf(i & 1 ? high(x[q][i / 2]) : low(x[q][i / 2]), w[k], acc[8 * q + k]);
    }
  }
  share_sums<4>(acc, part);
  u32 row = first + part * 32;
  if (row < n)
    for (int k = 0; k < 8; k++) scores[(u64)row * padded + c + k] = acc[k];
}

// Counts rows whose label has the highest score; of equal scores the lowest class counts.
extern "C" __global__ void count_correct(const float* scores, const u32* labels, u32* correct, u32* broken, u32 n, u32 classes, u32 padded) {
  u64 i = element();
  if (i >= n) return;
  const float* row = scores + i * padded;
  u32 best = 0;
  for (u32 c = 0; c < classes; c++) {
    if (!(fabsf(row[c]) < 1e30f)) *broken = 1;
    if (row[c] > row[best]) best = c;
  }
  if (best == labels[i]) atomicAdd(correct, 1);
}
