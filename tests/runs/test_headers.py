"""Arrays that say of themselves what is not so; and files that are none."""

from __future__ import annotations

import os
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import checkpoint_of, members_of, refusal
from zip_bytes import entries_of, npy_bytes, write_zip

from charrnn.commands.cli import run
from charrnn.errors import CheckpointError
from charrnn.runs.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "model.npz"
    save_checkpoint(path, checkpoint_of())
    return path


HEADERS: dict[str, tuple[bytes, str]] = {
    "a larger shape": (b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", "implies"),
    "a shape of exabytes": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "it has shape (4294967296, 4294967296), and the configuration implies (3, 3)",
    ),
    "a shape of no end": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"9" * 500 + b",), }",
        "damaged header",
    ),
    "a negative shape": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -3), }",
        "damaged header",
    ),
    "a shape of floats": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3.0, 3), }",
        "damaged header",
    ),
    "Fortran's order": (
        b"{'descr': '<f4', 'fortran_order': True, 'shape': (3, 3), }",
        "the array output.W does not fit: it is in Fortran's order",
    ),
    "objects": (
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3, 3), }",
        "the array output.W does not fit: it is of Python objects",
    ),
    "a structure": (
        b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 3), }",
        "damaged header, or is not of numbers",
    ),
    "a structure with objects": (
        b"{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (3, 3), }",
        "damaged header, or is not of numbers",
    ),
    "arrays of arrays": (
        b"{'descr': ('<f4', (3,)), 'fortran_order': False, 'shape': (3,), }",
        "damaged header, or is not of numbers",
    ),
    "an unknown type": (
        b"{'descr': '<z9', 'fortran_order': False, 'shape': (3, 3), }",
        "it is of type <z9, and should be of <f4",
    ),
    "a type of no end": (
        b"{'descr': '<f99999999999', 'fortran_order': False, 'shape': (3, 3), }",
        "damaged header",
    ),
    "code": (
        b"{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (3, 3), }",
        "damaged header",
    ),
    "nesting": (b"(" * 900, "damaged header"),
    "another key": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), 'more': 1, }",
        "damaged header",
    ),
    "a long header": (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }" + b" " * 60_000,
        "damaged header",
    ),
    "nothing": (b"", "damaged header"),
}


def put(path: Path, data: bytes) -> None:
    """Give the member of output.W other bytes, with the archive's checksums right."""
    entries = [replace(e, data=data) if e.name == "output.W.npy" else e for e in entries_of(path)]
    with path.open("wb") as file:
        write_zip(file, entries)


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_of_an_array_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    header, problem = HEADERS[name]
    array = members_of(saved)["output.W"]
    data = npy_bytes(array, header)
    put(saved, data)
    assert problem in refusal(saved, capsys)


@pytest.mark.parametrize("version", [b"\2\0", b"\3\0", b"\0\0", b"\1\1"])
def test_another_version_of_an_array_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], version: bytes
) -> None:
    data = npy_bytes(members_of(saved)["output.W"], version=version)
    put(saved, data)
    assert "output.W is in an unknown version of the format" in refusal(saved, capsys)


@pytest.mark.parametrize("length", [0, 5, 8, 9, 10, 60, 127])
def test_an_array_cut_off_in_its_header_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], length: int
) -> None:
    (data,) = (e.data[:length] for e in entries_of(saved) if e.name == "output.W.npy")
    put(saved, data)
    assert "the array output.W has a damaged header" in refusal(saved, capsys)


@pytest.mark.parametrize("name", ["meta", "vocabulary", "layers.0.Wx", "sha256"])
def test_no_memory_is_taken_for_what_a_sparse_file_claims(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The member is as long as it says, and no disk is used for it."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999,), }"
    if name in ("meta", "sha256"):
        header = b"{'descr': '<U999999999', 'fortran_order': False, 'shape': (), }"
    elif name == "vocabulary":
        header = header.replace(b"<f4", b"<u4")
    data = npy_bytes(np.zeros(0), header)
    entries = [
        replace(e, data=data, hole=4 * 999_999_999) if e.name == f"{name}.npy" else e
        for e in entries_of(saved)
    ]
    with saved.open("wb") as file:
        write_zip(file, entries)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=f"the array {name} does not fit"):
            load_checkpoint(saved)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    refusal(saved, capsys)


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "model.npz"
    os.mkfifo(pipe)
    done = threading.Thread(target=lambda: refused(pipe), daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()
    assert "is a pipe or a device, not a checkpoint" in refusal(pipe, capsys)
    folder = tmp_path / "run"
    folder.mkdir()
    os.mkfifo(folder / "best.npz")
    assert run(["info", str(folder)]) == 1
    assert "best.npz: is a pipe or a device" in capsys.readouterr().err


def refused(path: Path) -> None:
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a pipe or a device, not a checkpoint" in refusal(Path(device), capsys)
