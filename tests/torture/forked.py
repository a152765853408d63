"""Commands in forks of this process, which has already imported the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

# Importing this first spares each fork the time.
from charrnn.commands.cli import run


class Command(NamedTuple):
    """A running command, the leader of its own process group."""

    pid: int
    log: Path  # its output

    def wait(self) -> int:
        """Wait for its end and return its exit code, or minus the signal that killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def poll(self) -> int | None:
        """Return the exit code as `wait` does, or None while the command is running."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def output(self) -> str:
        """Return its output so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    arguments: Sequence[str], log: Path, prepare_folder: Callable[[], object] | None = None
) -> Command:
    """Start a command in a fork.

    Args:
        arguments: the arguments of charrnn.
        log: the file for its standard output and error.
        prepare_folder: a function that the fork calls before the command.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Command(pid, log)
    code = 70
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8") for n in (1, 2))
        if prepare_folder:
            prepare_folder()
        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def start_new(arguments: Sequence[str], log: Path) -> Command:
    """Start a command in a new process, as a user does."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "charrnn", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    process.returncode = 0  # `Command.wait` waits for its end
    return Command(process.pid, log)


def finished(arguments: Sequence[str], log: Path) -> None:
    """Run a command that must succeed."""
    command = start(arguments, log)
    code = command.wait()
    assert code == 0, f"charrnn {' '.join(arguments)}: exit code {code}: {command.output()}"
