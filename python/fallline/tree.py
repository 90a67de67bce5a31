"""Trees of arrays: nested dicts, lists, tuples and modules, whose leaves have paths like ``0.weight``."""

from fallline._tree import flatten, map, unflatten

__all__ = ["flatten", "map", "unflatten"]
