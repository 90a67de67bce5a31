"""Dtypes and constants: NumPy's."""

from __future__ import annotations

import math

import numpy as np

bool_ = np.dtype("bool")
int8, int16, int32, int64 = (np.dtype(f"int{bits}") for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64))
float32, float64 = np.dtype("float32"), np.dtype("float64")
e, pi, inf, nan = math.e, math.pi, math.inf, math.nan
newaxis = None
