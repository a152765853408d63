"""A file has its old or its new contents; a failed write is reported and leaves no file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import charrnn.system.atomic
from charrnn.system.atomic import atomic_write, flush_folder, make_folder, remove_leftovers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "last.npz"
    path.write_bytes(b"old")
    return path


def write(path: Path, data: bytes = b"new") -> None:
    with atomic_write(path) as file:
        file.write(data)


def failing(error: int) -> Any:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error))

    return fails


def test_the_order_of_the_calls(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written and flushed, then renamed, and then its folder is flushed."""
    done = []

    def noted(name: str) -> None:
        function = getattr(os, name)

        def call(*arguments: Any) -> Any:
            done.append(f"{name} of the folder" if Path(str(arguments[0])).is_dir() else name)
            if name == "fsync" and done[-2:-1] != ["open of the folder"]:
                (temporary,) = (p for p in file.parent.iterdir() if p != file)
                assert temporary.read_bytes() == b"new"
                assert file.read_bytes() == b"old"
            return function(*arguments)

        monkeypatch.setattr(os, name, call)

    for name in ("open", "fsync", "replace", "close"):
        noted(name)
    write(file)
    assert done == ["fsync", "replace", "open of the folder", "fsync", "close"]
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("function", ["os.fsync", "os.replace", "builtins.open"])
def test_a_failure_names_the_file_and_not_the_temporary_one(
    function: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, failing(errno.EIO))
    with pytest.raises(OSError, match=r"Input/output error: '.*/last.npz'$"):
        write(file)
    assert os.listdir(file.parent) == ["last.npz"]


def test_a_failure_of_another_file_keeps_its_name(file: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(file):
        open(file.parent / "elsewhere")  # noqa: SIM115


def test_the_first_failure_is_raised_when_the_removal_fails_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", failing(errno.ENOSPC))
    monkeypatch.setattr("os.unlink", failing(errno.EROFS))
    with pytest.raises(OSError, match="No space left on device"):
        write(file)


def test_the_first_failure_is_raised_when_closing_fails_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a file writes again what could not be written."""

    class Full:
        def __init__(self, path: str, _: str) -> None:
            self._file = open(path, "xb")  # noqa: SIM115

        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            self._file.close()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(charrnn.system.atomic, "open", Full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        write(file)
    assert os.listdir(file.parent) == ["last.npz"]
    assert file.read_bytes() == b"old"


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    write(tmp_path / "atomic")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_the_temporary_files_of_killed_writes_are_removed(file: Path) -> None:
    """An editor's temporary file has a name that begins alike."""
    leftovers = [".last.npz.0a1b2c3d", ".last.npz.a_z09xyz"]  # tempfile uses the underscore
    others = [".last.npz.swp", ".last.npz.backup-1", "last.npz.0a1b2c3d", ".last.npz"]
    for name in (*leftovers, *others):
        (file.parent / name).write_bytes(b"")
    remove_leftovers(file)
    assert sorted(os.listdir(file.parent)) == sorted([*others, "last.npz"])


def test_the_temporary_file_of_a_killed_write_is_removed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.unlink", failing(errno.EIO))  # as if the process had been killed
    monkeypatch.setattr("os.fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write(file)
    monkeypatch.undo()
    assert len(os.listdir(file.parent)) == 2
    remove_leftovers(file)
    assert os.listdir(file.parent) == ["last.npz"]


def test_the_parents_of_new_folders_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(charrnn.system.atomic, "flush_folder", flushed.append)
    make_folder(tmp_path / "runs" / "mine")
    assert flushed == [tmp_path, tmp_path / "runs"]
    make_folder(tmp_path / "runs" / "mine")
    assert len(flushed) == 2


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_folders_is_no_error(
    error: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", failing(error))
    flush_folder(file.parent)


def test_a_failed_flush_of_a_folder_is_raised(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        flush_folder(file.parent)
