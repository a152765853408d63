"""The entry point, `charrnn` or `python -m charrnn`: from the first moment Ctrl-C is quiet."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """End the process while it is still importing, or already at its end."""
    os._exit(128 + number)


def main() -> NoReturn:
    """Run the command line that the process was started with."""
    signal.signal(signal.SIGINT, _leave)
    from charrnn.commands.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
