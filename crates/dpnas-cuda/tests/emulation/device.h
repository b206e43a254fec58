// CUDA's grid on threads of a CPU, for the kernels in ../../src/kernels.cu: slow, but the same source. All blocks of a
// grid run at once, because the kernel of the classifier waits for all of them.
#pragma once
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

struct Dim { unsigned x, y, z; };
struct Block {
  std::barrier<> all;
  std::vector<std::unique_ptr<std::barrier<>>> warps;
  std::vector<uint32_t> lanes;
  std::vector<uint64_t> shared;
  Block(unsigned threads, size_t bytes) : all(threads), lanes(threads), shared(bytes / 8 + 2) {
    for (unsigned i = 0; i < threads; i += 32) warps.push_back(std::make_unique<std::barrier<>>(std::min(32u, threads - i)));
  }
};
inline thread_local Dim threadIdx, blockIdx;
inline thread_local Block* block_;
inline Dim blockDim, gridDim;

#define __global__
#define __device__
#define __launch_bounds__(...)
#define SHARED(type, name) type* name = (type*)block_->shared.data()

inline void __syncthreads() { block_->all.arrive_and_wait(); }
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
  static_assert(sizeof(T) == 4);
  unsigned t = threadIdx.x;
  auto& warp = *block_->warps[t / 32];
  std::memcpy(&block_->lanes[t], &value, 4);
  warp.arrive_and_wait();
  T other;
  std::memcpy(&other, &block_->lanes[t ^ mask], 4);
  warp.arrive_and_wait();
  return other;
}
inline unsigned atomicAdd(unsigned* p, unsigned v) { return std::atomic_ref(*p).fetch_add(v); }
inline float __uint_as_float(unsigned u) { float f; std::memcpy(&f, &u, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned u; std::memcpy(&u, &f, 4); return u; }
inline long long __float2ll_rn(float f) { return std::llrint(f); }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }

template <class T> T load_now(const T* p) { std::this_thread::yield(); return std::atomic_ref(*const_cast<T*>(p)).load(); }
inline void arrive(unsigned* p) { std::atomic_ref(*p).fetch_add(1u); }
inline void add_to(unsigned long long* p, unsigned long long v) { std::atomic_ref(*p).fetch_add(v); }
inline void copy_16(void* shared, const void* global) { std::memcpy(shared, global, 16); }
inline void copies_begin() {}
inline void copies_end() {}
inline void load_8(float (&v)[8], const float* p) { std::memcpy(v, p, 32); }
inline void load_16(unsigned (&v)[4], const unsigned short* p) { std::memcpy(v, p, 16); }

inline void load_2(unsigned (&v)[2], const unsigned* p) { std::memcpy(v, p, 8); }
inline void store_16(unsigned short* p, const unsigned (&v)[4]) { std::memcpy(p, v, 16); }

// The threads of a block that wait for each other.
inline void start_block(std::vector<std::thread>& all, Block* block, Dim at, unsigned threads, const std::function<void()>& kernel) {
  for (unsigned t = 0; t < threads; t++)
    all.emplace_back([&kernel, block, at, t] {
      threadIdx = {t, 0, 0};
      blockIdx = at;
      block_ = block;
      kernel();
    });
}

// Runs one block of a grid.
inline void launch_block(Dim grid, Dim at, unsigned threads, size_t shared_bytes, const std::function<void()>& kernel) {
  gridDim = grid;
  blockDim = {threads, 1, 1};
  Block block(threads, shared_bytes);
  std::vector<std::thread> all;
  start_block(all, &block, at, threads, kernel);
  for (auto& thread : all) thread.join();
}

// Runs all blocks of a grid at once.
inline void launch(Dim grid, unsigned threads, size_t shared_bytes, const std::function<void()>& kernel) {
  gridDim = grid;
  blockDim = {threads, 1, 1};
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::thread> all;
  for (unsigned y = 0; y < grid.y; y++)
    for (unsigned x = 0; x < grid.x; x++) {
      blocks.push_back(std::make_unique<Block>(threads, shared_bytes));
      start_block(all, blocks.back().get(), {x, y, 0}, threads, kernel);
    }
  for (auto& thread : all) thread.join();
}
