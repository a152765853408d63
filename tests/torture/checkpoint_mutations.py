"""Mutations of a checkpoint's members, values and zip fields; `byte_mutations` has the others."""

from __future__ import annotations

import io
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from checkpoints import sealed
from zip_bytes import CENTRAL, END, LOCAL, Entry, entries_of, npy_bytes, zip_bytes

from charrnn.kernels import Array

Structured = Callable[[random.Random, list[Entry]], None]  # changes members in place

_NUMBERS = [0, 1, 2, 3, 7, -1, 255, 65535, 1 << 31, 0xFFFFFFFF, 0xFFFFFFFE]
_VALUES: list[Any] = [None, True, False, 0, 1, -1, 2, 12, 10**6, 2**53, 2**64, 10**400, 0.5, -0.0]
_VALUES += [1e308, float("nan"), float("inf"), "", "char", "lstm", "../x", "\ud800", "a" * 3000]
_VALUES += [[], {}, [1], {"a": 1}, [[[]]], ["char"], "*", "~/x", "auto", "adam", "byte", "60s"]
_HEADER = re.compile(rb"'descr': '(<f[248]|<u4|<U\d{1,7})', .*'shape': \(([\d, ]*)\)")
_FLOATS = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -3e38, 1e-45, 1.0]
_HEADERS = [
    b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    b"{'descr': '<U1', 'fortran_order': False, 'shape': (), }",
    b"{'descr': '<U999999999', 'fortran_order': False, 'shape': (), }",
    b"{'descr': '<U0', 'fortran_order': False, 'shape': (), }",
    b"{'descr': '<m8[s]', 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': __import__('os').getpid(), 'fortran_order': False, 'shape': (3,), }",
    b"(" * 990,
    b"",
]


def _start(data: bytes) -> int:
    """Return the position of the first element in an array's member."""
    return min(len(data), 10 + int.from_bytes(data[8:10], "little"))


def array_of(entry: Entry) -> Array | None:
    """Return a member's array, or None if its header is not one that charrnn writes.

    NumPy could raise any exception for a mutated header.
    """
    start = _start(entry.data)
    found = _HEADER.search(entry.data[:start])
    if not found:
        return None
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(n) for n in re.findall(rb"\d+", found[2]))
    if math.prod(shape) * dtype.itemsize != len(entry.data) - start:
        return None
    return np.frombuffer(entry.data[start:], dtype).reshape(shape)


def _pick(rng: random.Random, entries: list[Entry]) -> Entry:
    return rng.choice(entries)


def _array_bit(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    if len(entry.data) > _start(entry.data):
        place = rng.randrange(_start(entry.data), len(entry.data))
        changed = bytes([entry.data[place] ^ 1 << rng.randrange(8)])
        entry.data = entry.data[:place] + changed + entry.data[place + 1 :]


def _array_value(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    count = (len(entry.data) - _start(entry.data)) // 4
    if count > 0:
        place = _start(entry.data) + 4 * rng.randrange(count)
        value = np.float32(rng.choice(_FLOATS)).tobytes()
        entry.data = entry.data[:place] + value + entry.data[place + 4 :]


def _swapped_data(rng: random.Random, entries: list[Entry]) -> None:
    a, b = _pick(rng, entries), _pick(rng, entries)
    a.data, b.data = b.data, a.data


def _swapped_names(rng: random.Random, entries: list[Entry]) -> None:
    a, b = _pick(rng, entries), _pick(rng, entries)
    a.name, b.name = b.name, a.name


def _same_data(rng: random.Random, entries: list[Entry]) -> None:
    _pick(rng, entries).data = _pick(rng, entries).data


def _order(rng: random.Random, entries: list[Entry]) -> None:
    rng.shuffle(entries)


def _missing(rng: random.Random, entries: list[Entry]) -> None:
    if len(entries) > 1:
        entries.remove(_pick(rng, entries))


def _twice(rng: random.Random, entries: list[Entry]) -> None:
    entries.insert(rng.randrange(len(entries) + 1), replace(_pick(rng, entries)))


def _more(rng: random.Random, entries: list[Entry]) -> None:
    name = rng.choice(["x.npy", "data.pkl", "../up.npy", "/x.npy", "d/", "meta", "é.npy", ""])
    entries.append(Entry(name, rng.choice([b"", _pick(rng, entries).data])))


def _name(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    place = rng.randrange(len(entry.name) + 1)
    entry.name = entry.name[:place] + rng.choice("x\0/.0é") + entry.name[place + 1 :]


def _length(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    shorter = entry.data[: rng.randrange(len(entry.data) + 1)]
    entry.data = rng.choice([shorter, entry.data + rng.randbytes(rng.choice([1, 4, 64]))])


def _header(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    version = rng.choice([b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\0\0"])
    array = np.frombuffer(entry.data[_start(entry.data) :], np.uint8)
    entry.data = npy_bytes(array, rng.choice(_HEADERS), version)


def _header_byte(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    place = rng.randrange(max(1, _start(entry.data)))
    value = rng.choice([*b"0123456789(),'<>OUf \n", rng.randrange(256)])
    entry.data = entry.data[:place] + bytes([value]) + entry.data[place + 1 :]


def _array(rng: random.Random, entries: list[Entry]) -> None:
    """Another type, shape or order, with the right header."""
    entry = _pick(rng, entries)
    array = array_of(entry)
    if array is not None and array.dtype.kind != "U":
        kind = rng.choice(["<f8", ">f4", "<f2", "<i4", "<u4", "S4", "<c8", "?"])
        changes = [lambda a: a.astype(kind), lambda a: a.T, lambda a: a.reshape(-1), np.atleast_3d]
        changes += [np.asfortranarray, lambda a: a[:0], lambda a: np.concatenate([a, a])]
        with np.errstate(all="ignore"):  # odd values overflow in the new type
            entry.data = npy_bytes(rng.choice(changes)(array))


def _labels(rng: random.Random, entries: list[Entry]) -> None:
    """Change the labels of a model that has some."""
    named = [entry for entry in entries if entry.name.startswith("labels.")]
    entry = rng.choice(named or entries)
    array = array_of(entry)
    if array is not None and array.dtype.kind == "u" and array.size:
        changes = [lambda a: a[::-1], lambda a: np.tile(a, 300), lambda a: a + 1, lambda a: a[:-1]]
        changes += [lambda a: np.append(a, a[-1]), lambda a: a + 256, lambda a: a[1:], np.sort]
        entry.data = npy_bytes(rng.choice(changes)(array))


def _meta_value(rng: random.Random, entries: list[Entry]) -> None:
    def change(meta: Any) -> str:
        sections = [meta, meta["config"], meta["counters"], *meta["config"].values()]
        section = rng.choice([section for section in sections if isinstance(section, dict)])
        key = rng.choice(list(section))
        what = rng.randrange(6)
        if what < 4:
            section[key] = rng.choice(_VALUES)
            if what == 0 and type(value := meta["counters"]["step"]) is int:
                meta["counters"]["step"] = value + rng.choice([-1, 1, 1000])
        elif what == 4:
            section[key + rng.choice(["", "x"])] = section.pop(key)
        else:
            del section[key]
        return json.dumps(meta)

    _change_meta(entries, change)


def _meta_text(rng: random.Random, entries: list[Entry]) -> None:
    def change(meta: Any) -> str:
        text = json.dumps(meta)
        place = rng.randrange(len(text))
        piece = rng.choice([' "step": 1,', "[" * 5000, "9" * 30, " ", "}", "NaN", "\ud800", "\0"])
        return text[:place] + piece + text[place + rng.randrange(3) :]

    _change_meta(entries, change)


def _meta_format(rng: random.Random, entries: list[Entry]) -> None:
    _change_meta(entries, lambda meta: json.dumps(meta | {"format": rng.choice([0, 1, 2, 3, "1"])}))


def _change_meta(entries: list[Entry], change: Callable[[Any], str]) -> None:
    for entry in entries:
        array = array_of(entry) if entry.name == "meta.npy" else None
        if array is None:
            continue
        try:
            meta = json.loads(str(array))
            entry.data = npy_bytes(np.array(change(meta)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # an earlier mutation changed it


def _zip_field(rng: random.Random, entries: list[Entry]) -> None:
    entry = _pick(rng, entries)
    where = rng.choice(["local", "central", "both"])
    known = {"local": LOCAL, "central": CENTRAL, "both": LOCAL[1:]}[where]
    name = rng.choice([name for name in known if not name.endswith("_length")])
    value: Any = rng.choice([*_NUMBERS, len(entry.data) - 1, len(entry.data) + 1])
    if name == "signature":
        value = rng.choice([b"PK\1\2", b"PK\3\4", b"PK\5\6", b"\0\0\0\0"])
    elif name not in ("crc", "packed", "size", "offset", "external"):
        value &= 0xFFFF
    value = value if isinstance(value, bytes) else max(0, value)
    if where != "central":
        entry.local = {**entry.local, name: value}
    if where != "local":
        entry.central = {**entry.central, name: value}


def _zip_bytes(rng: random.Random, entries: list[Entry]) -> None:
    entry, piece = _pick(rng, entries), rng.choice([b"\0", b"#!/bin/sh\n", b"PK\3\4", bytes(500)])
    what = rng.choice(["before", "extra", "local extra", "comment"])
    if what == "before":
        entry.before = piece
    elif what == "local extra":
        entry.local = {**entry.local, "extra": piece}
    else:
        entry.central = {**entry.central, what: piece}


STRUCTURED: dict[str, Structured] = {
    function.__name__.strip("_"): function
    for function in (
        _array_bit,
        _array_value,
        _swapped_data,
        _swapped_names,
        _same_data,
        _order,
        _missing,
        _twice,
        _more,
        _name,
        _length,
        _header,
        _header_byte,
        _array,
        _labels,
        _meta_value,
        _meta_text,
        _meta_format,
        _zip_field,
        _zip_bytes,
    )
}

DIGESTS = ("left", "left", "removed", "made right")


def structured(rng: random.Random, raw: bytes, names: list[str], digest: str) -> bytes:
    """Return a file after the mutations of these names, with right checksums unless mutated."""
    entries = entries_of(io.BytesIO(raw))
    for name in names:
        STRUCTURED[name](rng, entries)
    if digest != "left":
        entries = [entry for entry in entries if entry.name != "sha256.npy"]
    if digest == "made right":
        arrays = {entry.name[:-4]: array_of(entry) for entry in entries}
        whole = {name: array for name, array in arrays.items() if array is not None}
        entries.append(Entry("sha256.npy", npy_bytes(sealed(whole)["sha256"])))
    end = {}
    if rng.random() < 0.05:
        name = rng.choice([name for name in END if name != "signature"])
        end[name] = rng.choice(_NUMBERS) & (0xFFFFFFFF if name in ("length", "offset") else 0xFFFF)
    return zip_bytes(entries, end=end)
