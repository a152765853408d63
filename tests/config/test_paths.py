"""Paths of texts: absolute ones, relative ones, globs, and folders named like globs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from charrnn.config.paths import absolute_path, relative_path
from charrnn.text.files import find_files

ODD = ["plain", "x[1]", "a*b", "[", "what?", "~"]


@pytest.mark.parametrize("folder", ODD)
@pytest.mark.parametrize("path", ["*.txt", "a.txt", "[ab].txt", "sub/*", "**/a.txt", "~.txt"])
def test_a_relative_path_comes_back(
    folder: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the files of its own folder, in whatever folder it is written down."""
    for place in (tmp_path / folder, tmp_path / "x1", tmp_path / "other[s]"):
        (place / "sub").mkdir(parents=True)
        for name in ("a.txt", "sub/a.txt", "~.txt"):
            (place / name).write_text("ab")
    here = tmp_path / folder
    absolute = absolute_path(path, here)
    assert os.path.isabs(absolute)
    assert find_files(absolute)
    assert all(Path(file).is_relative_to(here) for file in find_files(absolute))
    monkeypatch.chdir(here)
    assert relative_path(absolute) in (path, f"./{path}")
    for other in (tmp_path / "other[s]", tmp_path, here / "sub"):
        near = relative_path(absolute, other)
        assert absolute_path(near, other) == absolute


def test_a_file_named_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "a[1]" / "b[2].txt").write_text("ab")
    absolute = absolute_path("b[2].txt", tmp_path / "a[1]")
    assert absolute == str(tmp_path / "a[1]" / "b[2].txt")
    assert relative_path(absolute, tmp_path / "a[1]") == "b[2].txt"
    assert relative_path(absolute, tmp_path) == "a[1]/b[2].txt"


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_a_glob_in_a_home_folder_named_like_a_glob(
    slashes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user[1]"
    home.mkdir()
    (home / "a.txt").write_text("ab")
    monkeypatch.setenv("HOME", str(home))
    assert find_files(absolute_path(f"~{slashes}*.txt", tmp_path)) == [str(home / "a.txt")]
    assert absolute_path(f"~{slashes}a.txt", tmp_path) == str(home / "a.txt")
    assert absolute_path("~", tmp_path) == str(home)
