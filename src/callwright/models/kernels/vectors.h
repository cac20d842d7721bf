// What attention computes of 16 numbers at once (8 without AVX-512).
#pragma once

#include <ATen/cpu/vec/vec.h>

#include <cstdint>
#include <cstring>

namespace {

using at::BFloat16;
using Vec = at::vec::Vectorized<float>;

// Float32 -> the nearest bfloat16.
#if defined(__AVX512BF16__)
struct Bits {
  __m512 x;

  explicit Bits(Vec x_) : x(x_) {}
  // pairs: this, and another one behind it
  void store_with(const Bits& next, uint32_t* to) const {
    alignas(64) static constexpr uint16_t ORDER[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(next.x, x));
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(ORDER), both));
  }
  void store(BFloat16* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
};
#elif defined(__AVX512F__)
// the 16 bits in the lower half of 32
struct Bits {
  __m512i bits;

  explicit Bits(Vec x) {
    const __m512i whole = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(whole, 16), _mm512_set1_epi32(1));
    bits = _mm512_srli_epi32(_mm512_add_epi32(whole, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
  }
  // pairs: this, and another one behind it
  void store_with(const Bits& next, uint32_t* to) const {
    _mm512_storeu_si512(to, _mm512_or_si512(bits, _mm512_slli_epi32(next.bits, 16)));
  }
  void store(BFloat16* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(bits));
  }
};
#else
struct Bits {
  uint32_t bits[Vec::size()];

  explicit Bits(Vec x) {
    float values[Vec::size()];
    x.store(values);
    std::memcpy(bits, values, sizeof(bits));
    for (uint32_t& one : bits) {
      one = (one + 0x7FFFu + ((one >> 16) & 1u)) >> 16;
    }
  }
  void store_with(const Bits& next, uint32_t* to) const {
    for (int i = 0; i < Vec::size(); i++) {
      to[i] = bits[i] | next.bits[i] << 16;
    }
  }
  void store(BFloat16* to) const {
    for (int i = 0; i < Vec::size(); i++) {
      to[i].x = bits[i];
    }
  }
};
#endif

// 2^x for x <= 1 or so, to a few units in the last place; 0 far below.
inline Vec power(Vec x) {
#if defined(__AVX512F__)
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 part = _mm512_sub_ps(x, whole);
  __m512 y = _mm512_set1_ps(1.3333558e-3f);
  for (float next : {9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.f}) {
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(next));
  }
  return _mm512_scalef_ps(y, whole);
#else
  return (x * Vec(0.69314718f)).exp_u20();
#endif
}

}  // namespace
