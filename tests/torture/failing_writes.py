"""Each call that writes a run's files fails in turn, as on a full, broken or locked disk."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support import assert_same_run, write_config
from torture import full_disk
from torture.file_calls import Call, install
from torture.forked import Command, finished, start
from torture.lists import list_of_records

from charrnn.runs.checkpoint import load_checkpoint

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT, errno.EROFS)
FILES = ("best.npz", "config.yaml", "last.npz", "metrics.jsonl")
CHECKPOINTS = ("last.npz", "best.npz")
# This run writes every file but config.yaml more than once.
RUN: dict[str, Any] = {
    "model.cell": "lstm",
    "model.dropout": 0.2,
    "train.backend": "numpy",
    "train.workers": 1,
    "train.optimizer": "adam",
    "train.max_steps": 20,
    "train.log_every": 5,
    "train.validate_every": 10,
    "train.checkpoint_every": 10,
}
_FEWEST = 60  # calls of such a run; with fewer, some would bypass the hook


class Fault(NamedTuple):
    """The call that fails, how, and for how long."""

    number: int  # of the first call that fails
    error: int  # 0: none, and a short write is completed
    lasting: bool = False  # every later call fails too, except those that close or remove
    short: bool = False  # the write writes one half, and the call after it fails

    def __call__(self, call: Call) -> Any:
        if call.number == self.number and self.short and call.half:
            return call.half()
        first = self.number + (self.short and 1)
        later = self.lasting and call.number > first and call.name not in self._still_possible()
        if self.error and (call.number == first or later):
            raise OSError(self.error, os.strerror(self.error), *_named(call))
        return call.do()

    def _still_possible(self) -> tuple[str, ...]:
        """Return the calls that succeed; a full disk lets files be removed and truncated."""
        removing = ("os.unlink", "os.ftruncate") if self.error == errno.ENOSPC else ()
        return ("close", "os.close", *removing)


def _named(call: Call) -> list[str]:
    """Return the file that the system's error names: a call by descriptor names none."""
    return [call.path] if call.name in ("open", "os.open", "os.replace", "os.unlink") else []


class Calls(NamedTuple):
    """The calls of a run without faults."""

    names: list[tuple[str, str]]  # name and file of each call
    saved: list[tuple[bytes, bytes]]  # contents of last.npz and best.npz after each call


def every_call(folder: Path, count: int, seed: int, every: int = 1) -> str:
    """Train with each call failing in each way, with limits of file size, and on full disks.

    Args:
        folder: the folder to work in.
        count: number of models, each with its own files; they read records and one text by turns.
        seed: seed of the models and the sizes.
        every: distance between the calls that fail; the first one depends on the seed.
    """
    rng, texts = random.Random(seed), []
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        hidden = 8 if not number else rng.randrange(4, 24)
        records = None if number % 2 else "paragraph"
        if records:
            (place / "text.txt").write_text(list_of_records(rng, 60), encoding="utf-8")
        values = {**RUN, "data.records": records, "seed": seed, "model.hidden_size": hidden}
        write_config(place, values)
        finished(_train(place, "whole"), place / "log")
        calls = _dry_run(place)
        codes = _faults(place, calls, every, seed)
        limits = _limits_of_size(place, rng, 40 // every)
        of_checkpoint = sum(name == "last.npz" for _, name in calls.names)
        texts.append(
            f"{len(calls.names)} calls ({of_checkpoint} of last.npz), {codes.total():,} faults; "
            f"{limits} limits of size; {full_disk.tried(place, rng, 24 // every)}"
        )
    return "; ".join(texts)


def _train(place: Path, name: str, *arguments: str) -> list[str]:
    return ["train", str(place / "tiny.yaml"), "--run-dir", str(place / name), *arguments]


def _about(run: Path, path: str) -> str:
    """Return the file of a run that a path names, also as a temporary file; or the folder."""
    relative = os.path.relpath(path, run)
    return next((file for file in FILES if file in relative), relative)


def _held(run: Path) -> tuple[bytes, bytes]:
    """Return the contents of last.npz and best.npz."""
    files = [run / name for name in CHECKPOINTS]
    last, best = (file.read_bytes() if file.exists() else b"" for file in files)
    return last, best


def _dry_run(place: Path) -> Calls:
    """Return the calls of a run, and the contents of its checkpoints after each."""
    noted, run = place / "calls", place / "dry"

    def note(call: Call) -> Any:
        result = call.do()
        saved = [
            f.read_bytes() if f.exists() else b"" for f in (run / "last.npz", run / "best.npz")
        ]
        with noted.open("ab") as file:
            line = (
                f"{call.name} {_about(run, call.path)} {len(saved[0])} {len(saved[1])}\n".encode()
            )
            file.write(line + b"".join(saved))
        return result

    command = start(_train(place, "dry"), place / "log", lambda: install(note))
    assert command.wait() == 0, command.output()
    assert_same_run(run, place / "whole")
    calls = Calls([], [])
    with noted.open("rb") as file:
        for line in file:
            name, about, *sizes = line.decode().split()
            calls.names.append((name, about))
            calls.saved.append((file.read(int(sizes[0])), file.read(int(sizes[1]))))
    assert len(calls.names) >= _FEWEST, calls.names
    assert {about for _, about in calls.names} >= {*FILES, ".", ".."}, "not every file is written"
    return calls


def _faults(place: Path, calls: Calls, every: int, seed: int) -> Counter[int]:
    codes: Counter[int] = Counter()
    for number in range(seed % every, len(calls.names), every):
        for fault in _faults_of(number, calls.names[number][0]):
            where = f"{fault} at {calls.names[number]}"
            run = place / f"fault{number}"
            command = start(_train(place, run.name), place / "log", lambda f=fault: install(f))
            code = command.wait()
            codes[code] += 1
            try:
                _check(run, command, code, fault, calls)
                if fault.lasting or fault.error == errno.ENOSPC:
                    finished(_train(place, run.name, "--resume"), place / "log")
                if not code or fault.lasting or fault.error == errno.ENOSPC:
                    assert_same_run(run, place / "whole")
                    assert sorted(os.listdir(run)) == sorted(FILES), os.listdir(run)
            except Exception as problem:  # name the fault
                raise AssertionError(f"{where}: {problem!r}") from problem
            if run.exists():
                shutil.rmtree(run)
    return codes


def _faults_of(number: int, name: str) -> Iterator[Fault]:
    if name == "write":
        yield Fault(number, 0, short=True)
    for error in ERRORS:
        yield Fault(number, error)
    for error in (errno.ENOSPC, errno.EIO):
        yield Fault(number, error, lasting=True)
        if name == "write":
            yield Fault(number, error, lasting=True, short=True)
            yield Fault(number, error, short=True)


def _check(run: Path, command: Command, code: int, fault: Fault, calls: Calls) -> None:
    """Check the run folder and the message after a fault."""
    name, about = calls.names[fault.number]
    output = command.output()
    assert "Traceback" not in output, output
    if code == 0 and ((name, about) == ("close", "metrics.jsonl") or not fault.error):
        return  # the metrics were on the disk already, or the short write was completed
    assert code == 1, f"exit code {code}: {output}"
    message = output.splitlines()[-1]
    assert output.count("charrnn: error: ") == 1, output
    expected = {about} if about in FILES and not fault.lasting else {*FILES, ".", ".."}
    assert message.split("; ")[0] in {
        f"charrnn: error: {os.path.normpath(run / what)}: cannot be written: "
        + os.strerror(fault.error)
        for what in expected
    }, message
    before = calls.saved[fault.number - 1] if fault.number else (b"", b"")
    assert _held(run) == before, "the checkpoints are not those before the fault"
    for file in CHECKPOINTS:
        if (run / file).exists():
            load_checkpoint(run / file)
    broken = fault.lasting and fault.error == errno.EIO
    if not broken and (metrics := run / "metrics.jsonl").exists():
        assert metrics.read_bytes()[-1:] in (b"", b"\n"), "half a line is left"
    left = {file.name for file in run.glob("*")} - {*FILES}
    assert not left or broken, f"{left} is left"


def _limits_of_size(place: Path, rng: random.Random, count: int) -> int:
    """Train with a limit of file size, which stops the metrics or a checkpoint."""
    largest = max(file.stat().st_size for file in (place / "whole").iterdir())
    for limit in {1, largest - 1, *(rng.randrange(largest) for _ in range(count))}:
        run = place / f"limit{limit}"

        def at_most(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        # The output goes through a pipe, which has no limit.
        read, write = os.pipe()
        command = start(_train(place, run.name), Path(f"/dev/fd/{write}"), at_most)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as pipe:
            output = pipe.read()
        code = command.wait()
        assert code == 1, f"at most {limit} bytes: exit code {code}: {output}"
        assert "Traceback" not in output, f"at most {limit} bytes: {output}"
        message = output.splitlines()[-1]
        first = message.split("; ")[0]
        assert first.endswith(f"cannot be written: {os.strerror(errno.EFBIG)}"), message
        assert any(f"{run.name}/{file}" in message for file in FILES), message
        for file in run.glob("*"):  # there is no folder if not even config.yaml was written
            assert file.name in FILES, f"at most {limit} bytes: {file.name} is left"
            if file.suffix == ".npz":
                load_checkpoint(file)
        finished(_train(place, run.name, "--resume"), place / "log")
        assert_same_run(run, place / "whole")
    return count + 2
