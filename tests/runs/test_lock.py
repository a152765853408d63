"""Only one training runs in a folder, and the lock of a dead training keeps nobody out."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import contents, processes_of, started, train, write_config

import charrnn.runs.lock
from charrnn.commands.cli import run
from charrnn.errors import RunError
from charrnn.runs.folder import RunFolder
from charrnn.runs.lock import lock_run

ENDLESS = {"train.max_steps": 10**7, "train.validate_every": 5, "train.checkpoint_every": 5}


def nobody(text: str) -> None:
    raise AssertionError(text)


def test_a_second_training_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(write_config(tmp_path, ENDLESS))
    command = ["train", config, "--run-dir", str(tmp_path / "run")]
    with started(tmp_path, "fork", *command) as (process, _):
        for way in (["--resume"], ["--overwrite"], []):
            assert run([*command, *way]) == 1
            err = capsys.readouterr().err
            assert f"process {process.pid} on " in err
            assert "is training here" in err
            assert "--run-dir" in err
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130  # the refused ones did not disturb it
    limit = ["--set", "train.max_steps=10"]
    assert run([*command, "--resume", *limit]) == 0  # the lock ended with the training
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_kill_frees_the_lock_at_once_also_with_workers(tmp_path: Path) -> None:
    """A stopped worker, which cannot notice the kill, does not keep the lock."""
    config = str(write_config(tmp_path, ENDLESS | {"train.workers": 2}))
    command = ["train", config, "--run-dir", str(tmp_path / "run")]
    with started(tmp_path, "fork", *command) as (process, _):
        (worker,) = processes_of(process.pid)
        os.kill(worker, signal.SIGSTOP)
        try:
            process.kill()
            process.wait()
            assert (tmp_path / "run" / ".lock").exists()
            with lock_run(RunFolder(tmp_path / "run"), nobody):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_second_training_of_the_same_process_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    refused = []

    def try_it() -> None:
        try:
            with lock_run(folder, nobody):
                pass
        except RunError as error:
            refused.append(str(error))

    with lock_run(folder, nobody):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        assert f"process {os.getpid()} on " in refused[0]
        assert folder.lock.exists()
    try_it()
    assert len(refused) == 1


def test_a_training_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, {"train.batch_size": 10**5})
    before = contents(tmp_path)
    for folder in (tmp_path / "runs" / "deep" / "tiny", tmp_path / "run"):
        config = str(tmp_path / "tiny.yaml")
        assert run(["train", config, "--run-dir", str(folder)]) == 1
        assert contents(tmp_path) == before


def test_a_lock_that_is_removed_at_the_last_moment_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another training ends after the file is opened and before it is locked."""
    folder, lock, calls = RunFolder(tmp_path), charrnn.runs.lock._lock, 0

    def removed_first(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            folder.lock.unlink()
        lock(descriptor)

    monkeypatch.setattr(charrnn.runs.lock, "_lock", removed_first)
    with lock_run(folder, nobody):
        assert calls == 2
        assert folder.lock.read_text().startswith(f"process {os.getpid()} on ")


def test_a_folder_that_is_removed_at_the_last_moment_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another training ends after the folder is made and before the file is opened."""
    folder, opened, calls = RunFolder(tmp_path / "deep" / "run"), os.open, 0

    def removed_first(path: Any, *arguments: Any) -> int:
        nonlocal calls
        if path == folder.lock:
            calls += 1
            if calls == 1:
                folder.path.rmdir()
                folder.path.parent.rmdir()
        return opened(path, *arguments)

    monkeypatch.setattr(charrnn.runs.lock.os, "open", removed_first)
    with lock_run(folder, nobody):
        assert calls == 2
        assert folder.lock.exists()
    assert contents(tmp_path) == {}


def test_a_file_system_without_locks_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(charrnn.runs.lock, "_lock", none_here)
    notes: list[str] = []
    with lock_run(RunFolder(tmp_path), notes.append):
        assert "no locks" in notes[0]
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = train(tmp_path)
    (run_dir / "last.npz").unlink()
    capsys.readouterr()

    def read_only(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("charrnn.runs.lock.os.open", read_only)
    config = str(tmp_path / "tiny.yaml")
    before = contents(tmp_path)
    for other in (run_dir, tmp_path / "new"):
        assert run(["train", config, "--run-dir", str(other), "--resume"]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"charrnn: error: {other}")
        assert error.endswith("cannot be written: Read-only file system")
        assert contents(tmp_path) == before


def test_other_programs_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with lock_run(RunFolder(tmp_path), nobody):
        listed = subprocess.run(
            [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"],
            capture_output=True,
            text=True,
            close_fds=False,
            check=False,
        )
        held = next(iter(charrnn.runs.lock._held))
        assert repr(str(held)) not in listed.stdout


def test_a_full_disk_s_lock_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The empty lock file is removed at the end."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(charrnn.runs.lock.os, "write", full)
    with lock_run(RunFolder(tmp_path), nobody):
        assert (tmp_path / ".lock").read_bytes() == b""
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_finished_run_in_a_read_only_folder_is_shown(
    error: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A training that writes to the folder is refused."""
    run_dir = train(tmp_path)
    before = contents(tmp_path)
    command = ["train", str(tmp_path / "tiny.yaml"), "--run-dir", str(run_dir)]
    opened = open

    def read_only(path: Any, mode: Any = "r", *_: Any, **named: Any) -> Any:
        if isinstance(mode, int) or set(mode) & {"w", "x", "a"}:
            raise OSError(error, os.strerror(error), path)
        return opened(path, mode, **named)

    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr("os.open", read_only)
        patched.setattr("builtins.open", read_only)
        assert run([*command, "--resume"]) == 0
        assert "finished: 20 steps" in capsys.readouterr().err
        assert run([*command, "--resume", "--set", "train.max_steps=40"]) == 1
        assert capsys.readouterr().err.splitlines()[-1] == (
            f"charrnn: error: {run_dir / 'config.yaml'}: cannot be written: {os.strerror(error)}"
        )
        assert run([*command[:2], "--run-dir", str(tmp_path / "new")]) == 1
        assert f"{tmp_path / 'new'}: cannot be written: " in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_the_lock_of_another_user_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = train(tmp_path)
    (run_dir / ".lock").touch()

    def refused(path: object, *_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(charrnn.runs.lock.os, "open", refused)
    with (
        pytest.raises(RunError, match="Permission denied"),
        lock_run(RunFolder(run_dir), nobody),
    ):
        pass
