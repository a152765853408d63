"""Archives that zipfile would read: hostile ones are refused, odd ones at most read as before."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import checkpoint_of, differences, refusal
from zip_bytes import Entry, entries_of, npy_bytes, zip_bytes

from charrnn.errors import CheckpointError
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint

Build = Callable[[list[Entry]], bytes]

NAME = "output.W.npy"
NO_CHECKPOINT = "is not a checkpoint, or a damaged one"
DAMAGED = "the array output.W is damaged"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


def each(change: Callable[[Entry], Entry], name: str = NAME) -> Build:
    """Return a build in which one member is changed."""
    return lambda entries: zip_bytes([change(e) if e.name == name else e for e in entries])


def added(*more: Entry) -> Build:
    """Return a build with more members at the end."""
    return lambda entries: zip_bytes([*entries, *more])


def deflated(entry: Entry) -> Entry:
    """Return a member as a compressing program would write it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(entry.data) + packer.flush()
    right = {"crc": zlib.crc32(entry.data), "size": len(entry.data)}
    return Entry(entry.name, data).changed(method=8, **right)


def overlapping(entries: list[Entry]) -> bytes:
    """Return an archive in which the entries of a thousand members name the same megabyte."""
    shared = Entry("shared.npy", bytes(1 << 20))
    size, offset = len(shared.data), zip_bytes(entries).find(b"PK\1\2")
    fields = {"offset": offset, "crc": zlib.crc32(shared.data), "packed": size, "size": size}
    twins = (Entry(f"{number}.npy", b"", central=fields) for number in range(1000))
    return zip_bytes([*entries, shared, *twins])


def zip64_extra(size: int) -> bytes:
    """Return the field that holds a member's size where four bytes are too few."""
    return struct.pack("<2H2Q", 1, 16, size, size)


REFUSED: dict[str, tuple[Build, str]] = {
    "compressed": (each(deflated), f"its member '{NAME}' is compressed"),
    "unknown compression": (each(lambda e: e.changed(method=99)), "is compressed"),
    "compression in the directory alone": (
        each(lambda e: replace(e, central={"method": 8})),
        "is compressed",
    ),
    "encrypted": (each(lambda e: e.changed(flags=1)), DAMAGED),
    "two sizes": (each(lambda e: e.changed(packed=7)), DAMAGED),
    "too large a size": (each(lambda e: e.changed(size=1 << 31)), "are larger than the file"),
    "too large sizes": (
        each(lambda e: e.changed(packed=1 << 31, size=1 << 31)),
        "its members overlap, or are larger than the file",
    ),
    "too small a size": (each(lambda e: e.changed(packed=7, size=7)), DAMAGED),
    "too small a size with a right checksum": (
        each(lambda e: e.changed(packed=130, size=130, crc=zlib.crc32(e.data[:130]))),
        "the array output.W is cut off or too long",
    ),
    "another checksum": (each(lambda e: e.changed(crc=1)), DAMAGED),
    "another name in the header": (
        each(lambda e: replace(e, local={"name": b"output.X.npy"})),
        DAMAGED,
    ),
    "no header": (each(lambda e: replace(e, local={"signature": b"PK\1\2"})), DAMAGED),
    "a name twice": (added(Entry(NAME, b"")), f"it holds '{NAME}' twice"),
    "members that overlap": (overlapping, "its members overlap"),
    "an offset beyond the file": (
        each(lambda e: replace(e, central={"offset": 1 << 31})),
        DAMAGED,
    ),
    "an offset before the file": (
        lambda entries: zip_bytes(entries, end={"offset": 1 << 31}),
        "its member 'meta.npy' is damaged",
    ),
    "an unknown array": (
        added(Entry("more.npy", npy_bytes(np.zeros(3)))),
        "it holds 'more.npy', which does not belong there",
    ),
    "two unknown arrays": (
        added(*(Entry(f"{n}.npy", npy_bytes(np.zeros(3))) for n in "ba")),
        "it holds 'a.npy' and 1 more, which does not belong there",
    ),
    "no array": (added(Entry("setup.py", b"print()")), "it holds 'setup.py', which does not"),
    "a pickle": (added(Entry("data.pkl", b"\x80\4N.")), "it holds 'data.pkl', which does not"),
    "a folder": (added(Entry("layers/", b"")), "it holds 'layers/', which does not"),
    "a path upwards": (added(Entry("../up.npy", b"")), "it holds '../up.npy', which does not"),
    "an absolute path": (added(Entry("/etc/x.npy", b"")), "it holds '/etc/x.npy', which does not"),
    "a directory of four gigabytes": (
        lambda entries: zip_bytes(entries, end={"length": 0xFFFFFFFE}),
        NO_CHECKPOINT,
    ),
    "a directory of over a megabyte": (
        added(*(Entry(f"{n}.npy", b"") for n in range(25_000))),
        NO_CHECKPOINT,
    ),
    "many members": (added(*(Entry(f"{n}.npy", b"") for n in range(10_000))), "and 9999 more"),
    "a long name": (added(Entry("x" * 60_000, b"")), "it holds 'xxxxxxxx"),
    "a large file's end without one": (
        lambda entries: zip_bytes(entries, end={"offset": 0xFFFFFFFF}),
        "",
    ),
}

ODD: dict[str, Build] = {
    "compression in the header alone": each(lambda e: replace(e, local={"method": 8})),
    "encrypted in the header alone": each(lambda e: replace(e, local={"flags": 1})),
    "sizes after the data": each(lambda e: e.changed(flags=8)),
    "another checksum in the header": each(lambda e: replace(e, local={"crc": 1})),
    "something before": lambda entries: b"#!/bin/sh\n" + zip_bytes(entries),
    "something before the first member": each(
        lambda e: replace(e, before=b"#!/bin/sh\n"), "meta.npy"
    ),
    "something between": each(lambda e: replace(e, before=b"\0")),
    "something before the directory": lambda entries: zip_bytes(entries, before_directory=b"\0"),
    "something after": lambda entries: zip_bytes(entries) + b"\0",
    "a comment": lambda entries: zip_bytes(entries, comment=b"hello"),
    "a comment of a member": each(lambda e: replace(e, central={"comment": b"hello"})),
    "a link": each(lambda e: replace(e, central={"external": (stat.S_IFLNK | 0o777) << 16})),
    "a name that is cut at a NUL": each(lambda e: e.changed(name=NAME.encode() + b"\0.txt")),
    "another disk": each(lambda e: replace(e, central={"disk": 1})),
    "several disks": lambda entries: zip_bytes(entries, end={"disk": 1}),
    "fewer members than it says": lambda entries: zip_bytes(entries, end={"here": 99, "count": 99}),
    "more members than it says": lambda entries: zip_bytes(entries, end={"here": 14, "count": 14}),
    "a large member's sizes in the directory": each(
        lambda e: replace(e, central={"extra": zip64_extra(len(e.data))})
    ),
    "another size for large members": each(
        lambda e: replace(e, local={"extra": zip64_extra(len(e.data) + 1)})
    ),
    "another name in Unicode": each(
        lambda e: replace(e, central={"extra": struct.pack("<2HB4s", 0x7075, 5, 1, b"abcd")})
    ),
    "an empty name in Unicode": each(
        lambda e: replace(
            e, central={"extra": struct.pack("<2HBL", 0x7075, 5, 1, zlib.crc32(e.name.encode()))}
        )
    ),
    "half a field": each(lambda e: replace(e, central={"extra": b"\1\0\4\0"})),
    "something added to a member": each(lambda e: replace(e, local={"extra": b"\1\2\4\0code"})),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_archive_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    build, problem = REFUSED[name]
    saved.write_bytes(build(entries_of(saved)))
    assert problem in refusal(saved, capsys)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_archive_is_refused_or_read_as_before(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = load_checkpoint(saved)
    saved.write_bytes(ODD[name](entries_of(saved)))
    try:
        loaded = load_checkpoint(saved)
    except CheckpointError:
        refusal(saved, capsys)
    else:
        assert differences(loaded, before) == ""


def test_an_archive_of_plain_members_is_read(saved: Path) -> None:
    """Also with the field for large members, which numpy.savez writes, and without it."""
    entries = entries_of(saved)
    saved.write_bytes(zip_bytes(entries))
    assert load_checkpoint(saved).counters.step == 12
    large = {"packed": 0xFFFFFFFF, "size": 0xFFFFFFFF}
    for sizes in ({}, large):
        saved.write_bytes(
            zip_bytes(
                [replace(e, local={"extra": zip64_extra(len(e.data)), **sizes}) for e in entries]
            )
        )
        assert load_checkpoint(saved).counters.step == 12


def test_a_checkpoint_of_gigabytes_is_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size from which zipfile writes large fields is set low."""
    for limit in (0, 5000):
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
        save_checkpoint(saved, checkpoint_of())
        assert b"PK\6\7" in saved.read_bytes()
        assert load_checkpoint(saved).counters.step == 12
