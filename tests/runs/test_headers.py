"""Arrays whose headers do not fit the configuration, sparse files, pipes and devices."""

from __future__ import annotations

import os
import struct
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


RIGHT = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }"
HEADERS = {
    "a larger shape": RIGHT.replace(b"(3, 3)", b"(3, 4)"),
    "a shape of exabytes": RIGHT.replace(b"(3, 3)", b"(4294967296, 4294967296)"),
    "a shape of no end": RIGHT.replace(b"(3, 3)", b"(" + b"9" * 500 + b",)"),
    "a negative shape": RIGHT.replace(b"(3, 3)", b"(-3, -3)"),
    "a shape of floats": RIGHT.replace(b"(3, 3)", b"(3.0, 3)"),
    "Fortran's order": RIGHT.replace(b"False", b"True"),
    "objects": RIGHT.replace(b"<f4", b"|O"),
    "a structure": RIGHT.replace(b"'<f4'", b"[('a', '<f4')]"),
    "a structure with objects": RIGHT.replace(b"'<f4'", b"[('a', '<f4'), ('b', '|O')]"),
    "arrays of arrays": RIGHT.replace(b"'<f4'", b"('<f4', (3,))"),
    "an unknown type": RIGHT.replace(b"<f4", b"<z9"),
    "a type of no end": RIGHT.replace(b"<f4", b"<f99999999999"),
    "a type of bytes that are no text": RIGHT.replace(b"<f4", b"\xff\x00\x1b"),
    "code": RIGHT.replace(b"'<f4'", b"__import__('os').getcwd()"),
    "nesting": b"(" * 900,
    "another key": RIGHT.replace(b" }", b" 'more': 1, }"),
    "a long header": RIGHT + b"1" * 60_000,
    "nothing": b"",
}


def put(path: Path, data: bytes) -> None:
    """Replace the bytes of the member output.W, with right checksums."""
    entries = [replace(e, data=data) if e.name == "output.W.npy" else e for e in entries_of(path)]
    with path.open("wb") as file:
        write_zip(file, entries)


@pytest.mark.parametrize("name", HEADERS)
def test_an_array_with_another_header_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    put(saved, npy_bytes(members_of(saved)["output.W"], HEADERS[name]))
    error = refusal(saved, capsys)
    assert "the array output.W does not fit: its header is " in error
    assert f" and should be {RIGHT.decode()}" in error
    assert len(error) < 300 + len(str(saved))
    assert error.rstrip("\n").isprintable()


@pytest.mark.parametrize("spaces", [0, 1, 1000, 60_000])
def test_the_spaces_after_a_header_make_no_difference(saved: Path, spaces: int) -> None:
    """Versions of NumPy write more or fewer."""
    put(saved, npy_bytes(members_of(saved)["output.W"], RIGHT + b" " * spaces))
    assert load_checkpoint(saved).counters.step == 12


@pytest.mark.parametrize("version", [b"\2\0", b"\3\0", b"\0\0", b"\1\1"])
def test_another_version_of_an_array_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], version: bytes
) -> None:
    put(saved, npy_bytes(members_of(saved)["output.W"], version=version))
    assert "the member output.W is not an array in NumPy's format 1" in refusal(saved, capsys)


@pytest.mark.parametrize("length", [0, 5, 8, 9, 10, 60, 127, 128])
def test_an_array_cut_off_in_its_header_is_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], length: int
) -> None:
    (data,) = (e.data[:length] for e in entries_of(saved) if e.name == "output.W.npy")
    put(saved, data)
    assert " output.W " in refusal(saved, capsys)


@pytest.mark.parametrize("name", ["meta", "vocabulary", "layers.0.Wx", "sha256"])
def test_no_memory_is_taken_for_what_a_sparse_file_claims(
    saved: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The member is as long as its header claims, in a hole of the file."""
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


@pytest.mark.parametrize("size", [10**7, 0xFFFFFFF0])
def test_no_memory_is_taken_for_a_directory_in_a_sparse_file(
    saved: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    with saved.open("wb") as file:
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="is not a checkpoint, or a damaged one"):
            load_checkpoint(saved)
        assert tracemalloc.get_traced_memory()[1] < 5e6
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
