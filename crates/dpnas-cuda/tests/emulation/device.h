// CUDA's grid as coroutines on one CPU thread, for the kernels in ../../src/kernels.cu: slow, but the same source. A
// thread of the GPU runs until it waits for others; then the next one runs.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>
#include <ucontext.h>

struct Dim { unsigned x, y, z; };
inline Dim threadIdx, blockIdx, blockDim, gridDim;

struct Barrier {
  unsigned size, arrived = 0, round = 0;
  void wait();
};
struct Block {
  Barrier all;
  std::vector<Barrier> warps;
  std::vector<uint32_t> lanes;
  std::vector<uint64_t> shared;
  Block(unsigned threads, size_t bytes) : all{threads}, lanes(threads), shared(bytes / 8 + 2) {
    for (unsigned i = 0; i < threads; i += 32) warps.push_back({threads - i < 32 ? threads - i : 32});
  }
};
inline Block* block_;

// ---- coroutines ----

struct Coroutine {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(64 << 10);
  Dim thread, block;
  Block* state;
  bool done;
};
inline ucontext_t scheduler;
inline Coroutine* current;
inline const std::function<void()>* running;

inline void yield() { swapcontext(&current->context, &scheduler); }
inline void Barrier::wait() {
  unsigned before = round;
  if (++arrived == size) {
    arrived = 0;
    round++;
  } else {
    while (round == before) yield();
  }
}
inline void start() {
  (*running)();
  current->done = true;
  yield();
}

// Runs `blocks` of a grid at once.
inline void launch(Dim grid, const std::vector<Dim>& blocks, unsigned threads, size_t shared_bytes, const std::function<void()>& kernel) {
  static std::vector<std::unique_ptr<Coroutine>> all;
  std::vector<std::unique_ptr<Block>> states;
  size_t used = 0;
  gridDim = grid;
  blockDim = {threads, 1, 1};
  running = &kernel;
  for (Dim at : blocks) {
    states.push_back(std::make_unique<Block>(threads, shared_bytes));
    for (unsigned t = 0; t < threads; t++, used++) {
      if (used == all.size()) all.push_back(std::make_unique<Coroutine>());
      Coroutine& c = *all[used];
      c.thread = {t, 0, 0};
      c.block = at;
      c.state = states.back().get();
      c.done = false;
      getcontext(&c.context);
      c.context.uc_stack.ss_sp = c.stack.data();
      c.context.uc_stack.ss_size = c.stack.size();
      c.context.uc_link = nullptr;
      makecontext(&c.context, start, 0);
    }
  }
  for (bool left = true; left;) {
    left = false;
    for (size_t i = 0; i < used; i++) {
      current = all[i].get();
      if (current->done) continue;
      threadIdx = current->thread;
      blockIdx = current->block;
      block_ = current->state;
      swapcontext(&scheduler, &current->context);
      left = true;
    }
  }
}

// ---- what kernels call ----

#define __global__
#define __device__
#define __launch_bounds__(...)
#define SHARED(type, name) type* name = (type*)block_->shared.data()

inline void __syncthreads() { block_->all.wait(); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
  static_assert(sizeof(T) == 4);
  unsigned t = threadIdx.x;
  Block* block = block_;
  std::memcpy(&block->lanes[t], &value, 4);
  block->warps[t / 32].wait();
  T other;
  std::memcpy(&other, &block->lanes[t ^ mask], 4);
  block->warps[t / 32].wait();
  return other;
}
inline unsigned atomicAdd(unsigned* p, unsigned v) { unsigned before = *p; *p += v; return before; }
inline float __uint_as_float(unsigned u) { float f; std::memcpy(&f, &u, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned u; std::memcpy(&u, &f, 4); return u; }
inline long long __float2ll_rn(float f) { return std::llrint(f); }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }

inline unsigned load_now(const unsigned* p) { yield(); return *p; }
inline unsigned long long load_now(const unsigned long long* p) { return *p; }
inline void arrive(unsigned* p) { ++*p; }
inline void add_to(unsigned long long* p, unsigned long long v) { *p += v; }
inline void copy_16(void* shared, const void* global) { std::memcpy(shared, global, 16); }
inline void copies_begin() {}
inline void copies_end() {}
inline void load_8(float (&v)[8], const float* p) { std::memcpy(v, p, 32); }
inline void load_16(unsigned (&v)[4], const unsigned short* p) { std::memcpy(v, p, 16); }
inline void load_2(unsigned (&v)[2], const unsigned* p) { std::memcpy(v, p, 8); }
inline void store_16(unsigned short* p, const unsigned (&v)[4]) { std::memcpy(p, v, 16); }
