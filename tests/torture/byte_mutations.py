"""Mutations of the bytes of a checkpoint's file."""

from __future__ import annotations

import random
from collections.abc import Callable

Raw = Callable[[random.Random, bytes, bytes], bytes]  # takes a file and another to mix in


def _range(rng: random.Random, raw: bytes) -> tuple[int, int]:
    start = rng.randrange(len(raw) + 1)
    return start, min(len(raw), start + rng.choice([1, 2, 4, 22, 100, 1000, 5000]))


def _flip(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    changed = bytearray(raw)
    for _count in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    changed = bytearray(raw)
    for _count in range(rng.choice([1, 4, 40])):
        changed[rng.randrange(len(raw))] = rng.choice([0, 0xFF, 0x7F, 0x80, rng.randrange(256)])
    return bytes(changed)


def _flip_at_the_end(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    """Flip a bit of the directory or the end record, which are a small part of a file."""
    place = rng.randrange(raw.find(b"PK\1\2"), len(raw))
    return raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :]


def _cut(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    return raw[: rng.randrange(len(raw))] if rng.random() < 0.7 else raw[rng.randrange(len(raw)) :]


def _splice(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    return raw[: rng.randrange(len(raw))] + other[rng.randrange(len(other)) :]


def _splice_in_place(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    start, end = _range(rng, raw)
    return raw[:start] + other[start:end] + raw[end:]


def _zero(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    start, end = _range(rng, raw)
    return raw[:start] + bytes([rng.choice([0, 0, 255])]) * (end - start) + raw[end:]


def _insert(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    place, (start, end) = rng.randrange(len(raw) + 1), _range(rng, other)
    piece = rng.choice([rng.randbytes(rng.choice([1, 7, 64])), other[start:end], b"PK\5\6"])
    return raw[:place] + piece + raw[place:]


def _delete(rng: random.Random, raw: bytes, _: bytes) -> bytes:
    start, end = _range(rng, raw)
    return raw[:start] + raw[end:]


def _join(rng: random.Random, raw: bytes, other: bytes) -> bytes:
    return rng.choice([raw + other, other + raw, raw + raw])


RAW: dict[str, Raw] = {
    function.__name__.strip("_"): function
    for function in (
        _flip,
        _set,
        _flip_at_the_end,
        _cut,
        _splice,
        _splice_in_place,
        _zero,
        _insert,
        _delete,
        _join,
    )
}
