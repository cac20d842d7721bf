// A tree of tokens for attention: who sees what, blocks of keys and values, tiles of queries.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace {

using at::BFloat16;

constexpr int64_t NB = 64;
// as good as minus infinity; differences of two of them stay numbers
constexpr float HIDDEN = -1e30f;

inline uint32_t raw(BFloat16 x) {
  return x.x;
}

struct Shape {
  int64_t tokens, keys, heads, groups, size;
  int64_t repeat, past, tile, width, tiles, blocks;

  Shape(const at::Tensor& q, const at::Tensor& k) {
    tokens = q.size(0), heads = q.size(1), size = q.size(2);
    keys = k.size(0), groups = k.size(1);
    repeat = heads / groups, past = keys - tokens;
    tile = 16;
    for (int64_t wanted : {192, 128, 64, 32}) {
      if (wanted * repeat <= 128) {
        tile = wanted;
        break;
      }
    }
    width = tile * repeat;
    tiles = (tokens + tile - 1) / tile, blocks = (keys + NB - 1) / NB;
  }
};

// Who sees what, and for each block of keys what it takes to tell at once.
struct Sight {
  const int64_t* last;
  const int64_t* positions;
  int64_t window, past;
  std::vector<int64_t> most, least, first;

  Sight(const Shape& shape, const at::Tensor& last_, const at::Tensor& positions_, int64_t window_)
      : last(last_.const_data_ptr<int64_t>()),
        positions(positions_.const_data_ptr<int64_t>()),
        window(window_),
        past(shape.past),
        most(shape.blocks, 0),
        least(shape.blocks, std::numeric_limits<int64_t>::max()),
        first(shape.blocks, std::numeric_limits<int64_t>::max()) {
    for (int64_t n = 0; n < shape.keys; n++) {
      most[n / NB] = std::max(most[n / NB], last[n]);
      least[n / NB] = std::min(least[n / NB], last[n]);
      first[n / NB] = std::min(first[n / NB], positions[n]);
    }
  }

  bool any(int64_t block, int64_t low, int64_t high) const {
    return block * NB < past + high && most[block] > past + low;
  }

  bool all(int64_t block, int64_t low, int64_t high, int64_t keys) const {
    if ((block + 1) * NB > keys || (block + 1) * NB - 1 > past + low || least[block] < past + high) {
      return false;
    }
    if (!window) {
      return true;
    }
    int64_t highest = 0;
    for (int64_t t = low; t < high; t++) {
      highest = std::max(highest, positions[past + t]);
    }
    return highest - first[block] < window;
  }

  // Scores [NB, width] of a block of keys by the places and positions of queries, in columns.
  void hide(float* scores, int64_t block, int64_t keys, const std::vector<int32_t>& at, const std::vector<int32_t>& of) const {
    const int64_t width = at.size();
    for (int64_t row = 0; row < NB; row++, scores += width) {
      const int32_t n = block * NB + row;
      const int32_t end = n < keys ? last[n] : 0, from = n < keys && window ? positions[n] : 0;
      const int32_t most = window ? window : std::numeric_limits<int32_t>::max();
      for (int64_t m = 0; m < width; m++) {
        const bool seen = (at[m] >= n) & (at[m] < end) & (of[m] - from < most);
        scores[m] = seen ? scores[m] : HIDDEN;
      }
    }
  }
};

// Rows of a group's keys or values, [blocks, NB, D], and the same transposed, [blocks, D, NB]; zeros behind the end.
struct Blocks {
  std::vector<BFloat16> rows, columns;

  Blocks(const Shape& shape, const at::Tensor& x, int64_t group, bool with_rows, bool with_columns) {
    const int64_t size = shape.size;
    if (with_rows) {
      rows.assign(shape.blocks * NB * size, BFloat16(0.f));
    }
    if (with_columns) {
      columns.assign(shape.blocks * NB * size, BFloat16(0.f));
    }
    const BFloat16* from = x.const_data_ptr<BFloat16>() + group * x.stride(1);
    at::parallel_for(0, shape.blocks, 4, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin * NB; n < std::min(end * NB, shape.keys); n++) {
        const BFloat16* row = from + n * x.stride(0);
        if (with_rows) {
          std::memcpy(rows.data() + n * size, row, size * sizeof(BFloat16));
        }
        if (with_columns) {
          BFloat16* to = columns.data() + (n / NB) * NB * size + n % NB;
          for (int64_t d = 0; d < size; d++) {
            to[d * NB] = row[d];
          }
        }
      }
    });
  }

  const BFloat16* row(int64_t block, int64_t size) const {
    return rows.data() + block * NB * size;
  }
  const BFloat16* column(int64_t block, int64_t size) const {
    return columns.data() + block * NB * size;
  }
};

// A tile's queries (or what has their shape): m counts queries and, within one, the heads of a group.
struct Tile {
  const Shape& shape;
  int64_t group, low, high, taken;

  Tile(const Shape& shape_, int64_t group_, int64_t number)
      : shape(shape_), group(group_), low(number * shape_.tile), high(std::min(low + shape_.tile, shape_.tokens)) {
    taken = (high - low) * shape.repeat;
  }

  template <typename Row>
  void each(Row&& row) const {
    for (int64_t m = 0; m < taken; m++) {
      row(m, low + m / shape.repeat, group * shape.repeat + m % shape.repeat);
    }
  }

  // Each column's place among the keys, and its position; -1 where there is none.
  void places(const Sight& sight, std::vector<int32_t>& at, std::vector<int32_t>& of) const {
    std::fill(at.begin(), at.end(), -1);
    std::fill(of.begin(), of.end(), 0);
    each([&](int64_t m, int64_t t, int64_t) {
      at[m] = sight.past + t;
      of[m] = sight.positions[sight.past + t];
    });
  }

  // [D / 2, M, 2], as the right side of a product over D
  void across(const at::Tensor& x, std::vector<uint32_t>& out) const {
    std::fill(out.begin(), out.end(), 0u);
    const BFloat16* from = x.const_data_ptr<BFloat16>();
    each([&](int64_t m, int64_t t, int64_t h) {
      const BFloat16* row = from + t * x.stride(0) + h * x.stride(1);
      for (int64_t d = 0; d < shape.size; d += 2) {
        out[d / 2 * shape.width + m] = raw(row[d]) | raw(row[d + 1]) << 16;
      }
    });
  }

  // [M / 2, D, 2], as the right side of a product over M
  void along(const at::Tensor& x, std::vector<uint32_t>& out) const {
    std::fill(out.begin(), out.end(), 0u);
    const BFloat16* from = x.const_data_ptr<BFloat16>();
    each([&](int64_t m, int64_t t, int64_t h) {
      const BFloat16* row = from + t * x.stride(0) + h * x.stride(1);
      uint32_t* to = out.data() + m / 2 * shape.size;
      for (int64_t d = 0; d < shape.size; d++) {
        to[d] |= raw(row[d]) << (m % 2 * 16);
      }
    });
  }
};

}  // namespace
