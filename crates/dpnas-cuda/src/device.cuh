// What the kernels need of the device. The tests on a CPU bring their own.

#define SHARED(type, name) extern __shared__ __align__(16) type name[]

__device__ inline unsigned load_now(const unsigned* p) { unsigned v; asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory"); return v; }
__device__ inline unsigned long long load_now(const unsigned long long* p) { unsigned long long v; asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory"); return v; }
__device__ inline void arrive(unsigned* p) { asm volatile("red.release.gpu.global.add.u32 [%0], 1;" :: "l"(p) : "memory"); }
__device__ inline void add_to(unsigned long long* p, unsigned long long v) { asm volatile("red.relaxed.gpu.global.add.u64 [%0], %1;" :: "l"(p), "l"(v) : "memory"); }
__device__ inline void copy_16(void* shared, const void* global) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global) : "memory"); }
__device__ inline void copies_begin() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ inline void copies_end() { asm volatile("cp.async.wait_all;" ::: "memory"); }
__device__ inline void load_8(float (&v)[8], const float* p) {
  float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
  v[0] = a.x; v[1] = a.y; v[2] = a.z; v[3] = a.w; v[4] = b.x; v[5] = b.y; v[6] = b.z; v[7] = b.w;
}
__device__ inline void load_16(unsigned (&v)[4], const unsigned short* p) { uint4 a = *(const uint4*)p; v[0] = a.x; v[1] = a.y; v[2] = a.z; v[3] = a.w; }
__device__ inline void store_16(unsigned short* p, const unsigned (&v)[4]) { *(uint4*)p = make_uint4(v[0], v[1], v[2], v[3]); }
__device__ inline void load_2(unsigned (&v)[2], const unsigned* p) { uint2 a = *(const uint2*)p; v[0] = a.x; v[1] = a.y; }
