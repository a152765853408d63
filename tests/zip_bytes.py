"""Zip files byte by byte, so that each field can say something else than the truth."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from charrnn.kernels import Array

# The fields of a member's header, of its entry in the directory, and of the end.
LOCAL = ("signature", "version", "flags", "method", "time", "date", "crc", "packed", "size")
LOCAL += ("name_length", "extra_length")
CENTRAL = ("signature", "made_by", *LOCAL[1:], "comment_length")
CENTRAL += ("disk", "internal", "external", "offset")
END = ("signature", "disk", "first_disk", "here", "count", "length", "offset", "comment_length")


@dataclass
class Entry:
    """A member, and what its two headers say that is not so, by field."""

    name: str
    data: bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    before: bytes = b""  # between the member before and this one
    hole: int = 0  # zeros after the data, which a file system need not store

    def changed(self, **fields: Any) -> Entry:
        """Return it with other values of fields in both headers."""
        return replace(self, local={**self.local, **fields}, central={**self.central, **fields})


def entries_of(file: Path | BinaryIO) -> list[Entry]:
    """Return the members of a sound file."""
    with zipfile.ZipFile(file) as archive:
        return [Entry(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_bytes(entries: Sequence[Entry], **more: Any) -> bytes:
    """Return what `write_zip` writes."""
    file = io.BytesIO()
    write_zip(file, entries, **more)
    return file.getvalue()


def write_zip(
    file: BinaryIO,
    entries: Sequence[Entry],
    *,
    before_directory: bytes = b"",
    before_end: bytes = b"",
    end: Mapping[str, Any] | None = None,
    comment: bytes = b"",
) -> None:
    """Write a zip file; its fields are right where no entry says otherwise."""
    directory = b""
    for entry in entries:
        file.write(entry.before)
        local, central = _fields(entry, file.tell())
        file.write(struct.pack("<4s5H3L2H", *(local[name] for name in LOCAL)))
        file.write(local["name"] + local["extra"] + entry.data)
        file.seek(entry.hole, os.SEEK_CUR)
        directory += struct.pack("<4s6H3L5H2L", *(central[name] for name in CENTRAL))
        directory += central["name"] + central["extra"] + central["comment"]
    file.write(before_directory)
    last = {"signature": b"PK\5\6", "disk": 0, "first_disk": 0, "here": len(entries)}
    last |= {"count": len(entries), "length": len(directory), "offset": file.tell()}
    last |= {"comment_length": len(comment), **(end or {})}
    file.write(directory + before_end)
    file.write(struct.pack("<4s4H2LH", *(last[name] for name in END)) + comment)


def _fields(entry: Entry, offset: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a member's header, and of its entry in the directory."""
    size = len(entry.data) + entry.hole
    truth = {"version": 20, "flags": 0, "method": 0, "time": 0, "date": 33}
    truth |= {"crc": zlib.crc32(entry.data), "packed": size, "size": size}
    truth |= {"name": entry.name.encode(), "extra": b"", "comment": b"", "offset": offset}
    truth |= {"made_by": 20 | 3 << 8, "disk": 0, "internal": 0, "external": 0o600 << 16}
    local = {**truth, "signature": b"PK\3\4", **entry.local}
    central = {**truth, "signature": b"PK\1\2", **entry.central}
    for fields in (local, central):
        for name in ("name", "extra", "comment"):
            fields[f"{name}_length"] = len(fields[name])
    return local, central


def npy_bytes(array: Array, header: bytes | None = None, version: bytes = b"\1\0") -> bytes:
    """Return an array as a member holds it, with another header if one is given."""
    if header is None:
        order = np.isfortran(array)
        values = {"descr": array.dtype.str, "fortran_order": order, "shape": array.shape}
        header = "{{{}, }}".format(", ".join(f"'{k}': {v!r}" for k, v in values.items())).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<L", len(header))
    return b"\x93NUMPY" + version + length + header + array.tobytes("A")
