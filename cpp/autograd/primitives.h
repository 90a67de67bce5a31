// The table of primitives that other layers refer to by name.
#ifndef FALLLINE_AUTOGRAD_PRIMITIVES_H_
#define FALLLINE_AUTOGRAD_PRIMITIVES_H_

#include "autograd/primitive.h"

namespace fallline {

// Shape rules shared by several rows.
Layout like_first(Inputs in, const Attrs&);  // dtype, shape and memory order of the first input

// Every differentiable primitive, for tests and for `fl.info()`.
std::vector<const Primitive*> all_primitives();

}  // namespace fallline

#endif  // FALLLINE_AUTOGRAD_PRIMITIVES_H_
