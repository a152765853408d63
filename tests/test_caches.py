"""The folder for caches, and how it is named and turned off."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from charrnn.caches import cache_folder

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
