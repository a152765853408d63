"""Text for a terminal: visible and wrapped."""

from __future__ import annotations

import io
import os
import sys

import pytest

from charrnn.system.terminal import visible, wrapped


def test_control_characters_become_visible() -> None:
    assert visible("a\x1b[2Jb\x07\x7f\x00\n\té\x9b") == "a␛[2Jb␇␡␀\n\té�"
    assert visible("héllo") == "héllo"
    assert visible("a\u202eb\u2066") == "a<U+202E>b<U+2066>"


def test_text_for_a_file_is_unchanged() -> None:
    text = "a " * 100 + "\x1b[2J"
    assert wrapped(text, io.StringIO()) == text
    assert wrapped("a\nb", io.StringIO(), mark="> ") == "> a\n> b"


@pytest.mark.skipif(sys.platform == "win32", reason="has other terminals")
def test_lines_are_wrapped_between_words_on_a_narrow_terminal() -> None:
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    try:
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
        with os.fdopen(follower, "w") as stream:
            text = (
                "a configuration needs at least\ndata:\n  path: "
                + "x" * 40
                + "\n\n and more\x1b[2J"
            )
            assert wrapped(text, stream).split("\n") == [
                "a configuration needs at",
                "least",
                "data:",
                "  path:",
                "x" * 40,
                "",
                " and more\u241b[2J",
            ]
            assert wrapped("chosen  cell lstm, hidden_size 256, dropout 0.1", stream, 8) == (
                "chosen  cell lstm,\n        hidden_size 256,\n        dropout 0.1"
            )
            sample = "Once upon a time, there was\n\n" + "x" * 30
            assert wrapped(sample, stream, mark="  | ").split("\n") == [
                "  | Once upon a time, there",
                "  | was",
                "  | ",
                "  | " + "x" * 25,
                "  | " + "x" * 5,
            ]
    finally:
        os.close(leader)


@pytest.mark.skipif(sys.platform == "win32", reason="has other terminals")
def test_lines_are_not_wrapped_on_a_terminal_of_unknown_width() -> None:
    """Its width is 0, as in a container."""
    import pty

    leader, follower = pty.openpty()
    try:
        with os.fdopen(follower, "w") as stream:
            assert wrapped("a " * 100 + "\x1b[2J", stream) == "a " * 100 + "\u241b[2J"
    finally:
        os.close(leader)
