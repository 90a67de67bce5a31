"""Functions of functions: derivatives, plans, loops and recomputation."""

from fallline._hints import module_names
from fallline.transforms._checkpoint import checkpoint
from fallline.transforms._custom import custom_jvp, custom_vjp, hook_gradient
from fallline.transforms._derivatives import backward, grad, no_grad, value_and_grad
from fallline.transforms._graph import Graph, trace
from fallline.transforms._jacobian import hessian, jacobian
from fallline.transforms._jit import Plan, jit
from fallline.transforms._linear import gnvp, hvp, jvp, linearize, vjp
from fallline.transforms._scan import scan
from fallline.transforms._vmap import vmap

__all__ = [
    "Graph",
    "Plan",
    "backward",
    "checkpoint",
    "custom_jvp",
    "custom_vjp",
    "gnvp",
    "grad",
    "hessian",
    "hook_gradient",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linearize",
    "no_grad",
    "scan",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]

__getattr__, __dir__ = module_names(__name__)
