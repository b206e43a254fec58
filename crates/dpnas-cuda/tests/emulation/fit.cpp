// Two epochs of the classifier's kernel beside a plain computation in double. Prints relative differences; fails above 1e-5.
#include "device.h"
#include "../../src/kernels.cu"
#include <algorithm>
#include <cstdio>
#include <random>

struct Case { u32 n, features, classes, batch, blocks, threads; };

static bool run(Case c) {
  u32 stride = (c.features + 7) / 8 * 8, slice = ((stride + c.blocks - 1) / c.blocks + 7) / 8 * 8, blocks = (stride + slice - 1) / slice;
  u32 padded = (c.classes + 7) / 8 * 8, room = (c.batch + 7) / 8 * 8, F = blocks * slice;
  std::mt19937 g(1);
  std::uniform_real_distribution<float> u(-.5f, .5f);
  std::vector<bf16> rows(c.n * stride);
  std::vector<double> x(c.n * c.features);
  for (u32 r = 0; r < c.n; r++) for (u32 f = 0; f < c.features; f++) { rows[r * stride + f] = narrow(u(g)); x[r * c.features + f] = widen(rows[r * stride + f]); }
  std::vector<u32> order(c.n), labels(c.n);
  for (u32 i = 0; i < c.n; i++) { order[i] = i; labels[i] = (i * 7) % c.classes; }
  std::vector<float> w(F * padded), m(F * padded), v(F * padded);
  std::vector<double> W(c.features * c.classes), M(W.size()), V(W.size());
  for (u32 f = 0; f < c.features; f++) for (u32 k = 0; k < c.classes; k++) W[f * c.classes + k] = w[f * padded + k] = u(g) * .1f;
  u32 step = 0;
  bool good = true;
  double p1 = 1, p2 = 1;
  for (int epoch = 0; epoch < 2; epoch++) {
    std::shuffle(order.begin(), order.end(), g);
    std::vector<u64> scores(3 * room * c.classes);
    std::vector<double> loss(room);
    std::vector<u32> correct(room);
    u32 arrived = 0, broken = 0, wide = padded + 4;
    for (int shared_moments = epoch; shared_moments == epoch; shared_moments++) {
      Fit fit{rows.data(), order.data(), labels.data(), w.data(), m.data(), v.data(), scores.data(), &arrived, loss.data(), correct.data(), &broken,
              p1, p2, .9f, .999f, 1e-3f, 1e-8f, 1e-4f, c.n, stride, slice, c.classes, padded, c.batch, room, (u32)shared_moments};
      std::vector<Dim> all;
      for (u32 b = 0; b < blocks; b++) all.push_back({b, 0, 0});
      launch({blocks, 1, 1}, all, c.threads, 4 * (2 * room * xs_stride(slice) + (slice + room) * wide + 2 * slice * padded), [&] { fit_epoch(fit); });
    }
    double L = 0, total = 0;
    u32 C = 0, count = 0;
    for (u32 s = 0; s < c.n; s += c.batch) {
      u32 B = std::min(c.batch, c.n - s);
      std::vector<double> d(B * c.classes);
      for (u32 r = 0; r < B; r++) {
        const double* row = &x[order[s + r] * c.features];
        double top = -1e30, sum = 0; u32 best = 0, y = labels[order[s + r]];
        for (u32 k = 0; k < c.classes; k++) { double z = 0; for (u32 f = 0; f < c.features; f++) z += row[f] * W[f * c.classes + k]; d[r * c.classes + k] = z; if (z > top) { top = z; best = k; } }
        for (u32 k = 0; k < c.classes; k++) sum += std::exp(d[r * c.classes + k] - top);
        L += std::log(sum) + top - d[r * c.classes + y]; C += best == y;
        for (u32 k = 0; k < c.classes; k++) d[r * c.classes + k] = (std::exp(d[r * c.classes + k] - top) / sum - (k == y)) / B;
      }
      p1 *= .9f; p2 *= .999f; step++;
      for (u32 f = 0; f < c.features; f++) for (u32 k = 0; k < c.classes; k++) {
        double q = 0; u32 at = f * c.classes + k;
        for (u32 r = 0; r < B; r++) q += x[order[s + r] * c.features + f] * d[r * c.classes + k];
        q += 1e-4f * W[at];
        M[at] = .9f * M[at] + (1 - .9f) * q; V[at] = .999f * V[at] + (1 - .999f) * q * q;
        W[at] -= 1e-3f * (M[at] / (1 - p1)) / (std::sqrt(V[at] / (1 - p2)) + 1e-8f);
      }
    }
    for (u32 r = 0; r < room; r++) { total += loss[r]; count += correct[r]; }
    double e = 0, q = 0;
    for (u32 f = 0; f < c.features; f++) for (u32 k = 0; k < c.classes; k++) { e += std::pow(w[f * padded + k] - W[f * c.classes + k], 2); q += std::pow(W[f * c.classes + k], 2); }
    double weights = std::sqrt(e / q), of_loss = std::fabs(total / L - 1);
    std::printf("n %u features %u classes %u batch %u blocks %u, epoch %d: weights %.1e, loss %.1e, correct %u of %u, broken %u\n", c.n, c.features, c.classes, c.batch, blocks, epoch + 1, weights, of_loss, count, C, broken);
    good &= weights < 1e-5 && of_loss < 1e-5 && count == C && !broken && arrived == blocks * ((c.n + c.batch - 1) / c.batch);
  }
  return good;
}

int main() {
  bool good = run({40, 48, 10, 16, 3, 64}) & run({37, 20, 3, 16, 1, 32}) & run({33, 100, 25, 12, 4, 64});
  return good ? 0 : 1;
}
