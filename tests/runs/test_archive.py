"""Archives made to deceive: each refused for what it is, before memory is taken for it."""

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
from checkpoints import checkpoint_of, refusal
from zip_bytes import Entry, entries_of, npy_bytes, zip_bytes

from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint

Build = Callable[[list[Entry]], bytes]

NAME = "output.W.npy"
NO_CHECKPOINT = "is not a checkpoint, or a damaged one"


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
    truth = {"crc": zlib.crc32(entry.data), "size": len(entry.data)}
    return Entry(entry.name, data).changed(method=8, **truth)


def on_the_same_bytes(entries: list[Entry]) -> bytes:
    """A directory whose last entry points at the member before it."""
    raw = zip_bytes(entries[:-1])
    offset = raw.find(entries[-2].name.encode()) - 30
    twin = replace(entries[-2], name="sha256.npy", central={"offset": offset})
    whole = zip_bytes([*entries[:-1], twin])
    cut = whole.rfind(b"PK\3\4"), whole.find(b"PK\1\2")
    end = struct.pack("<L", cut[0])
    return whole[: cut[0]] + whole[cut[1] : -6] + end + whole[-2:]


def zip64_end(entries: list[Entry]) -> bytes:
    """A second end, for large files, where there is no need of it."""
    whole = zip_bytes(entries)
    offset, count = whole.find(b"PK\1\2"), len(entries)
    length = len(whole) - 22 - offset
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    end += struct.pack("<4sLQL", b"PK\6\7", 0, len(whole) - 22, 1)
    return zip_bytes(entries, before_end=end)


def zip64_extra(size: int) -> bytes:
    """The field that tells a member's size where four bytes are not enough."""
    return struct.pack("<2H2Q", 1, 16, size, size)


HOSTILE: dict[str, tuple[Build, str]] = {
    "compressed": (each(deflated), f"the member '{NAME}' is compressed"),
    "unknown compression": (each(lambda e: e.changed(method=99)), "is compressed"),
    "compression in the directory alone": (
        each(lambda e: replace(e, central={"method": 8})),
        "is compressed",
    ),
    "compression in the header alone": (
        each(lambda e: replace(e, local={"method": 8})),
        f"the member '{NAME}' has a header that does not agree with the directory",
    ),
    "encrypted": (each(lambda e: e.changed(flags=1)), f"the member '{NAME}' is encrypted"),
    "encrypted in the header alone": (
        each(lambda e: replace(e, local={"flags": 1})),
        "does not agree",
    ),
    "sizes after the data": (each(lambda e: e.changed(flags=8)), "not as numpy.savez writes one"),
    "two sizes": (each(lambda e: e.changed(packed=7)), f"the member '{NAME}' has two sizes"),
    "too large a size": (
        each(lambda e: e.changed(packed=1 << 31, size=1 << 31)),
        "does not begin where the one before it ends",
    ),
    "too small a size": (
        each(lambda e: e.changed(packed=7, size=7)),
        "does not begin where the one before it ends",
    ),
    "too small a last size": (
        each(lambda e: e.changed(packed=7, size=7), "sha256.npy"),
        "there is something between its last member and its directory",
    ),
    "another checksum in the header": (
        each(lambda e: replace(e, local={"crc": 1})),
        "does not agree with the directory",
    ),
    "another checksum": (
        each(lambda e: e.changed(crc=1)),
        "the array output.W is damaged: its checksum is another one",
    ),
    "another name in the header": (
        each(lambda e: replace(e, local={"name": b"output.X.npy"})),
        "does not agree with the directory",
    ),
    "no header": (each(lambda e: replace(e, local={"signature": b"PK\1\2"})), "does not agree"),
    "a name twice": (
        lambda entries: zip_bytes([*entries, entries[-1]]),
        "the member 'sha256.npy' is there twice",
    ),
    "the same bytes twice": (on_the_same_bytes, "does not begin where the one before it ends"),
    "an offset beyond the file": (
        each(lambda e: replace(e, central={"offset": 1 << 31})),
        "does not begin where the one before it ends",
    ),
    "something before": (
        lambda entries: b"#!/bin/sh\n" + zip_bytes(entries),
        NO_CHECKPOINT,
    ),
    "something before that is accounted for": (
        each(lambda e: replace(e, before=b"#!/bin/sh\n"), "meta.npy"),
        "the member 'meta.npy' does not begin where the one before it ends",
    ),
    "something between": (each(lambda e: replace(e, before=b"\0")), "where the one before it ends"),
    "something before the directory": (
        lambda entries: zip_bytes(entries, before_directory=b"\0"),
        "there is something between its last member and its directory",
    ),
    "something before the end": (
        lambda entries: zip_bytes(entries, before_end=b"\0"),
        NO_CHECKPOINT,
    ),
    "something after": (lambda entries: zip_bytes(entries) + b"\0", NO_CHECKPOINT),
    "a comment": (lambda entries: zip_bytes(entries, comment=b"hello"), NO_CHECKPOINT),
    "a comment of a member": (
        each(lambda e: replace(e, central={"comment": b"hello"})),
        "not as numpy.savez writes one",
    ),
    "an unknown array": (
        added(Entry("more.npy", npy_bytes(np.zeros(3)))),
        "it holds an array 'more', which does not belong there",
    ),
    "two unknown arrays": (
        added(*(Entry(f"{n}.npy", npy_bytes(np.zeros(3))) for n in "ba")),
        "it holds an array 'a' and 1 more, which does not belong there",
    ),
    "no array": (added(Entry("setup.py", b"print()")), "it holds 'setup.py', which is no array"),
    "a pickle": (added(Entry("data.pkl", b"\x80\4N.")), "it holds 'data.pkl', which is no array"),
    "a folder": (added(Entry("layers/", b"")), "it holds 'layers/', which is no array"),
    "a path upwards": (added(Entry("../up.npy", b"")), "it holds an array '../up'"),
    "an absolute path": (added(Entry("/etc/x.npy", b"")), "it holds an array '/etc/x'"),
    "a link": (
        each(lambda e: replace(e, central={"external": (stat.S_IFLNK | 0o777) << 16})),
        f"the member '{NAME}' is not a file",
    ),
    "a name that is cut at a NUL": (
        each(lambda e: e.changed(name=NAME.encode() + b"\0.txt")),
        "not as numpy.savez writes one",
    ),
    "another disk": (each(lambda e: replace(e, central={"disk": 1})), "not as numpy.savez"),
    "of several disks": (lambda entries: zip_bytes(entries, end={"disk": 1}), NO_CHECKPOINT),
    "fewer members than it says": (
        lambda entries: zip_bytes(entries, end={"here": 99, "count": 99}),
        NO_CHECKPOINT,
    ),
    "more members than it says": (
        lambda entries: zip_bytes(entries, end={"here": 14, "count": 14}),
        NO_CHECKPOINT,
    ),
    "members on other disks": (lambda entries: zip_bytes(entries, end={"here": 1}), NO_CHECKPOINT),
    "a directory of four gigabytes": (
        lambda entries: zip_bytes(entries, end={"length": 0xFFFFFFFE}),
        NO_CHECKPOINT,
    ),
    "many members": (
        lambda entries: zip_bytes([*entries, *(Entry(f"{n}.npy", b"") for n in range(10_000))]),
        NO_CHECKPOINT,
    ),
    "a long name": (
        added(*(Entry("x" * 60_000 + str(n), b"") for n in range(3))),
        NO_CHECKPOINT,
    ),
    "a large file's end": (zip64_end, NO_CHECKPOINT),
    "a large file's end said to be there": (
        lambda entries: zip_bytes(entries, end={"offset": 0xFFFFFFFF}),
        NO_CHECKPOINT,
    ),
    "a large member's sizes in the directory": (
        each(lambda e: replace(e, central={"extra": zip64_extra(len(e.data))})),
        "has something added to it in the directory",
    ),
    "a name of its own in the directory": (
        each(lambda e: replace(e, central={"extra": struct.pack("<2HB4s", 0x7075, 5, 1, b"abcd")})),
        "",
    ),
    "another size for large members": (
        each(lambda e: replace(e, local={"extra": zip64_extra(len(e.data) + 1)})),
        "does not agree with the directory",
    ),
    "something added to a member": (
        each(lambda e: replace(e, local={"extra": b"\1\2\4\0code"})),
        "does not agree with the directory",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    build, problem = HOSTILE[name]
    saved.write_bytes(build(entries_of(saved)))
    assert problem in refusal(saved, capsys)


def test_what_is_not_made_hostile_is_read(saved: Path) -> None:
    """Also with the field for large members, as numpy.savez writes it, and without."""
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
    """Where a large file begins is set low, for zipfile and for charrnn alike."""
    for limit in (0, 5000):
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
        save_checkpoint(saved, checkpoint_of())
        assert b"PK\6\7" in saved.read_bytes()
        assert load_checkpoint(saved).counters.step == 12
