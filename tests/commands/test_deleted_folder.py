"""Commands in a current folder that has been deleted: absolute paths work, others are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import train

from charrnn.commands.cli import run
from charrnn.config.reader import config_from_dict
from charrnn.errors import ConfigError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the current folder cannot be deleted")

DELETED = "the current folder has been deleted; change to another one, or use absolute paths\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with tiny.yaml, text.txt and a run; the current folder is gone."""
    train(tmp_path, {"train.backend": "numpy"})
    monkeypatch.chdir(tmp_path)  # which restores today's folder at the end
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "train {}/tiny.yaml --run-dir {}/new",
        "train {}/tiny.yaml --run-dir {}/new --set data.path={}/text.txt --init-from {}/run",
        "train {}/run/config.yaml --resume --set train.max_steps=30",
        "sample {}/run/last.npz --length 3",
        "sample {}/run --length 3 --prime-file {}/text.txt",
        "eval {}/run",
        "eval {}/run/last.npz {}/text.txt",
        "info {}/run",
        "inspect predictions {}/run --text a",
        "inspect surprise {}/run",
        "init {}/text.txt --minutes 0.001 -o {}/new.yaml --set train.backend=numpy",
        "init {}/text.txt --minutes 0.001 -o - --set train.backend=numpy",
    ],
)
def test_absolute_paths_work(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.replace("{}", str(place)).split()) == 0, capsys.readouterr().err


def test_the_page_about_a_run_is_written(place: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    assert run(["report", str(place / "run"), "-o", str(place / "page.html")]) == 0


@pytest.mark.parametrize(
    "command",
    [
        "train {}/tiny.yaml",
        "train {}/tiny.yaml --run-dir {}/new --set data.path=text.txt",
        "train tiny.yaml --run-dir {}/new",
        "train ../tiny.yaml --run-dir {}/new",
        "sample",
        "sample run",
        "eval {}/run text.txt",
        "report",
    ],
)
def test_what_needs_the_current_folder_is_refused(
    command: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.replace("{}", str(place)).split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: ")
    assert err.endswith(DELETED)
    assert err.count("deleted") == err.count("\n") == 1
    assert not (place / "new").exists()


@pytest.mark.usefixtures("place")
def test_a_relative_path_from_python() -> None:
    with pytest.raises(ConfigError, match="has been deleted"):
        config_from_dict({"data": {"path": "text.txt"}})
    assert config_from_dict({"data": {"path": "/text.txt"}}).data.path == "/text.txt"


def test_numba_compiles(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    code = """
import os
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
from charrnn.backends.jit import compiled_entry_point
@compiled_entry_point
def total(a):
    x = 0.0
    for i in range(len(a)):
        x += a[i]
    return x
import numpy as np
print(total(np.ones(3)))
"""
    command = [sys.executable, "-c", code]
    environment = os.environ | {"CHARRNN_CACHE_DIR": "relative"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "3.0\n"), done.stderr
