// Functions that only move elements: copies, joins, gathers and scatters. (Views need no function: see Layout.)
#ifndef FALLLINE_OPS_MOVE_H_
#define FALLLINE_OPS_MOVE_H_

#include "tensor/array.h"

namespace fallline {

// A row-major copy, or the array itself when it is row-major already.
Array contiguous(const Array& x);
void fill_zero(const Array& out);  // out is dense

// out[..., offset_i : offset_i + length_i, ...] = inputs[i] along `axis`, in order.
void concatenate(const Array* inputs, int inputs_count, int axis, const Array& out);

// out[o, j, i] = x[o, indices[j], i] over (outer, axis, inner); indices are int64 in [0, length), checked by the
// caller.
void take(const Array& x, const Array& indices, int axis, const Array& out);
// out = 0; out[o, indices[j], i] += g[o, j, i], in the order of j.
void scatter_add(const Array& g, const Array& indices, int axis, const Array& out);

// out[o, :, i] = the int64 indices that sort x[o, :, i] over (outer, axis, inner); equal elements stay in their order,
// NaN comes last.
void argsort(const Array& x, int axis, const Array& out);

// Throws std::out_of_range at the first value of `indices` outside [0, length): a wrong one would read foreign memory.
void check_indices(const Array& indices, int64_t length, const char* op);

}  // namespace fallline

#endif  // FALLLINE_OPS_MOVE_H_
