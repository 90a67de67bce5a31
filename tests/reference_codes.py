"""What must compressed state be?  The codes of cpp/optim/compressed.h in NumPy.

This file imports NumPy alone.
"""

from __future__ import annotations

import numpy as np

BLOCK, INFINITY, ROUND_UP = 256, 0x7F800000, (1 << 20) - 1


def random_bits(count: int, counter: int) -> np.ndarray:
    """Return 16 bits for each element: halves of mixed words, from a counter on."""
    h = (np.arange((count + 1) // 2, dtype=np.uint32) + np.uint32(counter)) * np.uint32(0x9E3779B9)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    h = h ^ (h >> np.uint32(16))
    return h.astype("<u4").view("<u2")[:count].astype(np.int64)


def counter_of(key: int, slot: int) -> int:
    """Return where the random numbers of a slot begin."""
    h = (key ^ (slot * 0x85EBCA6B & 0xFFFFFFFF)) * 0xC2B2AE35 & 0xFFFFFFFF
    h = (h ^ (h >> 15)) * 0x2C1B3C6D & 0xFFFFFFFF
    return h ^ (h >> 16)


def step_key(t: int, tensor: int) -> int:
    return (t * 0x9E3779B1 + tensor) & 0xFFFFFFFF


def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of the magnitudes, and the signs."""
    b = x.astype(np.float32).view(np.uint32).astype(np.int64)
    return b & 0x7FFFFFFF, b >> 31


def to_float(b: np.ndarray) -> np.ndarray:
    return b.astype(np.uint32).view(np.float32)


def encode_bfloat16(x: np.ndarray, counter: int) -> np.ndarray:
    size, sign = split(x)
    rounded = size + np.where(size < INFINITY, random_bits(x.size, counter), 0)
    return ((rounded >> 16) | (sign << 15)).astype(np.uint16).view(np.uint8)


def decode_bfloat16(codes: np.ndarray) -> np.ndarray:
    return to_float(codes.view(np.uint16).astype(np.uint32) << 16)


def encode_float8(x: np.ndarray, counter: int, *, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes and the exponents of the blocks."""
    size, sign = split(x)
    random, top = random_bits(x.size, counter), 127 if signed else 255
    most = np.array([min(size[i : i + BLOCK].max(), INFINITY) for i in range(0, x.size, BLOCK)], np.int64)
    exponents = np.maximum(48, (most + ROUND_UP) >> 23)
    base = np.repeat(8 * exponents + 7 - top, BLOCK)[: x.size]
    code = np.maximum(((size + np.where(size < INFINITY, random << 4, 0)) >> 20) - base, 1)
    if not signed:
        return np.where(size == 0, 0, code).astype(np.uint8), exponents.astype(np.uint8)
    least = to_float((base + 1) << 20)
    with np.errstate(invalid="ignore", over="ignore"):
        stays = split(to_float(size) + to_float((random << 7) | 0x3F800000) * least)[0] >= split(least + least)[0]
    return (np.where(stays, code, 0) | (sign << 7)).astype(np.uint8), exponents.astype(np.uint8)


def decode_float8(codes: np.ndarray, exponents: np.ndarray, *, signed: bool) -> np.ndarray:
    top = 127 if signed else 255
    size, sign = codes.astype(np.int64) & top, codes.astype(np.int64) & 128 if signed else 0
    base = np.repeat(8 * exponents.astype(np.int64) + 7 - top, BLOCK)[: codes.size]
    return to_float(np.where(size == 0, 0, (size + base) << 20) | (sign << 24))
