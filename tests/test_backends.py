"""Which backend a run has, and what becomes of it where Numba is not installed."""

from __future__ import annotations

import importlib.machinery
from pathlib import Path

import pytest
from support import contents, train, write_config

import charrnn.backends
from charrnn.backends import NUMPY, backend, resolve_backend
from charrnn.checkpoint import load_checkpoint
from charrnn.cli import run
from charrnn.errors import BackendError


def install(numba: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Numba be found, or not."""
    spec = importlib.machinery.ModuleSpec("numba", None) if numba else None
    monkeypatch.setattr(charrnn.backends, "find_spec", lambda name: spec)  # noqa: ARG005


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
def test_resolved(
    name: str, installed: bool, resolved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(installed, monkeypatch)
    assert resolve_backend(name) == resolved


def test_numpys_are_the_kernels_own() -> None:
    assert backend("numpy") is NUMPY


def test_numba_that_is_not_installed_is_refused_with_the_remedy(
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
    assert "charrnn[fast]" in err
    assert "train.backend to numpy" in err
    assert contents(tmp_path) == before


def test_a_run_without_numba_says_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed where Numba has been installed meanwhile, it stays as it was."""
    install(False, monkeypatch)
    run_dir = train(tmp_path, {"train.max_steps": 5})
    install(True, monkeypatch)
    train(tmp_path, {"train.max_steps": 8}, "--resume")
    assert capsys.readouterr().err.count("1, numpy") == 2
    assert load_checkpoint(run_dir / "last.npz").config.train.backend == "numpy"


def test_a_run_with_numba_is_not_gone_on_with_without_it(
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
    assert "Numba is not installed" in capsys.readouterr().err
    assert contents(run_dir) == before
    assert run(["sample", str(run_dir), "--length", "3"]) == 0  # which does not need it
