"""Trees: dicts, lists, tuples and modules, nested. Paths are ``0.weight``."""

from fallline._tree import flatten, map, unflatten

__all__ = ["flatten", "map", "unflatten"]
