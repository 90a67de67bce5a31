// Which rows stand for several that plans have merged?
#ifndef FALLLINE_PRIMITIVES_MERGED_H_
#define FALLLINE_PRIMITIVES_MERGED_H_

#include "record/primitive.h"

namespace fallline {

const Primitive& subtract_primitive();
const Primitive& unslices_primitive();
const Primitive& linear_relu_primitive();
const Primitive& matmul_relu_grad_primitive();
const Primitive& cross_entropy_and_grad_primitive();
const Primitive& relu_max_pool_primitive();
const Primitive& relu_max_pool_input_primitive();
// Sums of what overlaps would have another order.
bool windows_lie_apart(const Attrs& attrs);

}  // namespace fallline

#endif  // FALLLINE_PRIMITIVES_MERGED_H_
