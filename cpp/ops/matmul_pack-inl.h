// Copies of operands in the order in which the tiles read them: `lanes` neighbours for one k, then for the next k.
// Per-target; included once per pass by matmul_kernels.cpp alone.

FL_BEGIN_TARGET

#if FL_REFERENCE_PASS
constexpr bool kHasMasks = false;
#else
constexpr bool kHasMasks = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2;
#endif

// to[k * to_stride + lane] = from[lane * lane_stride + k]: neighbours are far apart, k is contiguous.
// One register's worth of lanes; those from `lanes` on repeat the last one and are never used.
#if FL_REFERENCE_PASS
template <class T>
void pack_transposed(const T* from, int64_t, int64_t, int64_t depth, T* to, int64_t to_stride) {
  for (int64_t k = 0; k < depth; ++k) to[k * to_stride] = from[k];
}
#else
// 16 bytes from each of `row[0], row[step], ...`, side by side.
template <class T>
FL_FN hn::Vec<hn::ScalableTag<T> > load_blocks(const T* const* row, size_t step, int64_t k) {
  const hn::FixedTag<T, 16 / sizeof(T)> block;
#if HWY_TARGET == HWY_AVX3
  const hn::FixedTag<T, 32 / sizeof(T)> half;
  return hn::Combine(hn::ScalableTag<T>(),
                     hn::Combine(half, hn::LoadU(block, row[3 * step] + k), hn::LoadU(block, row[2 * step] + k)),
                     hn::Combine(half, hn::LoadU(block, row[step] + k), hn::LoadU(block, row[0] + k)));
#elif HWY_TARGET == HWY_AVX2
  return hn::Combine(hn::ScalableTag<T>(), hn::LoadU(block, row[step] + k), hn::LoadU(block, row[0] + k));
#else
  (void)step;
  return hn::LoadU(block, row[0] + k);
#endif
}

template <class T>
void pack_transposed(const T* from, int64_t lane_stride, int64_t lanes, int64_t depth, T* to, int64_t to_stride) {
  constexpr size_t kBlock = 16 / sizeof(T);
  const hn::ScalableTag<T> d;
  const T* row[Pack<T>::kLanes];
  for (size_t lane = 0; lane < Pack<T>::kLanes; ++lane) {
    row[lane] = from + std::min(static_cast<int64_t>(lane), lanes - 1) * lane_stride;
  }
  int64_t k = 0;
  for (; k + static_cast<int64_t>(kBlock) <= depth; k += static_cast<int64_t>(kBlock)) {
    T* out = to + k * to_stride;
    const auto r0 = load_blocks(row, kBlock, k), r1 = load_blocks(row + 1, kBlock, k);
    if constexpr (kBlock == 4) {
      const auto r2 = load_blocks(row + 2, kBlock, k), r3 = load_blocks(row + 3, kBlock, k);
      const auto even_low = hn::InterleaveLower(d, r0, r2), odd_low = hn::InterleaveLower(d, r1, r3);
      const auto even_high = hn::InterleaveUpper(d, r0, r2), odd_high = hn::InterleaveUpper(d, r1, r3);
      hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, out);
      hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, out + to_stride);
      hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, out + 2 * to_stride);
      hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, out + 3 * to_stride);
    } else {
      hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
      hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + to_stride);
    }
  }
  for (; k < depth; ++k) {
    for (size_t lane = 0; lane < Pack<T>::kLanes; ++lane) to[k * to_stride + static_cast<int64_t>(lane)] = row[lane][k];
  }
}
#endif

// `width` neighbours, lane_stride apart, for each of `depth` values of k, k_stride apart. `to_stride` is a whole
// number of registers and not less than `width`.
template <class T>
void pack(const T* from, int64_t lane_stride, int64_t k_stride, int64_t width, int64_t depth, T* to,
          int64_t to_stride) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  for (int64_t lane = 0; lane < width; lane += kLanes, from += kLanes * lane_stride, to += kLanes) {
    const int64_t lanes = std::min(kLanes, width - lane);
    if (lane_stride == 1 && lanes == kLanes) {
      for (int64_t k = 0; k < depth; ++k) Pack<T>::load(from + k * k_stride).store(to + k * to_stride);
    } else if (lane_stride == 1 && kHasMasks) {
      for (int64_t k = 0; k < depth; ++k) {
        Pack<T>::load_n(from + k * k_stride, static_cast<size_t>(lanes)).store(to + k * to_stride);
      }
    } else if (k_stride == 1) {
      pack_transposed(from, lane_stride, lanes, depth, to, to_stride);
    } else {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t i = 0; i < kLanes; ++i) {
          to[k * to_stride + i] = from[k * k_stride + std::min(i, lanes - 1) * lane_stride];
        }
      }
    }
  }
}

// to[i * to_row + j] = from[j * rows + i] for less columns j than a register has lanes.
template <class T>
void store_turned(const T* from, int64_t rows, int64_t columns, T* to, int64_t to_row) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  alignas(64) T block[kLanes * kLanes];
  for (int64_t i = 0; i < rows; i += kLanes) {
    const int64_t here = std::min(kLanes, rows - i);
    pack(from + i, rows, int64_t{1}, columns, here, block, kLanes);
    for (int64_t r = 0; r < here; ++r) {
      Pack<T>::load(block + r * kLanes).store_n(to + (i + r) * to_row, static_cast<size_t>(columns));
    }
  }
}

FL_END_TARGET
