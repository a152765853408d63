"""Arrays in a file, as `numpy.savez` writes them and not otherwise.

The members are stored, not compressed, one behind the other from the first byte of the file to the
directory at its end. Whatever else is found is refused before memory is taken for it. So no array
is larger than the file, no byte belongs to two members or to none, and every program that opens the
file finds the same in it.

The member `sha256` is a digest of the others: the SHA-256, in hexadecimal, of a line for each in
the order of their names, with its own SHA-256:

    layers.0.b <f4 (20,) 9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Collection, Mapping
from io import BufferedReader
from typing import IO, Any, NamedTuple

import numpy as np

from charrnn.errors import CheckpointError, shown
from charrnn.kernels import Array
from charrnn.runs.zip_members import Member, read_members

DIGEST = "sha256"

_LONGEST_HEADER = 1000
_HEADER = re.compile(
    rb"\{'descr': '([<>|])([a-zA-Z])(\d{0,9})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18},)?|\d{1,18}(?:, \d{1,18})+)\), \} *\n"
)


class Header(NamedTuple):
    """What an array is, by its own account."""

    shape: tuple[int, ...]
    dtype: str  # as in <f4
    start: int  # of its elements, in the file
    crc: int  # of its bytes up to there


def write_arrays(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Write arrays, and their digest, into a file that is empty."""
    lines = [_line(name, a.dtype.str, a.shape, _bytes_of(a)) for name, a in arrays.items()]
    members: dict[str, Any] = {**arrays, DIGEST: np.array(_digest(lines))}
    np.savez(file, **members)


class ArrayArchive:
    """A file of arrays, each checked before it is read.

    Args:
        file: open for reading, and seekable.

    Raises:
        CheckpointError: saying what is wrong with the file, without its name; so do the methods.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._members: dict[str, Member] = {}
        for name, member in read_members(file).items():
            if not name.endswith(".npy"):
                raise CheckpointError(f"it holds {shown(name)}, which is no array")
            self._members[name[: -len(".npy")]] = member
        self._lines: list[str] = []  # of the arrays read so far

    def check_names(self, names: Collection[str]) -> None:
        """Refuse an archive that holds other arrays than these."""
        for name in names:
            self._member(name)
        if unknown := self._members.keys() - set(names):
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise CheckpointError(
                f"it holds an array {shown(min(unknown))}{more}, which does not belong there"
            )

    def header(self, name: str) -> Header:
        """Return what an array is, as far as the beginning of its member says."""
        member = self._member(name)
        self._file.seek(member.start)
        raw = self._file.read(min(member.size, 10 + _LONGEST_HEADER))
        if raw[:6] == b"\x93NUMPY" and raw[6:8] != b"\x01\x00":
            raise CheckpointError(f"the array {name} is in an unknown version of the format")
        raw = raw[: 10 + int.from_bytes(raw[8:10], "little")]
        found = _HEADER.fullmatch(raw[10:])
        if raw[:8] != b"\x93NUMPY\x01\x00" or not found:
            raise CheckpointError(
                f"the array {name} has a damaged header, or is not of numbers or text"
            )
        order, kind, size, fortran, lengths = (group.decode("ascii") for group in found.groups())
        if kind == "O":
            raise CheckpointError(f"the array {name} does not fit: it is of Python objects")
        if fortran == "True":
            raise CheckpointError(f"the array {name} does not fit: it is in Fortran's order")
        shape = tuple(int(length) for length in re.findall(r"\d+", lengths))
        return Header(shape, order + kind + size, member.start + len(raw), zlib.crc32(raw))

    def check(self, name: str, shape: tuple[int, ...], dtype: str) -> None:
        """Refuse an array that is not of this shape and type, or not as long as they make it."""
        found, problem = self.header(name), ""
        if found.shape != shape:
            problem = f"it has shape {found.shape}, and the configuration implies {shape}"
        elif found.dtype != dtype:
            problem = f"it is of type {found.dtype}, and should be of {dtype}"
        if problem:
            raise CheckpointError(f"the array {name} does not fit: {problem}")
        member = self._member(name)
        if member.start + member.size != found.start + math.prod(shape) * np.dtype(dtype).itemsize:
            raise CheckpointError(f"the array {name} is cut off or too long")

    def read_into(self, name: str, array: Array) -> None:
        """Fill an array, C-contiguous and of the shape and type that were checked."""
        header, raw = self.header(name), _bytes_of(array)
        self._file.seek(header.start)
        if self._file.readinto(raw.data) != raw.size:
            raise CheckpointError(f"the array {name} is cut off")
        if zlib.crc32(raw.data, header.crc) != self._member(name).crc:
            raise CheckpointError(f"the array {name} is damaged: its checksum is another one")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"the array {name} has values that are not finite")
        self._lines.append(_line(name, header.dtype, header.shape, raw))

    def read_text(self, name: str, most_chars: int) -> str:
        """Return an array that is one text of at most so many characters."""
        header = self.header(name)
        if header.shape != () or header.dtype[:2] != "<U":
            raise CheckpointError(f"the array {name} does not fit: it should be one text")
        length = int(header.dtype[2:] or 0)
        if length > most_chars:
            raise CheckpointError(f"the array {name} does not fit: it is too long")
        self.check(name, (), header.dtype)
        raw: Array = np.empty(4 * length, np.uint8)
        self.read_into(name, raw)
        try:
            return raw.tobytes().decode("utf-32-le", "surrogatepass")
        except UnicodeDecodeError:
            raise CheckpointError(f"the array {name} is damaged: it is no text") from None

    def check_digest(self) -> None:
        """Refuse an archive where what was read is not what was written."""
        digest = _digest(self._lines)
        if self.read_text(DIGEST, len(digest)) != digest:
            raise CheckpointError(
                "its contents are not those that were written: their digest is another one"
            )

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise CheckpointError(f"the array {name} is missing; this is no checkpoint of charrnn")
        return self._members[name]


def _bytes_of(array: Array) -> Array:
    """Return the bytes of an array as (n,) uint8, without a copy of one that is C-contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _line(name: str, dtype: str, shape: tuple[int, ...], raw: Array) -> str:
    return f"{name} {dtype} {shape} {hashlib.sha256(raw.data).hexdigest()}\n"


def _digest(lines: Collection[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
