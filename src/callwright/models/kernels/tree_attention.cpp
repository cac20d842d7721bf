// Attention over a tree of tokens on the CPU, in bfloat16, forward and back, without a score matrix in memory.
//
// q [T, H, D]; k, v [N, G, D], H a multiple of G. Query t is key past + t, past = N - T. It sees key n where
// n <= past + t < last[n], and with a window where positions[past + t] - positions[n] < window.
//
// Scores are computed transposed, [keys, queries], in blocks of NB keys by a tile of queries of all heads that share
// their keys: what belongs to a query (its maximum, its sum) is then a vector, and no row is summed within a register.
// The products are oneDNN's, by at::native::cpublas::brgemm. The backward pass sums the gradients of keys and values in
// one buffer a thread; which thread takes which tile is fixed, so equal runs are equal bit for bit.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tree.h"
#include "vectors.h"

namespace {

using at::native::cpublas::brgemm;

constexpr float LOG2E = 1.44269504f;

const BFloat16* low(const std::vector<uint32_t>& packed) {
  return reinterpret_cast<const BFloat16*>(packed.data());
}

// Every thread takes every `threads`th tile.
template <typename Work>
void in_turns(int64_t tiles, Work&& work) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tiles);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; thread++) {
      work(thread, threads);
    }
    at::native::cpublas::brgemm_release();
  });
}

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  for (const at::Tensor& x : {q, k, v}) {
    TORCH_CHECK(x.scalar_type() == at::kBFloat16 && x.dim() == 3 && x.stride(2) == 1, "bfloat16 [N, heads, D] wanted");
  }
  TORCH_CHECK(k.sizes() == v.sizes() && q.size(2) == k.size(2) && q.size(2) % 2 == 0, "head sizes must agree, and be even");
  TORCH_CHECK(q.size(1) % k.size(1) == 0 && q.size(0) <= k.size(0), "heads or tokens do not fit");
}

std::tuple<at::Tensor, at::Tensor> forward(
    const at::Tensor& q,
    const at::Tensor& k,
    const at::Tensor& v,
    const at::Tensor& last,
    const at::Tensor& positions,
    double scale_,
    int64_t window) {
  check(q, k, v);
  const Shape shape(q, k);
  const Sight sight(shape, last, positions, window);
  const int64_t size = shape.size, width = shape.width;
  const float scale = scale_;
  at::Tensor out = at::empty(q.sizes(), q.options());
  at::Tensor total = at::empty({shape.tokens, shape.heads}, q.options().dtype(at::kFloat));
  for (int64_t group = 0; group < shape.groups; group++) {
    const Blocks keys(shape, k, group, true, false), values(shape, v, group, false, true);
    in_turns(shape.tiles, [&](int64_t thread, int64_t threads) {
      std::vector<uint32_t> queries(size / 2 * width), weights(NB / 2 * width);
      std::vector<float> scores(NB * width), made(size * width), most(width), sum(width), shrink(width);
      std::vector<int32_t> at(width), of(width);
      for (int64_t number = thread; number < shape.tiles; number += threads) {
        const Tile tile(shape, group, number);
        tile.across(q, queries);
        tile.places(sight, at, of);
        std::fill(made.begin(), made.end(), 0.f);
        std::fill(most.begin(), most.end(), HIDDEN);
        std::fill(sum.begin(), sum.end(), 0.f);
        for (int64_t block = 0; block < shape.blocks; block++) {
          if (!sight.any(block, tile.low, tile.high)) {
            continue;
          }
          brgemm(NB, width, size, size, width, width, false, keys.row(block, size), low(queries), scores.data());
          if (!sight.all(block, tile.low, tile.high, shape.keys)) {
            sight.hide(scores.data(), block, shape.keys, at, of);
          }
          shrink = most;
          for (int64_t n = 0; n < NB; n++) {
            const float* row = scores.data() + n * width;
            for (int64_t m = 0; m < width; m++) {
              most[m] = std::max(most[m], row[m]);
            }
          }
          for (int64_t m = 0; m < width; m += Vec::size()) {
            const Vec less = Vec::loadu(shrink.data() + m) - Vec::loadu(most.data() + m);
            const Vec factor = power(less * Vec(scale * LOG2E));
            factor.store(shrink.data() + m);
            (Vec::loadu(sum.data() + m) * factor).store(sum.data() + m);
          }
          for (int64_t n = 0; n < NB; n += 2) {
            const float* row = scores.data() + n * width;
            for (int64_t m = 0; m < width; m += Vec::size()) {
              const Vec highest = Vec::loadu(most.data() + m);
              const Vec one = power((Vec::loadu(row + m) - highest) * Vec(scale * LOG2E));
              const Vec two = power((Vec::loadu(row + width + m) - highest) * Vec(scale * LOG2E));
              (Vec::loadu(sum.data() + m) + (one + two)).store(sum.data() + m);
              Bits(one).store_with(Bits(two), weights.data() + n / 2 * width + m);
            }
          }
          for (int64_t d = 0; d < size; d++) {
            float* row = made.data() + d * width;
            for (int64_t m = 0; m < width; m++) {
              row[m] *= shrink[m];
            }
          }
          brgemm(size, width, NB, NB, width, width, true, values.column(block, size), low(weights), made.data());
        }
        tile.each([&](int64_t m, int64_t t, int64_t h) {
          BFloat16* to = out.mutable_data_ptr<BFloat16>() + (t * shape.heads + h) * size;
          for (int64_t d = 0; d < size; d++) {
            to[d] = made[d * width + m] / sum[m];
          }
          total.mutable_data_ptr<float>()[t * shape.heads + h] = most[m] * scale + std::log(sum[m]);
        });
      }
    });
  }
  return {out, total};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(
    const at::Tensor& grad,
    const at::Tensor& q,
    const at::Tensor& k,
    const at::Tensor& v,
    const at::Tensor& out,
    const at::Tensor& total,
    const at::Tensor& last,
    const at::Tensor& positions,
    double scale_,
    int64_t window) {
  check(q, k, v);
  check(grad, k, v);
  const Shape shape(q, k);
  const Sight sight(shape, last, positions, window);
  const int64_t size = shape.size, width = shape.width;
  const float scale = scale_;
  at::Tensor d_q = at::empty(q.sizes(), q.options());
  at::Tensor d_k = at::empty(k.sizes(), k.options()), d_v = at::empty(v.sizes(), v.options());
  const int64_t threads_most = std::min<int64_t>(at::get_num_threads(), shape.tiles);
  std::vector<std::vector<float>> sums(threads_most);
  for (int64_t group = 0; group < shape.groups; group++) {
    const Blocks keys(shape, k, group, true, true), values(shape, v, group, true, false);
    in_turns(shape.tiles, [&](int64_t thread, int64_t threads) {
      std::vector<float>& own = sums[thread];
      own.assign(2 * shape.blocks * NB * size, 0.f);
      std::vector<uint32_t> q_across(size / 2 * width), g_across(size / 2 * width);
      std::vector<uint32_t> q_along((width + 1) / 2 * size), g_along((width + 1) / 2 * size), d_across(NB / 2 * width);
      std::vector<BFloat16> weights(NB * width), d_scores(NB * width);
      std::vector<float> scores(NB * width), d_weights(NB * width), made(size * width), level(width), inner(width);
      std::vector<int32_t> at(width), of(width);
      for (int64_t number = thread; number < shape.tiles; number += threads) {
        const Tile tile(shape, group, number);
        tile.across(q, q_across);
        tile.places(sight, at, of);
        tile.across(grad, g_across);
        tile.along(q, q_along);
        tile.along(grad, g_along);
        std::fill(made.begin(), made.end(), 0.f);
        std::fill(level.begin(), level.end(), 0.f);
        std::fill(inner.begin(), inner.end(), 0.f);
        tile.each([&](int64_t m, int64_t t, int64_t h) {
          const BFloat16* g = grad.const_data_ptr<BFloat16>() + t * grad.stride(0) + h * grad.stride(1);
          const BFloat16* o = out.const_data_ptr<BFloat16>() + (t * shape.heads + h) * size;
          float found = 0.f;
          for (int64_t d = 0; d < size; d++) {
            found += float(g[d]) * float(o[d]);
          }
          inner[m] = found;
          level[m] = total.const_data_ptr<float>()[t * shape.heads + h] * LOG2E;
        });
        for (int64_t block = 0; block < shape.blocks; block++) {
          if (!sight.any(block, tile.low, tile.high)) {
            continue;
          }
          brgemm(NB, width, size, size, width, width, false, keys.row(block, size), low(q_across), scores.data());
          brgemm(NB, width, size, size, width, width, false, values.row(block, size), low(g_across), d_weights.data());
          if (!sight.all(block, tile.low, tile.high, shape.keys)) {
            sight.hide(scores.data(), block, shape.keys, at, of);
          }
          for (int64_t n = 0; n < NB; n += 2) {
            const int64_t row = n * width;
            for (int64_t m = 0; m < width; m += Vec::size()) {
              const Vec high = Vec::loadu(level.data() + m), less = Vec::loadu(inner.data() + m);
              const Vec one = power(Vec::loadu(scores.data() + row + m) * Vec(scale * LOG2E) - high);
              const Vec two = power(Vec::loadu(scores.data() + row + width + m) * Vec(scale * LOG2E) - high);
              const Bits d_one((Vec::loadu(d_weights.data() + row + m) - less) * one);
              const Bits d_two((Vec::loadu(d_weights.data() + row + width + m) - less) * two);
              Bits(one).store(weights.data() + row + m);
              Bits(two).store(weights.data() + row + width + m);
              d_one.store(d_scores.data() + row + m);
              d_two.store(d_scores.data() + row + width + m);
              d_one.store_with(d_two, d_across.data() + row / 2 + m);
            }
          }
          float* to_k = own.data() + block * NB * size;
          float* to_v = to_k + shape.blocks * NB * size;
          brgemm(size, width, NB, NB, width, width, true, keys.column(block, size), low(d_across), made.data());
          brgemm(NB, size, width, width, size, size, true, d_scores.data(), low(q_along), to_k);
          brgemm(NB, size, width, width, size, size, true, weights.data(), low(g_along), to_v);
        }
        tile.each([&](int64_t m, int64_t t, int64_t h) {
          BFloat16* to = d_q.mutable_data_ptr<BFloat16>() + (t * shape.heads + h) * size;
          for (int64_t d = 0; d < size; d++) {
            to[d] = made[d * width + m] * scale;
          }
        });
      }
    });
    at::parallel_for(0, shape.keys, 64, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        BFloat16* to_k = d_k.mutable_data_ptr<BFloat16>() + (n * shape.groups + group) * size;
        BFloat16* to_v = d_v.mutable_data_ptr<BFloat16>() + (n * shape.groups + group) * size;
        for (int64_t d = 0; d < size; d++) {
          float key = 0.f, value = 0.f;
          for (const std::vector<float>& own : sums) {
            key += own[n * size + d];
            value += own[(shape.blocks * NB + n) * size + d];
          }
          to_k[d] = key * scale;
          to_v[d] = value;
        }
      }
    });
  }
  return {d_q, d_k, d_v};
}

bool supported() {
  return at::native::cpublas::could_pack(at::kBFloat16);
}

}  // namespace

TORCH_LIBRARY(callwright, m) {
  m.def("tree_attention(Tensor q, Tensor k, Tensor v, Tensor last, Tensor positions, float scale, int window) -> (Tensor, Tensor)", &forward);
  m.def(
      "tree_attention_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor out, Tensor total, Tensor last, Tensor positions, float scale, int window) -> (Tensor, Tensor, Tensor)",
      &backward);
  m.def("tree_attention_supported() -> bool", &supported);
}
