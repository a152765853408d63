"""Texts on a terminal: nothing acts on it instead of standing on it, and no word is cut in two."""

from __future__ import annotations

import os
import textwrap
from typing import TextIO

# Control characters as the pictures that Unicode has for them; the line's end and the tab may act.
_PICTURES = {c: 0x2400 + c for c in range(0x20) if chr(c) not in "\n\t"} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)  # for which it has none
# What turns round the direction in which others are shown.
_TURNS = {c: f"<U+{c:04X}>" for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_SHOWN: dict[int, int | str] = {**_PICTURES, **_TURNS}


def visible(text: str) -> str:
    """Return a text without control characters but newline and tab, and without turns of direction.

    A terminal would take such a character, from a model or a file, for an order: to clear the
    screen, to write its title, to answer as if someone had typed.
    """
    return text if text.isprintable() else text.translate(_SHOWN)


def wrapped(text: str, stream: TextIO, indent: int = 0) -> str:
    """Return a text as it is, or for a terminal visible and its lines broken between words.

    What a line is broken into goes on at an indent.
    """
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it is none
        return text
    if not columns:  # one that does not know how wide it is
        return visible(text)
    wrapper = textwrap.TextWrapper(
        max(20 + indent, columns - 1),
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapper.fill(line) for line in visible(text).split("\n"))


def duration(seconds: float) -> str:
    """Return a time as people read it: 48 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def shortest(path: str, folder: str | os.PathLike[str] = os.curdir) -> str:
    """A path as it is shortest: from a folder, by default the current one, or whole."""
    try:
        return min(os.path.relpath(path, folder), path, key=len)
    except ValueError:  # on another drive
        return path
