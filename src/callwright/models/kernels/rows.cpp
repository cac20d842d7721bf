// What a decoder layer does to each row by itself, in bfloat16 with float32 inside, forward and back: RMSNorm, and the
// gated product of an MLP, silu(gate) * up. Roundings are those of transformers' own modules.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <torch/library.h>

#include <cmath>

namespace {

using at::BFloat16;
using Vec = at::vec::Vectorized<float>;
using Low = at::vec::Vectorized<BFloat16>;

struct Pair {
  Vec a, b;
};

inline Pair load(const BFloat16* from) {
  const auto [a, b] = at::vec::convert_bfloat16_float(Low::loadu(from));
  return {a, b};
}

inline void store(BFloat16* to, const Vec& a, const Vec& b) {
  at::vec::convert_float_bfloat16(a, b).store(to);
}

// to bfloat16 and back
inline Pair rounded(const Vec& a, const Vec& b) {
  const auto [c, d] = at::vec::convert_bfloat16_float(at::vec::convert_float_bfloat16(a, b));
  return {c, d};
}

inline float total(const Vec& x) {
  float values[Vec::size()];
  x.store(values);
  float sum = 0.f;
  for (float value : values) {
    sum += value;
  }
  return sum;
}

void check(const at::Tensor& x) {
  TORCH_CHECK(x.scalar_type() == at::kBFloat16 && x.is_contiguous(), "contiguous bfloat16 wanted");
  TORCH_CHECK(x.size(-1) % Low::size() == 0, "rows must be a multiple of ", Low::size(), " wide");
}

// x [..., D], weight [D] -> y like x, and 1 / rms of each row
std::tuple<at::Tensor, at::Tensor> rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  check(x);
  check(weight);
  const int64_t width = x.size(-1), rows = x.numel() / width;
  at::Tensor y = at::empty_like(x), inverse = at::empty({rows}, x.options().dtype(at::kFloat));
  const BFloat16 *from = x.const_data_ptr<BFloat16>(), *scale = weight.const_data_ptr<BFloat16>();
  BFloat16* to = y.mutable_data_ptr<BFloat16>();
  float* found = inverse.mutable_data_ptr<float>();
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const BFloat16* in = from + row * width;
      Vec squares(0.f);
      for (int64_t d = 0; d < width; d += Low::size()) {
        const Pair one = load(in + d);
        squares = squares + one.a * one.a + one.b * one.b;
      }
      found[row] = 1.f / std::sqrt(total(squares) / width + float(eps));
      const Vec factor(found[row]);
      for (int64_t d = 0; d < width; d += Low::size()) {
        const Pair one = load(in + d), by = load(scale + d);
        const Pair norm = rounded(one.a * factor, one.b * factor);
        store(to + row * width + d, norm.a * by.a, norm.b * by.b);
      }
    }
  });
  return {y, inverse};
}

at::Tensor rms_norm_backward(
    const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& inverse) {
  check(grad);
  const int64_t width = x.size(-1), rows = x.numel() / width;
  at::Tensor d_x = at::empty_like(x);
  const BFloat16 *from = x.const_data_ptr<BFloat16>(), *scale = weight.const_data_ptr<BFloat16>();
  const BFloat16* given = grad.const_data_ptr<BFloat16>();
  BFloat16* to = d_x.mutable_data_ptr<BFloat16>();
  const float* found = inverse.const_data_ptr<float>();
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const BFloat16 *in = from + row * width, *back = given + row * width;
      const Vec factor(found[row]);
      Vec inner(0.f);
      for (int64_t d = 0; d < width; d += Low::size()) {
        const Pair one = load(in + d), by = load(scale + d), g = load(back + d);
        inner = inner + g.a * by.a * one.a + g.b * by.b * one.b;
      }
      const Vec mean(total(inner) * found[row] * found[row] * found[row] / width);
      for (int64_t d = 0; d < width; d += Low::size()) {
        const Pair one = load(in + d), by = load(scale + d), g = load(back + d);
        store(to + row * width + d, g.a * by.a * factor - one.a * mean, g.b * by.b * factor - one.b * mean);
      }
    }
  });
  return d_x;
}

inline Vec sigmoid(const Vec& x) {
  return Vec(1.f) / (Vec(1.f) + x.neg().exp_u20());
}

at::Tensor gated(const at::Tensor& gate, const at::Tensor& up) {
  check(gate);
  check(up);
  at::Tensor y = at::empty_like(gate);
  const BFloat16 *left = gate.const_data_ptr<BFloat16>(), *right = up.const_data_ptr<BFloat16>();
  BFloat16* to = y.mutable_data_ptr<BFloat16>();
  at::parallel_for(0, gate.numel() / Low::size(), 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * Low::size(); i < end * Low::size(); i += Low::size()) {
      const Pair g = load(left + i), u = load(right + i);
      const Pair act = rounded(g.a * sigmoid(g.a), g.b * sigmoid(g.b));
      store(to + i, act.a * u.a, act.b * u.b);
    }
  });
  return y;
}

std::tuple<at::Tensor, at::Tensor> gated_backward(const at::Tensor& grad, const at::Tensor& gate, const at::Tensor& up) {
  check(grad);
  at::Tensor d_gate = at::empty_like(gate), d_up = at::empty_like(up);
  const BFloat16 *left = gate.const_data_ptr<BFloat16>(), *right = up.const_data_ptr<BFloat16>();
  const BFloat16* given = grad.const_data_ptr<BFloat16>();
  BFloat16 *to_gate = d_gate.mutable_data_ptr<BFloat16>(), *to_up = d_up.mutable_data_ptr<BFloat16>();
  at::parallel_for(0, gate.numel() / Low::size(), 1024, [&](int64_t begin, int64_t end) {
    const Vec one(1.f);
    for (int64_t i = begin * Low::size(); i < end * Low::size(); i += Low::size()) {
      const Pair g = load(left + i), u = load(right + i), d = load(given + i);
      const Vec a = sigmoid(g.a), b = sigmoid(g.b);
      store(to_up + i, d.a * g.a * a, d.b * g.b * b);
      const Vec slope_a = a * (one + g.a * (one - a)), slope_b = b * (one + g.b * (one - b));
      store(to_gate + i, d.a * u.a * slope_a, d.b * u.b * slope_b);
    }
  });
  return {d_gate, d_up};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(callwright, m) {
  m.def("rms_norm(Tensor x, Tensor weight, float eps) -> (Tensor, Tensor)", &rms_norm);
  m.def("rms_norm_backward(Tensor grad, Tensor x, Tensor weight, Tensor inverse) -> Tensor", &rms_norm_backward);
  m.def("gated(Tensor gate, Tensor up) -> Tensor", &gated);
  m.def("gated_backward(Tensor grad, Tensor gate, Tensor up) -> (Tensor, Tensor)", &gated_backward);
}
