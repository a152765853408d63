"""Settings of all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Matrix products on one thread, as the command sets it; this must precede NumPy's import.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Compiled code is kept between runs of the tests, and the user's own cache is left alone.
os.environ["CHARRNN_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / "charrnn")

# A busy machine is no reason to fail.
settings.register_profile("charrnn", deadline=None, max_examples=50)
settings.load_profile("charrnn")


def pytest_configure(config: pytest.Config) -> None:
    """Let a process of pytest-xdist fork: its second thread only listens for tests to run.

    Python 3.12 and newer warn of it.
    """
    if hasattr(config, "workerinput"):
        ignored = "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
        config.addinivalue_line("filterwarnings", ignored)


@pytest.fixture(scope="session", autouse=True)
def _no_flushing() -> Iterator[None]:
    """No test loses power, and flushing takes long; commands in other processes flush all the same.

    Tests of the flushing replace the function on their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)  # noqa: ARG005
        yield


@pytest.fixture(scope="session")
def drawn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, to be drawn."""
    from drawn_runs import make_run  # with NumPy, so after the settings above

    folder = tmp_path_factory.mktemp("drawn")
    make_run(folder)
    return folder


@pytest.fixture
def drawn(drawn_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    shutil.copytree(drawn_run / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invented_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, texts invented from the same seed, and a short trial by `init`."""
    from invented import RNG  # these import NumPy, so after the settings above

    import charrnn.planning.proposal

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(charrnn.planning.proposal, "_MEASURED_S", 0.01)
    RNG.seed(6)  # whichever tests this process has run before
