// Which neighbouring steps of a plan have one kernel for all of them?  The same bits, with less memory to pass through.
#ifndef FALLLINE_AUTOGRAD_PEEPHOLE_H_
#define FALLLINE_AUTOGRAD_PEEPHOLE_H_

#include "autograd/graph.h"

namespace fallline {

// Replaces relu after a dense layer, and its derivative after the product on the way back; relu before max_pool2d, and
// both on the way back, where nobody else reads what lies between; additions of negated values; sums of what is placed
// among zeros; and a cross entropy and its gradient, which share their exponentials. `outputs` are values that must
// stay.
void merge_steps(std::vector<Graph::Step>& steps, const std::vector<int>& outputs);

// What they become (autograd/elementwise.cpp, autograd/matmul.cpp, autograd/move.cpp, autograd/window.cpp), and when:
// sums of what overlaps would have another order.
const Primitive& subtract_primitive();
const Primitive& unslices_primitive();
const Primitive& linear_relu_primitive();
const Primitive& matmul_relu_grad_primitive();
const Primitive& cross_entropy_and_grad_primitive();
bool windows_lie_apart(const Attrs& attrs);
const Primitive& relu_max_pool_primitive();
const Primitive& relu_max_pool_input_primitive();

}  // namespace fallline

#endif  // FALLLINE_AUTOGRAD_PEEPHOLE_H_
