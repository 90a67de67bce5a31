"""Trees: dicts, lists, tuples and modules, nested. Paths are ``0.weight``."""

from fallline._hints import module_names
from fallline._tree import flatten, map, unflatten

__all__ = ["flatten", "map", "unflatten"]

__getattr__, __dir__ = module_names(__name__)
