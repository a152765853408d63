"""Which backend a run gets, and what happens if Numba cannot be used."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import contents, train, write_config

import charrnn.backends.backend
from charrnn.backends.backend import NUMPY, backend, resolve_backend
from charrnn.commands.cli import run
from charrnn.errors import BackendError
from charrnn.runs.checkpoint import load_checkpoint


def install(numba: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Numba look installed, or not."""
    problem = "" if numba else "Numba is not installed; pip install numba"
    monkeypatch.setattr(charrnn.backends.backend, "_problem_with_numba", lambda: problem)


@pytest.mark.parametrize(
    ("name", "installed", "resolved"),
    [
        ("auto", True, "numba"),
        ("auto", False, "numpy"),
        ("numpy", True, "numpy"),
        ("numpy", False, "numpy"),
        ("numba", True, "numba"),
    ],
)
def test_resolve_backend(
    name: str, installed: bool, resolved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(installed, monkeypatch)
    assert resolve_backend(name) == resolved


def test_the_numpy_backend_is_the_kernels_own() -> None:
    assert backend("numpy") is NUMPY


def test_numba_is_refused_with_remedies_if_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(False, monkeypatch)
    with pytest.raises(BackendError):
        resolve_backend("numba")
    config = write_config(tmp_path, {"train.backend": "numba"})
    before = contents(tmp_path)
    assert run(["train", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("charrnn: error: train.backend numba: Numba is not installed; ")
    assert "pip install numba; --set train.backend=numpy trains without it" in err
    assert contents(tmp_path) == before


def test_a_run_without_numba_reports_and_keeps_its_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if Numba is installed by the time it is resumed."""
    install(False, monkeypatch)
    run_dir = train(tmp_path, {"train.max_steps": 5})
    install(True, monkeypatch)
    train(tmp_path, {"train.max_steps": 8}, "--resume")
    assert capsys.readouterr().err.count("1, numpy") == 2
    assert load_checkpoint(run_dir / "last.npz").config.train.backend == "numpy"


def test_a_run_with_numba_cannot_be_resumed_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numba", reason="Numba is not installed")
    run_dir = train(tmp_path, {"train.max_steps": 5})
    assert load_checkpoint(run_dir / "last.npz").config.train.backend == "numba"
    install(False, monkeypatch)
    before = contents(run_dir)
    config = write_config(tmp_path, {"train.max_steps": 8})
    capsys.readouterr()
    assert run(["train", str(config), "--run-dir", str(run_dir), "--resume"]) == 1
    message = capsys.readouterr().err
    assert "train.backend is numba in this run, and Numba is not installed" in message
    assert "--init-from" in message
    assert contents(run_dir) == before
    assert run(["sample", str(run_dir), "--length", "3"]) == 0  # sampling does not need Numba


@pytest.mark.parametrize(
    ("module", "environment", "problem"),
    [
        ("raise ImportError('Numba needs another NumPy')", {}, "Numba needs another NumPy"),
        ("raise ValueError('dtype size changed')", {}, "dtype size changed"),
        (None, {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT turns Numba off"),
    ],
)
def test_a_numba_that_cannot_be_used_counts_as_not_installed(
    module: str | None, environment: dict[str, str], problem: str, tmp_path: Path
) -> None:
    pytest.importorskip("numba", reason="Numba is not installed")
    if module is not None:
        (tmp_path / "numba.py").write_text(module)
        environment = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    config = write_config(tmp_path, {"train.max_steps": 3})
    command = [sys.executable, "-m", "charrnn", "train", str(config), "--run-dir", "run"]
    for arguments, code in ([], 0), (["--set", "train.backend=numba", "--overwrite"], 1):
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert problem in done.stderr


@pytest.mark.parametrize("form", ["zip", "pyc"])
def test_a_program_without_source_files_compiles_without_a_cache(form: str, tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="Numba is not installed")
    package = Path(charrnn.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "program" / "charrnn", ignore=ignored)
    if form == "zip":
        program = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "program"))
        program = program.rename(tmp_path / "program.pyz")
    else:
        program = tmp_path / "program"
        compileall.compile_dir(program, quiet=1, legacy=True, stripdir=str(program))
        for source in program.rglob("*.py"):
            source.unlink()
    code = (
        "import charrnn.backends.backend as b; b.backend('numba'); print(b.compiling_note('numba'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(program)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("compiling the inner loops (they cannot be cached)")
