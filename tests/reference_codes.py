"""What must compressed state be?  The codes of cpp/optim/compressed.h in NumPy.

This file imports NumPy alone.
"""

from __future__ import annotations

import numpy as np

BLOCK, INFINITY, QUIET, ROUND_UP = 256, 0x7F800000, 0x00400000, (1 << 20) - 1


def random_bits(count: int, key: int) -> np.ndarray:
    """Return 32 bits for each element: a hash of its number and the key."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key)
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return h ^ (h >> np.uint32(15))


def slot_key(key: int, slot: int) -> int:
    return (key ^ (slot * 0x85EBCA6B & 0xFFFFFFFF)) * 0xC2B2AE35 & 0xFFFFFFFF


def step_key(t: int, tensor: int) -> int:
    return (t * 0x9E3779B1 + tensor) & 0xFFFFFFFF


def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of the magnitudes, and the signs."""
    b = x.astype(np.float32).view(np.uint32).astype(np.int64)
    return b & 0x7FFFFFFF, b >> 31


def to_float(b: np.ndarray) -> np.ndarray:
    return b.astype(np.uint32).view(np.float32)


def encode_bfloat16(x: np.ndarray, key: int) -> np.ndarray:
    size, sign = split(x)
    rounded = np.where(size < INFINITY, size + (random_bits(x.size, key) & 0xFFFF), size)
    rounded = np.where(size > INFINITY, size | QUIET, rounded)
    return ((rounded >> 16) | (sign << 15)).astype(np.uint16).view(np.uint8)


def decode_bfloat16(codes: np.ndarray) -> np.ndarray:
    return to_float(codes.view(np.uint16).astype(np.uint32) << 16)


def encode_float8(x: np.ndarray, key: int, *, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes and the exponents of the blocks."""
    size, sign = split(x)
    random, top = random_bits(x.size, key).astype(np.int64), 127 if signed else 255
    most = np.array([min(size[i : i + BLOCK].max(), INFINITY) for i in range(0, x.size, BLOCK)], np.int64)
    exponents = np.maximum(48, (most + ROUND_UP) >> 23)
    base = np.repeat(8 * exponents + 7 - top, BLOCK)[: x.size]
    code = np.where(size < INFINITY, size + (random & ROUND_UP), np.where(size > INFINITY, INFINITY | QUIET, INFINITY))
    code = (code >> 20) - base
    if not signed:
        return np.where(size == 0, 0, np.maximum(code, 1)).astype(np.uint8), exponents.astype(np.uint8)
    least = (base + 1) << 20
    small = (random & 0xFFFFFF).astype(np.float32) * np.float32(2**-24) * to_float(least) < to_float(size)
    return (np.where(size < least, small, code) | (sign << 7)).astype(np.uint8), exponents.astype(np.uint8)


def decode_float8(codes: np.ndarray, exponents: np.ndarray, *, signed: bool) -> np.ndarray:
    top = 127 if signed else 255
    size, sign = codes.astype(np.int64) & top, codes.astype(np.int64) & 128 if signed else 0
    base = np.repeat(8 * exponents.astype(np.int64) + 7 - top, BLOCK)[: codes.size]
    return to_float(np.where(size == 0, 0, (size + base) << 20) | (sign << 24))
