"""The wheel and the source distribution have what they need, and no more, and install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support import ROOT

import charrnn

pytestmark = pytest.mark.external  # it fetches setuptools from the package index

_BUILD = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"


def built(source: Path, tools: Path) -> tuple[Path, Path]:
    """Build in a folder; return the wheel and the source distribution."""
    environment = {**os.environ, "PYTHONPATH": str(tools)}
    command = [sys.executable, "-W", "error", "-c", _BUILD]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    (wheel,), (sdist,) = (source / "dist").glob("*.whl"), (source / "dist").glob("*.tar.gz")
    return wheel, sdist


def modules(folder: Path) -> set[str]:
    """Return the files of the package."""
    return {
        path.relative_to(folder).as_posix()
        for path in (folder / "charrnn").rglob("*")
        if path.is_file() and path.suffix not in (".md", ".pyc")
    }


def test_both_install_and_have_the_same_package(tmp_path: Path) -> None:
    tools, source = tmp_path / "tools", tmp_path / "source"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*pip, str(tools), "setuptools>=77"], check=True)
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "charrnn", source / "charrnn", ignore=shutil.ignore_patterns("__pycache__")
    )
    wheel, sdist = built(source, tools)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("charrnn/")}
    assert names == modules(ROOT)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {*modules(unpacked)} == names
    again, _ = built(unpacked, tools)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
    place = tmp_path / "place"
    subprocess.run([*pip, str(place), str(again)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [place / "bin" / "charrnn", "--version"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert charrnn.__version__ in done.stdout
