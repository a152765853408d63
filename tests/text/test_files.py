"""Finding and reading the files of a text, and refusing what is no text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.config.schema import DataConfig
from charrnn.errors import TextError
from charrnn.text.files import find_files, read_chunks, state_of
from charrnn.text.load import load_corpus

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege")


def refused(file: Path | str) -> str:
    """Return the error about a file that cannot be read, without its name."""
    with pytest.raises(TextError) as caught:
        load_corpus(DataConfig(str(file)))
    message = str(caught.value)
    assert message.startswith(f"{file}: ".replace("\ud800", r"\ud800"))
    assert "\n" not in message
    return message.partition(": ")[2]


# Finding.


@needs_links
def test_links_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    """With one such link Python's glob finds the text 41 times, with two it never ends."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("ab")
    for name in ("up", "again"):
        os.symlink("..", tmp_path / "sub" / name)
    os.symlink("sub", tmp_path / "the same")
    assert find_files(str(tmp_path / "**" / "*.txt")) == [str(tmp_path / "sub" / "a.txt")]


@needs_links
def test_a_linked_folder_is_entered(tmp_path: Path) -> None:
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("ab")
    os.symlink(tmp_path / "elsewhere", tmp_path / "here" / "link")
    found = find_files(str(tmp_path / "here" / "**" / "*.txt"))
    assert found == [str(tmp_path / "here" / "link" / "a.txt")]


def test_two_stars_match_any_number_of_folders(tmp_path: Path) -> None:
    for name in ("a.txt", "s[1]/b.txt", "s[1]/t/c.txt", "s[1]/t/d.md", ".hidden/e.txt", "u/.f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("ab")

    def found(*parts: str) -> list[str]:
        files = find_files(str(tmp_path.joinpath(*parts)))
        return [Path(file).relative_to(tmp_path).as_posix() for file in files]

    texts = ["a.txt", "s[1]/b.txt", "s[1]/t/c.txt"]
    assert found("**", "*.txt") == found("**", "**", "*.txt") == texts
    assert found("**") == [*texts, "s[1]/t/d.md"]
    assert found("**", "t", "*") == found("**", "t", "**", "*") == [*texts[2:], "s[1]/t/d.md"]
    assert found("**", "c.txt") == found("*", "**", "c.txt") == texts[2:]


def test_the_glob_named_for_a_folder_finds_its_texts(tmp_path: Path) -> None:
    (tmp_path / "s[1]").mkdir()
    (tmp_path / "s[1]" / "a.txt").write_text("ab")
    pattern = refused(tmp_path / "s[1]").partition(", as in ")[2]
    assert find_files(pattern) == [str(tmp_path / "s[1]" / "a.txt")]


@needs_links
def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    os.symlink("nothing", tmp_path / "c")
    assert "cannot be read: Too many levels of symbolic links" in refused(tmp_path / "a")
    assert "is a link to " in refused(tmp_path / "c")


@pytest.mark.parametrize("name", ["text/under a file", "x" * 300, "\ud800"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("ab")
    expected = "no such file; in a configuration|cannot be read: File name"
    assert re.match(expected, refused(tmp_path / name))


@pytest.mark.skipif(os.name == "nt", reason="no file can have such a name")
def test_a_name_that_cannot_be_printed_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "a\nb\x1b\udcff\u202e.txt"
    file.write_text("aaaa")
    with pytest.raises(TextError) as caught:
        load_corpus(DataConfig(str(file)))
    assert str(caught.value).startswith(rf"{tmp_path}/a\nb\x1b\udcff\u202e.txt: the text is 'a'")


# Reading.


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
@pytest.mark.parametrize("device", ["zero", "urandom", "null", "tty"])
def test_a_device_is_refused(device: str) -> None:
    if os.path.exists(f"/dev/{device}"):
        assert refused(f"/dev/{device}").startswith("is a device, not a text; name a file or")


@needs_pipes
@pytest.mark.parametrize("script", ["echo abc", "sleep 0.3; echo abc; sleep 0.1; echo abc", ":"])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, script: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"exec > '{pipe}'; {script}"]):
        assert b"".join(read_chunks(str(pipe), 3)) == b"abc\n" * script.count("abc")


@needs_pipes
@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no process substitution")
def test_a_process_substitution_is_read(tmp_path: Path) -> None:
    code = (
        "import sys; from charrnn.text.files import read_chunks;"
        "sys.stdout.buffer.write(b''.join(read_chunks(sys.argv[1], 100)))"
    )
    command = f"'{sys.executable}' -c \"{code}\" <(sleep 0.2; seq 1000)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == [str(number).encode() for number in range(1, 1001)]


@needs_pipes
def test_a_pipe_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.text.files._UNSIZED", 2_000_000)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"exec yes > '{tmp_path / 'pipe'}' 2> /dev/null"]) as yes:
        assert "has more than 2 MB and may have no end" in refused(tmp_path / "pipe")
        assert yes.wait(10)  # it ends when nobody reads its output


def grow(file: Path) -> None:
    with open(file, "ab") as opened:
        opened.write(b"more")


CHANGES = {
    "grown": grow,
    "cut": lambda file: os.truncate(file, 5),
    "touched": lambda file: os.utime(file, (1, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(b"abcdefgh" * 10_000)
    chunks = read_chunks(str(file), 7)
    assert next(chunks) == b"abcdefg"
    CHANGES[change](file)
    with pytest.raises(TextError, match="has changed while it was read; start again"):
        list(chunks)


@pytest.mark.skipif(os.name == "nt", reason="a file that is read cannot be replaced")
def test_a_file_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    file, other = tmp_path / "text", tmp_path / "other"
    file.write_bytes(b"abcd")
    state = state_of(str(file))
    other.write_bytes(b"abce")
    os.utime(other, (1, 1))
    other.replace(file)
    with pytest.raises(TextError, match="has changed while it was read; start again"):
        list(read_chunks(str(file), 7, state))


@pytest.mark.parametrize("large", [False, True])
def test_a_file_that_is_deleted_after_it_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr("charrnn.text.load.LARGE", 0)
    file = tmp_path / "text"

    def found(*_: object, **_options: object) -> list[str]:
        return [str(file)]

    monkeypatch.setattr("charrnn.text.load.find_files", found)
    assert refused(file) == "no such file"
    file.write_bytes(b"abcd")
    monkeypatch.setattr("charrnn.text.load.codes_file", lambda *_: file.unlink() or tmp_path / "x")
    if large:
        assert refused(file) == "no such file"


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no such file")
def test_a_file_whose_reading_fails() -> None:
    """As on a bad disk. A file without read permission would not do: root can read it."""
    assert refused("/proc/self/mem") == "cannot be read: Input/output error"
