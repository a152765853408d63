"""Trainings on a small disk that fills up, and on one that is read-only."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from support import assert_same_run
from torture.forked import finished, start

from charrnn.runs.checkpoint import load_checkpoint

_PAGE = 4096
# This needs no privileges. Other processes do not see the mounts, which end with the process.
_APART = ["unshare", "--user", "--map-root-user", "--mount"]


def tried(place: Path, rng: random.Random, count: int) -> str:
    """Train on disks of several sizes; return their number, or why there are none.

    Args:
        place: a folder with tiny.yaml and the run `whole`, which had enough room.
        rng: draws the sizes.
        count: number of sizes.
    """
    if not shutil.which("unshare"):
        return "no full disk: unshare is not installed"
    disk = place / "disk"
    disk.mkdir()
    mounting = [*_APART, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    tried = subprocess.run(mounting, capture_output=True, text=True)
    if tried.returncode:
        return f"no full disk: {tried.stderr.strip()}"
    program = f"from torture.full_disk import _main; _main({str(place)!r}, {rng.random()}, {count})"
    done = subprocess.run(
        [*_APART, sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def _main(name: str, seed: float, count: int) -> None:
    """Mount each disk, train until it is full, enlarge it and resume; print the numbers."""
    place, rng = Path(name), random.Random(seed)
    disk, whole = place / "disk", place / "whole"
    mount = ["mount", "-t", "tmpfs"]
    needed = sum(_pages(file.stat().st_size) for file in whole.iterdir()) + 4
    full, sizes = 0, {needed - 1, *(rng.randrange(1, needed) for _ in range(count))}
    for pages in sizes:
        subprocess.run([*mount, "-o", f"size={pages * _PAGE}", "tmpfs", str(disk)], check=True)
        run, log = disk / "run", place / "full.log"
        arguments = ["train", str(place / "tiny.yaml"), "--run-dir", str(run)]
        command = start(arguments, log)
        code = command.wait()
        if code:
            full += 1
            message = command.output().splitlines()[-1]
            assert code == 1, f"{pages} pages: exit code {code}: {command.output()}"
            assert "Traceback" not in command.output(), command.output()
            assert message.startswith(f"charrnn: error: {run}"), message
            first = message.split("; ")[0]
            assert first.endswith(f"cannot be written: {os.strerror(errno.ENOSPC)}"), message
            for file in run.glob("*.npz") if run.exists() else ():
                load_checkpoint(file)
            room = "remount,size=16m"
            subprocess.run([*mount, "-o", room, "tmpfs", str(disk)], check=True)
            finished([*arguments, "--resume"], log)
        assert_same_run(run, whole)
        left = {file.name for file in run.iterdir()} - {file.name for file in whole.iterdir()}
        assert not left, f"{pages} pages: {left} is left"
        _read_only(arguments, disk, log)
        subprocess.run(["umount", str(disk)], check=True)
    assert full, "no disk was ever full"
    print(f"{full} full disks, and {len(sizes)} read-only")


def _read_only(arguments: list[str], disk: Path, log: Path) -> None:
    """Check that trainings fail on a read-only disk, and that other commands work."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    run = disk / "run"
    before = [file.stat() for file in sorted(run.iterdir())]
    for words in (
        [*arguments, "--overwrite"],
        [*arguments, "--resume", "--set", "train.max_steps=40"],
        [*arguments[:-1], str(disk / "new" / "run")],
    ):
        command = start(words, log)
        code, message = command.wait(), command.output().splitlines()[-1]
        assert code == 1, command.output()
        assert message.startswith(f"charrnn: error: {disk}"), message
        assert message.endswith(f"cannot be written: {os.strerror(errno.EROFS)}"), message
    for words in (["sample", str(run), "--length", "5"], ["eval", str(run)], ["info", str(run)]):
        finished(words, log)
    finished([*arguments, "--resume"], log)
    assert [file.stat() for file in sorted(run.iterdir())] == before


def _pages(size: int) -> int:
    return -(-size // _PAGE)
