// A GPU that is not there: the calls of the CUDA driver, NVRTC and cuDNN that the crate makes, on the CPU. Kernels run
// under device.h, convolutions as plain loops. One library serves under the names of all of them.
//
// EMULATED_BYTES limits the memory of the device.
#include "device.h"
#include "../../src/kernels.cu"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>

// ---- kernels by name ----

template <class... A, size_t... I> static void call(void (*kernel)(A...), void** p, std::index_sequence<I...>) { kernel(*(A*)p[I]...); }
template <class... A> static std::function<void(void**)> kernel(void (*f)(A...)) { return [f](void** p) { call(f, p, std::index_sequence_for<A...>()); }; }

static std::recursive_mutex lock;

struct Kernel { const char* name; std::function<void(void**)> run; bool together; };
static const Kernel KERNELS[] = {
  {"to_feature_map", kernel(to_feature_map), false}, {"to_filter", kernel(to_filter), false}, {"unroll", kernel(unroll), false},
  {"activate", kernel(activate), false}, {"finish", kernel(finish), false}, {"max_pool", kernel(max_pool), false},
  {"moments", kernel(moments), false}, {"to_rows", kernel(to_rows), true}, {"fit_epoch", kernel(fit_epoch), true},
  {"class_scores", kernel(class_scores), true}, {"count_correct", kernel(count_correct), false}};

// Threads that never wait run one after the other, without a coroutine. Blocks wait for each other only in a cooperative
// launch.
static int run(const Kernel* k, Dim grid, unsigned threads, size_t shared, void** p, bool cooperative) {
  if (!grid.x || !grid.y || !grid.z || !threads || threads > 1024) return 1;
  std::lock_guard guard(lock);
  std::vector<Dim> blocks;
  for (unsigned z = 0; z < grid.z; z++) for (unsigned y = 0; y < grid.y; y++) for (unsigned x = 0; x < grid.x; x++) blocks.push_back({x, y, z});
  if (cooperative) {
    launch(grid, blocks, threads, shared, [&] { k->run(p); });
    return 0;
  }
  for (Dim block : blocks) {
    if (k->together) { launch(grid, {block}, threads, shared, [&] { k->run(p); }); continue; }
    gridDim = grid;
    blockDim = {threads, 1, 1};
    blockIdx = block;
    for (unsigned t = 0; t < threads; t++) { threadIdx = {t, 0, 0}; k->run(p); }
  }
  return 0;
}

// ---- memory ----

static std::map<void*, size_t> live;
static size_t bytes;
static int take(void** p, size_t n) {
  std::lock_guard guard(lock);
  const char* limit = getenv("EMULATED_BYTES");
  if (limit && bytes + n > strtoull(limit, nullptr, 10)) return 2;
  if (posix_memalign(p, 256, n ? n : 1)) return 2;
  memset(*p, 0xff, n);  // NaN: what is not written is found
  live[*p] = n;
  bytes += n;
  return 0;
}
static int give(void* p) {
  std::lock_guard guard(lock);
  auto at = live.find(p);
  if (at == live.end()) return 1;
  bytes -= at->second;
  live.erase(at);
  free(p);
  return 0;
}

extern "C" {
// ---- driver ----
int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuDeviceGetCount(int* n) { *n = 1; return 0; }
int cuDeviceGet(int* d, int i) { *d = 0; return i ? 101 : 0; }
int cuDeviceGetName(char* name, int n, int) { snprintf(name, n, "emulated"); return 0; }
int cuDeviceGetUuid_v2(void* u, int) { memset(u, 7, 16); return 0; }
int cuDeviceTotalMem_v2(size_t* n, int) { *n = 1 << 20; return 0; }  // so that few images are computed at once
int cuDeviceGetAttribute(int* v, int which, int) {
  // Compute capability 9.0, memory pools, two multiprocessors, and the shared memory of a block.
  *v = which == 75 ? 9 : which == 115 ? 1 : which == 16 ? 2 : which == 97 ? 232448 : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** c, int) { *c = (void*)1; return 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuCtxGetCurrent(void** c) { *c = (void*)1; return 0; }
int cuCtxSynchronize() { return 0; }
int cuStreamCreate(void** s, unsigned) { *s = (void*)2; return 0; }
int cuStreamDestroy_v2(void*) { return 0; }
int cuStreamSynchronize(void*) { return 0; }
int cuStreamWaitEvent(void*, void*, unsigned) { return 0; }
int cuEventCreate(void** e, unsigned) { *e = (void*)3; return 0; }
int cuEventDestroy_v2(void*) { return 0; }
int cuEventRecord(void*, void*) { return 0; }
int cuMemAllocAsync(void** p, size_t n, void*) { return take(p, n); }
int cuMemAlloc_v2(void** p, size_t n) { return take(p, n); }
int cuMemFreeAsync(void* p, void*) { return give(p); }
int cuMemFree_v2(void* p) { return give(p); }
int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t n, void*) { memcpy(to, from, n); return 0; }
int cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t n, void*) { memcpy(to, from, n); return 0; }
int cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t n, void*) { memmove(to, from, n); return 0; }
int cuMemsetD8Async(void* p, unsigned char v, size_t n, void*) { memset(p, v, n); return 0; }
int cuDeviceGetDefaultMemPool(void** p, int) { *p = (void*)4; return 0; }
int cuMemPoolSetAttribute(void*, int, void*) { return 0; }
int cuModuleLoadData(void** m, const void*) { *m = (void*)5; return 0; }
int cuModuleUnload(void*) { return 0; }
int cuModuleGetFunction(const Kernel** f, void*, const char* name) {
  for (auto& k : KERNELS) if (!strcmp(k.name, name)) { *f = &k; return 0; }
  return 500;
}
int cuFuncSetAttribute(const Kernel*, int, int) { return 0; }
int cuLaunchKernel(const Kernel* k, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned shared, void*, void** p, void**) { return run(k, {x, y, z}, threads, shared, p, false); }
int cuLaunchCooperativeKernel(const Kernel* k, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned shared, void*, void** p) { return x > 2 ? 720 : run(k, {x, y, z}, threads, shared, p, true); }
int cuGetErrorString(int, const char** s) { *s = "emulated error"; return 0; }
int cuGetErrorName(int, const char** s) { *s = "EMULATED"; return 0; }

// ---- NVRTC ----
int nvrtcCreateProgram(void** p, const char*, const char*, int, const char* const*, const char* const*) { *p = (void*)6; return 0; }
int nvrtcCompileProgram(void*, int, const char* const*) { return 0; }
int nvrtcGetPTXSize(void*, size_t* n) { *n = 1; return 0; }
int nvrtcGetPTX(void*, char* p) { *p = 0; return 0; }
int nvrtcGetProgramLogSize(void*, size_t* n) { *n = 1; return 0; }
int nvrtcGetProgramLog(void*, char* p) { *p = 0; return 0; }
int nvrtcDestroyProgram(void** p) { *p = nullptr; return 0; }
}

// ---- cuDNN: a descriptor is its attributes, as they are set ----

struct Descriptor {
  int kind;
  std::map<int, std::vector<char>> attributes;
  bool has(int attribute) const { return attributes.count(attribute); }
  template <class T> T get(int attribute, size_t i = 0) const {
    T value;
    memcpy(&value, attributes.at(attribute).data() + i * sizeof(T), sizeof(T));
    return value;
  }
  template <class T> size_t count(int attribute) const { return attributes.at(attribute).size() / sizeof(T); }
  const Descriptor& of(int attribute, size_t i = 0) const { return *get<const Descriptor*>(attribute, i); }
};

// Bytes of one element, by cuDNN's type.
static size_t size_of(int type) {
  switch (type) {
    case 0: case 3: case 5: case 6: case 15: return 8;
    case 2: case 24: return 1;
    default: return 4;
  }
}

// cuDNN's attributes.
enum {
  MODE = 0, STRIDES = 103, PADDINGS = 105, HEURISTIC_GRAPH = 201, HEURISTIC_RESULTS = 202, CONFIG_ENGINE = 300, PLAN_CONFIG = 401,
  PLAN_WORKSPACE = 402, ALPHA = 700, CONVOLUTION = 702, W = 703, X = 704, Y = 705, POINTWISE = 750, B = 752, POINTWISE_Y = 753,
  OPERATIONS = 801, DIMENSIONS = 902, ID = 906, IDS = 1000, POINTERS = 1001, ENGINE_GRAPH = 1300, ENGINE_INDEX = 1301, ENGINE_NOTES = 1305
};

struct Sizes { int64_t n, c, h, w; };
static Sizes sizes(const Descriptor& tensor) { return {tensor.get<int64_t>(DIMENSIONS, 0), tensor.get<int64_t>(DIMENSIONS, 1), tensor.get<int64_t>(DIMENSIONS, 2), tensor.get<int64_t>(DIMENSIONS, 3)}; }

extern "C" {
int cudnnCreate(void** h) { *h = (void*)7; return 0; }
int cudnnDestroy(void*) { return 0; }
int cudnnSetStream(void*, void*) { return 0; }
size_t cudnnGetVersion() { return 0; }
int cudnnBackendCreateDescriptor(int kind, Descriptor** d) { *d = new Descriptor{kind, {}}; return 0; }
int cudnnBackendDestroyDescriptor(Descriptor* d) { delete d; return 0; }
int cudnnBackendFinalize(Descriptor*) { return 0; }
int cudnnBackendSetAttribute(Descriptor* d, int attribute, int type, int64_t n, const void* values) {
  d->attributes[attribute].assign((const char*)values, (const char*)values + n * size_of(type));
  return 0;
}
int cudnnBackendGetAttribute(Descriptor* d, int attribute, int, int64_t, int64_t* n, void* values) {
  *n = 1;
  switch (attribute) {
    case HEURISTIC_RESULTS:  // one configuration, for this graph
      (*(Descriptor**)values)->attributes[HEURISTIC_GRAPH] = d->attributes.at(HEURISTIC_GRAPH);
      return 0;
    case CONFIG_ENGINE: {  // fills the engine that is given
      Descriptor* engine = *(Descriptor**)values;
      if (d->has(CONFIG_ENGINE)) engine->attributes = d->of(CONFIG_ENGINE).attributes;
      else engine->attributes[ENGINE_GRAPH] = d->attributes.at(HEURISTIC_GRAPH);
      return 0;
    }
    case ENGINE_INDEX:  // for large kernels the heuristic knows only an engine without tensor cores
      *(int64_t*)values = d->has(ENGINE_INDEX) ? d->get<int64_t>(ENGINE_INDEX) : sizes(d->of(ENGINE_GRAPH).of(OPERATIONS).of(W)).h >= 7 ? 1 : 41;
      return 0;
    case PLAN_WORKSPACE: *(int64_t*)values = 64; return 0;
    case ENGINE_NOTES: *n = 0; return 0;
    default: return 3000;
  }
}
int cudnnBackendExecute(void*, const Descriptor* plan, const Descriptor* pack) {
  auto address = [&](const Descriptor& tensor) -> bf16* {
    for (size_t i = 0; i < pack->count<int64_t>(IDS); i++)
      if (pack->get<int64_t>(IDS, i) == tensor.get<int64_t>(ID)) return pack->get<bf16*>(POINTERS, i);
    return nullptr;
  };
  const Descriptor& config = plan->of(PLAN_CONFIG);
  const Descriptor& graph = config.has(CONFIG_ENGINE) ? config.of(CONFIG_ENGINE).of(ENGINE_GRAPH) : config.of(HEURISTIC_GRAPH);
  const Descriptor& forward = graph.of(OPERATIONS, 0);
  size_t operations = graph.count<void*>(OPERATIONS);
  const Descriptor& last = graph.of(OPERATIONS, operations - 1).of(operations == 1 ? Y : POINTWISE_Y);
  Sizes x = sizes(forward.of(X)), w = sizes(forward.of(W)), y = sizes(last);
  int64_t stride = forward.of(CONVOLUTION).get<int64_t>(STRIDES), padding = forward.of(CONVOLUTION).get<int64_t>(PADDINGS);
  const bf16 *in = address(forward.of(X)), *filter = address(forward.of(W));
  bf16* out = address(last);
  // Engines read alpha as f32.
  float alpha = forward.get<float>(ALPHA);
  if (!in || !filter || !out || y.n != x.n || y.c != w.n || w.c != x.c) return 2000;
  for (int64_t n = 0; n < y.n; n++) for (int64_t oy = 0; oy < y.h; oy++) for (int64_t ox = 0; ox < y.w; ox++) for (int64_t k = 0; k < y.c; k++) {
    float sum = 0;
    for (int64_t i = 0; i < w.h; i++) for (int64_t j = 0; j < w.w; j++) {
      int64_t row_in = oy * stride + i - padding, column_in = ox * stride + j - padding;
      if (row_in < 0 || column_in < 0 || row_in >= x.h || column_in >= x.w) continue;
      const bf16 *a = in + ((n * x.h + row_in) * x.w + column_in) * x.c, *b = filter + ((k * w.h + i) * w.w + j) * w.c;
      for (int64_t c = 0; c < x.c; c++) sum += widen(a[c]) * widen(b[c]);
    }
    sum *= alpha;
    size_t at = ((n * y.h + oy) * y.w + ox) * y.c + k;
    for (size_t o = 1; o < operations; o++) {
      const Descriptor& operation = graph.of(OPERATIONS, o);
      if (operation.of(POINTWISE).get<int>(MODE) == 100) { sum = std::fmax(sum, 0.f); continue; }
      const Descriptor& other = operation.of(B);
      sum += widen(address(other)[sizes(other).n == 1 && sizes(other).h == 1 && y.n * y.h * y.w != 1 ? k : at]);
    }
    out[at] = narrow(sum);
  }
  return 0;
}
}
