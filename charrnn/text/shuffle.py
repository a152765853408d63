"""A random order of the numbers below n that is computed place by place, without a list of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.kernels import Array

_ROUNDS = 6


def shuffled(places: Array, n: int, seed: Sequence[int]) -> Array:
    """Return which of the numbers 0 to n - 1 stand at some places of their random order.

    Every number stands at one place. A Feistel network permutes the numbers below the next power of
    4; a number from n on is permuted again until it is below n (Black and Rogaway 2002).

    Args:
        places: (m,) integers from 0 to n - 1.
        n: how many numbers are in order.
        seed: of the order.

    Returns:
        (m,) int64.

    >>> sorted(shuffled(np.arange(5), 5, [1]).tolist())
    [0, 1, 2, 3, 4]
    """
    half = np.uint64(max(1, -(-(n - 1).bit_length() // 2)))  # bits
    mask = np.uint64((1 << int(half)) - 1)
    keys = np.random.default_rng(seed).integers(0, 1 << 63, _ROUNDS, np.uint64)
    numbers: Array = np.asarray(places, np.uint64).copy()
    rest = np.arange(len(numbers))
    while len(rest):
        x = numbers[rest]
        left, right = x >> half, x & mask
        for key in keys:
            left, right = right, left ^ (mixed(right + key) & mask)
        numbers[rest] = left << half | right
        rest = rest[numbers[rest] >= n]
    order: Array = numbers.astype(np.int64)
    return order


def mixed(x: Array) -> Array:
    """Return 64-bit numbers with their bits mixed, by the finalizer of SplitMix64 (Steele 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Array = x ^ (x >> np.uint64(31))
    return result
