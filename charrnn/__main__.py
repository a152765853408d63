"""The entry point, `charrnn` or `python -m charrnn`; Ctrl-C never prints a traceback."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """End the process without a traceback, while it imports modules or shuts down."""
    os._exit(128 + number)


def main() -> NoReturn:
    """Run the command line of this process."""
    signal.signal(signal.SIGINT, _exit_on_signal)
    from charrnn.commands.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
