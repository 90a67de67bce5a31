"""Networks for tables, from a file to a model that predicts."""

from fallline._hints import module_names
from fallline.tabular._fit import fit

__all__ = ["fit"]

__getattr__, __dir__ = module_names(__name__)
