"""The tests and a short bench on several systems: Pythons, libraries, processors, workers.

    python tests/benchmarks/systems.py INTERPRETER... [--only suite] [--only bench] [--anew]

An INTERPRETER is that of a virtual environment with charrnn and what its tests need
(`pip install -e '.[dev,fast,report]'`, or without `fast` for NumPy alone); `NAME=INTERPRETER` names
its row. In each of them run the tests, except for those marked external, and `charrnn bench` of an
LSTM 2x128, 50 streams of 50 steps. With the first one they also run as on other systems:

- generic: Numba compiles for any processor of this kind, with its smallest instruction set
- AVX2: Numba, OpenBLAS and NumPy are kept from AVX-512
- spawn: worker processes are spawned, as on macOS and Windows, instead of forked
- one core: everything is bound to core 0

Each result is appended to a file when it is there, and what is in the file is not measured again,
so a run that was interrupted continues, and suites and benches may be run at different times.

Tests that fail are run once more, one at a time, because limits of time may be too short on a busy
machine; `failed` counts those that fail again, and errors. Seconds are those of the tests. The
bench gives the characters trained on per second, and their share of the rate of products of
1024 x 1024 matrices; both mean little while other programs run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from long_runs import Line, append_line, read_lines

ROOT = Path(__file__).parents[2]
KINDS = ("suite", "bench")
SUITE = ("pytest", "-m", "not external")
PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")
SHAPE = {
    "model.cell": "lstm",
    "model.num_layers": 2,
    "model.hidden_size": 128,
    "train.seq_length": 50,
    "train.batch_size": 50,
}
BENCH = ("charrnn", "bench", "--json", *(f"--set={key}={value}" for key, value in SHAPE.items()))
VERSIONS = """
import importlib.metadata, json, platform
found = {"python": platform.python_version()}
for name in ("numpy", "numba", "click", "tqdm", "pyyaml"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
GENERIC = {"NUMBA_CPU_NAME": "generic"}
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
}
# Processes are forked only without other threads: let every process believe that it has one.
SITECUSTOMIZE = "import threading\nthreading.active_count = lambda: 2\n"


class System(NamedTuple):
    """A row of the table: an interpreter, and how to run it."""

    name: str
    interpreter: str
    variables: dict[str, str]
    prefix: tuple[str, ...] = ()

    def run(self, module: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Run a module with its arguments, and return what it prints."""
        cache = str(ROOT / ".pytest_cache" / "charrnn")  # that of the tests
        return subprocess.run(
            [*self.prefix, self.interpreter, "-m", *module],
            cwd=ROOT,
            env={**os.environ, "CHARRNN_CACHE_DIR": cache, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )


def systems(interpreters: list[str], spawning: Path) -> list[System]:
    """Return the rows: the interpreters, and then the first one's variants.

    Args:
        interpreters: with or without a name.
        spawning: a folder for the module that makes Python spawn.
    """
    (spawning / "sitecustomize.py").write_text(SITECUSTOMIZE)
    rows = []
    for argument in interpreters:
        name, _, interpreter = argument.rpartition("=")
        versions = versions_of(interpreter)
        own = f"Python {'.'.join(versions['python'].split('.')[:2])}"
        own += ", NumPy alone" * (versions["numba"] is None)
        rows.append(System(name or own, interpreter, {}))
    first = rows[0]
    rows += [
        first._replace(name="generic", variables=GENERIC),
        first._replace(name="AVX2", variables=AVX2),
        first._replace(name="spawn", variables={"PYTHONPATH": str(spawning)}),
        first._replace(name="one core", prefix=("taskset", "-c", "0")),
    ]
    if len({row.name for row in rows}) < len(rows):
        sys.exit("two systems have the same name: give one as NAME=INTERPRETER")
    return rows


def versions_of(interpreter: str) -> Line:
    """Return the version of Python and of its libraries; None for one that is not there."""
    printed = subprocess.check_output([interpreter, "-c", VERSIONS], text=True)
    found: Line = json.loads(printed)
    return found


def suite(system: System) -> Line:
    """Run the tests; return how many passed, failed and were skipped, and which failed."""
    start = time.monotonic()
    first = counted(system, (*SUITE, *PARALLEL))
    failed_first = first["failures"]
    if failed_first:
        again = counted(system, (*SUITE, "--last-failed"))
        first |= {key: again[key] for key in ("failed", "failures")}
        first["passed"] += again["passed"]
    return first | {"seconds": round(time.monotonic() - start), "failed_first": failed_first}


def counted(system: System, command: tuple[str, ...]) -> Line:
    """Run tests; return how many passed, failed and were skipped, and which failed."""
    lines = system.run(command).stdout.splitlines()
    found = re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1] if lines else "")
    if not found:
        raise RuntimeError("\n".join([f"{system.name}: no tests were run", *lines[-20:]]))
    counts = {word: int(count) for count, word in found}
    return {
        "passed": counts.get("passed", 0),
        "failed": counts.get("failed", 0) + counts.get("error", 0),
        "skipped": counts.get("skipped", 0),
        "failures": [line for line in lines if line.startswith(("FAILED ", "ERROR "))],
    }


def bench(system: System) -> Line:
    """Measure the speed; return the characters trained on per second and their share."""
    done = system.run(BENCH)
    if done.returncode:
        raise RuntimeError(f"{system.name}: charrnn bench failed")
    speeds = json.loads(done.stdout)
    return {key: speeds[key] for key in ("train_chars_per_s", "share_of_peak")}


def table(results: list[Line]) -> str:
    """Return the results in Markdown, those of a system in one row."""
    rows: dict[str, Line] = {}
    for result in results:
        rows.setdefault(result["system"], {}).update(result)
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        "system": ("system", str),
        "Python": ("python", str),
        "NumPy": ("numpy", str),
        "Numba": ("numba", str),
        "passed": ("passed", "{:,}".format),
        "failed": ("failed", str),
        "skipped": ("skipped", str),
        "seconds": ("seconds", "{:,}".format),
        "characters/s": ("train_chars_per_s", "{:,.0f}".format),
        "share of peak": ("share_of_peak", "{:.0%}".format),
    }
    lines = [list(columns), ["---"] * len(columns)]
    for row in rows.values():
        values = [(row.get(key), shown) for key, shown in columns.values()]
        lines.append(["-" if value is None else shown(value) for value, shown in values])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("interpreters", nargs="+", metavar="INTERPRETER")
    parser.add_argument("--only", choices=KINDS, help="run only the tests, or only the bench")
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="only these, of the rows")
    parser.add_argument("--anew", action="store_true", help="measure also what has a result")
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "systems.jsonl")
    arguments = parser.parse_args()
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    results = read_lines(arguments.results)
    there = set() if arguments.anew else {(row["system"], row["kind"]) for row in results}
    with tempfile.TemporaryDirectory() as folder:
        rows = systems(arguments.interpreters, Path(folder))
        for kind in [arguments.only] if arguments.only else KINDS:
            for system in rows:
                wanted = not arguments.systems or system.name in arguments.systems
                if not wanted or (system.name, kind) in there:
                    continue
                result = {"system": system.name, "kind": kind, **versions_of(system.interpreter)}
                result |= suite(system) if kind == "suite" else bench(system)
                for key in ("failed_first", "failures"):
                    for line in result.get(key, ()):
                        print(f"{system.name}: {key}: {line}", file=sys.stderr, flush=True)
                results.append(result)
                append_line(arguments.results, result)
    print(table([result for row in rows for result in results if result["system"] == row.name]))


if __name__ == "__main__":
    main()
