"""Runs many commands, one after the other, and reports what each must not do.

A command must end by itself, in time, within the memory, with exit code 0, 1 or 2. It must not
print a traceback, write outside its folder and the caches, or load a pickle.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.commands.cli import run

SECONDS = 10  # of processor time
_WAITING = 3  # multiple of SECONDS that may pass on a busy machine
MEMORY = 1 << 30  # bytes
_ADDRESSES = 8 << 30  # bytes of address space; protects the machine
_BATCH = 200  # commands in a process


class Case(NamedTuple):
    """A command line, and the folder in which it runs."""

    name: str  # code that makes the case again
    prepare_folder: Callable[[Path], Sequence[str]]  # fills the folder; returns the arguments
    check: Callable[[Path, int, str, str], str] | None = None
    """Takes folder, exit code, stdout and stderr; returns what is wrong, or an empty text."""


class Watched(NamedTuple):
    """The results of many cases."""

    codes: Counter[int]  # number of cases by exit code
    problems: list[str]
    slowest_s: float
    most_bytes: int  # of memory in a process

    def __str__(self) -> str:
        codes = ", ".join(f"{n:,} with exit code {code}" for code, n in sorted(self.codes.items()))
        return f"{codes}; slowest {self.slowest_s:.1f} s, at most {self.most_bytes >> 20} MB"


def watch(cases: Iterable[Case], folder: Path) -> Watched:
    """Run the cases and return their results.

    Raises:
        AssertionError: if there are problems, with the first ones.
    """
    watched = Watched(Counter(), [], 0.0, 0)
    cases = iter(cases)
    while batch := list(islice(cases, _BATCH)):
        while batch:
            watched, batch = _run_batch(batch, folder, watched)
    if watched.problems:
        shown = "\n\n".join(watched.problems[:10])
        raise AssertionError(f"{len(watched.problems)} problems in {watched}:\n{shown}")
    return watched


def _run_batch(batch: list[Case], folder: Path, so_far: Watched) -> tuple[Watched, list[Case]]:
    """Run cases in a process; return the results, and the cases left if the process has died."""
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if not process:
        try:
            os.close(read)
            _be_watched(batch, folder, write)
        finally:  # the fork must not continue as a second run of the tests
            traceback.print_exc()
            os._exit(70)
    os.close(write)
    done, slowest_s, most_bytes = 0, so_far.slowest_s, so_far.most_bytes
    with os.fdopen(read, encoding="utf-8") as lines:
        for line in lines:
            code, seconds, used, problem = line.rstrip("\n").split("\t", 3)
            so_far.codes[int(code)] += 1
            if problem:
                text = problem.encode("ascii").decode("unicode_escape")
                so_far.problems.append(f"{batch[done].name}: {text}")
            slowest_s, most_bytes = max(slowest_s, float(seconds)), max(most_bytes, int(used))
            done += 1
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        late = status in (-signal.SIGALRM, -signal.SIGPROF)
        how = f"took over {SECONDS} s" if late else f"died with {status}"
        so_far.problems.append(f"{batch[done].name}: the process {how}")
        done += 1
    return so_far._replace(slowest_s=slowest_s, most_bytes=most_bytes), batch[done:]


def _be_watched(batch: list[Case], folder: Path, write: int) -> None:
    """Run cases, write a line for each, and end the process."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, number in (("stdout", 1), ("stderr", 2)):  # pytest has replaced them
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    audit = _Audit()
    sys.addaudithook(audit)
    for case in batch:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            code, seconds, problem = _watched(case, Path(place), audit)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        used = max(used, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
        if used > MEMORY and not problem:
            problem = f"it used {used >> 20} MB"
        text = problem.encode("unicode_escape").decode("ascii")
        os.write(write, f"{code}\t{seconds:.3f}\t{used}\t{text}\n".encode())
        if used > MEMORY:
            break
    os._exit(0)


def _watched(case: Case, place: Path, audit: _Audit) -> tuple[int, float, str]:
    """Run a case; return its exit code, its seconds, and what is wrong with it."""
    arguments = list(case.prepare_folder(place))
    os.chdir(place)
    out, err = (open(place.parent / name, "w+b") for name in ("stdout", "stderr"))  # noqa: SIM115
    before = os.dup(1), os.dup(2)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    code, failure, began = -1, "", time.monotonic()
    signal.alarm(_WAITING * SECONDS)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    audit.place, audit.found = str(place), []
    try:
        code = run(arguments)
    except BaseException:
        failure = traceback.format_exc()
    audit.place = ""
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.monotonic() - began
    sys.stdout.flush()
    sys.stderr.flush()
    texts = []
    for file, number, old in ((out, 1, before[0]), (err, 2, before[1])):
        os.dup2(old, number)
        os.close(old)
        file.seek(0)
        texts.append(file.read(1 << 20).decode("utf-8", "replace"))
        file.close()
    os.chdir(place.parent)
    return code, seconds, failure or _wrong(case, place, code, *texts, audit.found)


def _wrong(case: Case, place: Path, code: int, out: str, err: str, found: list[str]) -> str:
    if code not in (0, 1, 2):
        return f"exit code {code}: {err}"
    if "Warning: " in err:
        return f"a warning: {err}"
    if "Traceback" in err or "Traceback" in out:
        return f"a traceback: {err}{out}"
    if code and not err.strip():
        return f"exit code {code} without a message"
    if found:
        return "; ".join(found[:3])
    return case.check(place, code, out, err) if case.check else ""


class _Audit:
    """An audit hook that records writes outside the folder of a case, and loaded pickles."""

    def __init__(self) -> None:
        self.place = ""  # nothing is recorded while it is empty
        self.found: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.place:
            return
        if event == "pickle.find_class":
            if not _between_own_processes():
                self.found.append(f"a pickle names {arguments}")
        elif event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"):
            self.found.append(f"{event} {arguments}")
        else:
            for path in _written(event, arguments):
                self._outside(event, path)

    def _outside(self, event: str, path: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        name = os.path.realpath(os.fsdecode(path))
        allowed = (self.place, os.environ["CHARRNN_CACHE_DIR"], "/dev/null", "/dev/shm")
        if not any(
            name == one or name.startswith(one + os.sep) for one in map(os.path.realpath, allowed)
        ):
            self.found.append(f"{event} {name}, outside its folder")


def _between_own_processes() -> bool:
    """Return whether a pickle comes from Numba's cache or from a worker."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if frame.f_globals.get("__name__", "").split(".")[0] in ("numba", "multiprocessing"):
            return True
    return False


def _written(event: str, arguments: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the paths that an audit event changes."""
    if event == "open":
        path, _, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            yield path
    elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.symlink"):
        yield arguments[0]
    elif event == "os.rename":
        yield from arguments[:2]
