"""Text for a terminal: without control characters, wrapped between words; times and paths."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

# Control characters become Unicode's pictures of them (U+2400 and up), except newline and tab.
_PICTURES = {c: 0x2400 + c for c in range(0x20) if chr(c) not in "\n\t"} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)  # these have no picture
# Characters that change the direction of the text after them.
_DIRECTIONS = {c: f"<U+{c:04X}>" for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
GREEN, FAINT = "32", "2"  # codes of `coloured`
_VISIBLE: dict[int, int | str] = {**_PICTURES, **_DIRECTIONS}


def visible(text: str) -> str:
    """Return a text with control characters and changes of direction replaced by visible signs.

    A terminal obeys control characters, which a model or a file may contain: they clear the screen,
    set the title, or type an answer for the user. Newlines and tabs are kept.
    """
    return text if text.isprintable() else text.translate(_VISIBLE)


def wrapped(text: str, stream: TextIO, indent: int = 0, mark: str = "") -> str:
    """Return a text for a stream: for a terminal visible and wrapped, else only marked.

    Args:
        text: one or more lines.
        stream: where the text is going to be printed.
        indent: spaces before each continuation of a wrapped line.
        mark: stands before each line, and before each row of a wrapped one.
    """
    marked = "\n".join(mark + line for line in text.split("\n")) if mark else text
    columns = terminal_columns(stream)
    if columns is None:
        return marked
    if not columns:  # a terminal of unknown width
        return visible(marked)
    wrapper = textwrap.TextWrapper(
        max(20 + indent, columns - 1),
        initial_indent=mark,
        subsequent_indent=mark or " " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=bool(mark),  # they are a sample's, and nobody copies them
        break_on_hyphens=False,
    )
    return "\n".join(wrapper.fill(line) or mark for line in visible(text).split("\n"))


def terminal_columns(stream: TextIO) -> int | None:
    """Return the width of a terminal, 0 if it is unknown; None for a file or a pipe."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None


def output_columns() -> int:
    """Return the width for what is printed: that of the terminal, or 80 in a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def wants_colours(stream: TextIO, choice: str = "auto") -> bool:
    """Return whether to print colours.

    Args:
        stream: where the text is printed.
        choice: "always", "never" or "auto": on a terminal, unless NO_COLOR is set.
    """
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def coloured(text: str, code: str) -> str:
    """Return a text in a colour, GREEN or FAINT."""
    return f"\x1b[{code}m{text}\x1b[0m"


def duration(seconds: float) -> str:
    """Return a time for reading: 48 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def shortest(path: str, folder: str | os.PathLike[str] = os.curdir) -> str:
    """Return a path unchanged or relative to a folder, whichever is shorter."""
    try:
        return min(os.path.relpath(path, folder), path, key=len)
    except (ValueError, FileNotFoundError):  # on another drive, or the current folder is deleted
        return path
