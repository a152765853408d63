"""The folder for caches: its path, and how to turn caches off."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from charrnn.system.caches import cache_folder

VARIABLES = ("CHARRNN_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA")
HOME = Path(__file__).parent.absolute()
TEXTS = HOME / "texts"  # any absolute path


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, HOME / ".cache" / "charrnn"),
        ("linux", {"XDG_CACHE_HOME": str(TEXTS)}, TEXTS / "charrnn"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, HOME / ".cache" / "charrnn"),
        ("linux", {"XDG_CACHE_HOME": ""}, HOME / ".cache" / "charrnn"),
        ("linux", {"XDG_CACHE_HOME": str(HOME), "CHARRNN_CACHE_DIR": str(TEXTS)}, TEXTS),
        ("linux", {"CHARRNN_CACHE_DIR": "here"}, Path("here").absolute()),
        ("linux", {"XDG_CACHE_HOME": str(HOME), "CHARRNN_CACHE_DIR": ""}, None),
        ("darwin", {}, HOME / "Library" / "Caches" / "charrnn"),
        ("win32", {}, HOME / "AppData" / "Local" / "charrnn"),
        ("win32", {"LOCALAPPDATA": str(TEXTS)}, TEXTS / "charrnn"),
        ("win32", {"CHARRNN_CACHE_DIR": ""}, None),
    ],
)
def test_the_folder(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    variables: dict[str, str],
    folder: Path | None,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: HOME)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == folder


def test_without_a_home_there_are_no_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_machine_code_is_cached_where_only_its_user_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files in it are executed."""
    pytest.importorskip("numba")
    from charrnn.backends.jit import _machine_code_folder

    monkeypatch.setenv("CHARRNN_CACHE_DIR", str(tmp_path))
    kept = _machine_code_folder()
    assert kept is not None
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    kept.chmod(0o777)
    assert _machine_code_folder() == kept
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    monkeypatch.setattr("os.geteuid", lambda: kept.stat().st_uid + 1)
    assert _machine_code_folder() is None  # another user owns it
