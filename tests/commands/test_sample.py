"""charrnn sample, and `sample` from Python: output, primes, seeds, errors."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import reciting, wandering

import charrnn
from charrnn.commands import sample_texts
from charrnn.commands.cli import run
from charrnn.errors import SamplingError, TextError
from charrnn.model.sampling_params import SamplingParams
from charrnn.runs.checkpoint import save_checkpoint
from charrnn.system.terminal import visible


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with deterministic models and a random one."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "reciting.npz", reciting("abcdef\n"))
    save_checkpoint(tmp_path / "bytes.npz", reciting("a\u00e9\u20ac\n", tokens="byte"))
    save_checkpoint(tmp_path / "wandering.npz", wandering())
    return tmp_path


def sampled(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `charrnn sample` with a seed and return its stdout."""
    assert run(["sample", *arguments, "--seed", "1"]) == 0
    captured = capsys.readouterr()
    message = "left out: 2 characters that the model does not know\n" if "skip" in arguments else ""
    assert captured.err == message
    return captured.out


# From Python.


def test_a_seed_makes_the_text_reproducible(folder: Path) -> None:
    model = charrnn.load(folder / "wandering.npz")
    first = model.sample("abc", length=100, seed=5)
    assert len(first) == 100
    assert model.sample("abc", length=100, seed=5) == first
    assert model.sample("abc", length=100, seed=6) != first
    assert model.sample("abc", length=100) != model.sample("abc", length=100)
    assert model.sample("abc", length=50, seed=5) == first[:50]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_read_as_in_the_training_text(end: str, folder: Path) -> None:
    model = charrnn.load(folder / "reciting.npz")
    assert model.sample(f"ef{end}", length=3) == "abc"
    assert model.sample("a", length=20, stop=f"f{end}") == "bcdef\n"
    assert list(model.stream(f"f{end}", length=1, N=2)) == [["a", "a"]]
    text = f"abcdef{end}a"
    assert model.score(text) == model.score("abcdef\na")
    assert model.score(text).chars == 7


@pytest.mark.parametrize("data", [{"newlines": "keep"}, {"tokens": "byte"}], ids=str)
def test_carriage_returns_that_the_text_keeps_are_read(data: dict[str, str], folder: Path) -> None:
    save_checkpoint(folder / "keeping.npz", reciting("ab\r\n", **data))
    model = charrnn.load(folder / "keeping.npz")
    assert model.sample("ab\r", length=2) == "\na"
    assert model.sample("a", length=20, stop="\r\n") == "b\r\n"
    assert model.score("ab\r\na").chars == 4
    assert model.score("ab\r\na").loss_nats < 1e-3 < model.score("ab\na").loss_nats


def test_a_lone_surrogate_is_refused(folder: Path) -> None:
    with pytest.raises(TextError, match=r"prime: '\\ud800' \(U\+D800\) at position 1 is half of"):
        charrnn.load(folder / "bytes.npz").sample("a\ud800")
    with pytest.raises(TextError, match=r"text: '\\ud800' \(U\+D800\) at position 1 is not among"):
        charrnn.load(folder / "reciting.npz").score("a\ud800")


# charrnn sample.


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "temperature"), [({}, 0.8), ({"top_k": 8}, 1), ({"top_p": 0.9}, 1)], ids=str
)
def test_the_default_temperature_of_a_text(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], temperature: float
) -> None:
    """It is the same in the command and in Python."""
    model = charrnn.load("wandering.npz")
    expected = model.sample(length=80, seed=1, temperature=temperature, **options)
    assert model.sample(length=80, seed=1, **options) == expected
    assert model.sample(length=80, seed=1, temperature=1.8 - temperature, **options) != expected
    assert "".join(p for (p,) in model.stream(length=80, seed=1, **options)) == expected
    assert "".join(model.show(80, 1)) == model.sample(length=80, seed=1)
    given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    out = sampled(capsys, "wandering.npz", "--length", "80", *given)
    assert out.removesuffix("\n") == expected.removesuffix("\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["--prime", "ab", "--length", "3"], "abcde\n"),
        (["--prime", "ab", "--length", "3", "--no-prime"], "cde\n"),
        (["--prime", "ab", "--length", "5"], "abcdef\n"),  # it ends in a newline already
        (["--prime", "ab", "--length", "6"], "abcdef\na\n"),
        (["--prime", "ab\n", "--length", "0"], "ab\n"),
        (["--prime", "ab", "--length", "0"], "ab\n"),
        (["--length", "4"], "abcd\n"),
        (["--prime", "ab", "--stop", "ef"], "abcdef\n"),
        (["--prime", "ab", "--stop", "f\n"], "abcdef\n"),
        (["--prime", "ab\r\n", "--length", "2"], "ab\nab\n"),
        (["--prime", "ab", "--stop", "f\r\n"], "abcdef\n"),
        (["--prime", "ab", "--stop", r"f\n"], "abcdef\n"),
        (["--prime", r"f\na", "-e", "-l", "2", "-t", "0"], "f\nabc\n"),
        (["--prime", "abc", "--stop", "bc"], "abcdef\nabc\n"),  # one in the prime does not count
        (["--prime", "xaXb", "--unknown", "skip", "--length", "2"], "xaXbcd\n"),
        (["--prime", "a", "--length", "2", "--num-samples", "2"], "abc\n---\nabc\n"),
        (
            ["--prime", "e", "--length", "2", "--num-samples", "3", "--no-prime"],
            "f\n---\nf\n---\nf\n",
        ),
        (["--prime", "a", "--length", "0", "--num-samples", "2"], "a\n---\na\n"),
        (["--prime", "a", "--length", "3", "--greedy"], "abcd\n"),
        (["--prime", "a", "--length", "3", "--greedy", "--temperature", "0"], "abcd\n"),
        (["--prime", "a", "--length", "3", "--temperature", "0"], "abcd\n"),
        (["--prime", "a", "--length", "3", "--top-k", "2", "--top-p", "0.9"], "abcd\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_output(capsys: pytest.CaptureFixture[str], arguments: list[str], out: str) -> None:
    assert sampled(capsys, "reciting.npz", *arguments) == out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("prime", "length", "printed"),
    [
        (b"a\xc3", "2", "a\u00e9\u20ac"),  # the model writes the second byte
        (b"a\xc3\xa9\xe2\x82", "1", "a\u00e9\u20ac"),
        (b"a\xc3", "0", "a\ufffd"),
        (b"a\xc3\xa9", "0", "a\u00e9"),
    ],
)
def test_a_prime_may_end_inside_a_character(
    prime: bytes, length: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("prime").write_bytes(prime)
    out = sampled(capsys, "bytes.npz", "--prime-file", "prime", "--length", length)
    assert out == f"{printed}\n"


@pytest.mark.usefixtures("folder")
def test_bytes_are_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = sampled(capsys, "bytes.npz", "--prime", "a", "--length", "4")
    assert out == "a\u00e9\u20ac\na\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "raw", "out"),
    [
        ("reciting.npz", b"ab", b"abcde\n"),
        ("reciting.npz", b"\xef\xbb\xbfab\r\n", b"ab\nabc\n"),  # read as a training text is
        ("bytes.npz", b"a\xc3\xa9", "a\u00e9\u20ac\na\n".encode()),
    ],
)
@pytest.mark.parametrize("source", ["prime.txt", "-"])
def test_a_prime_from_a_file_or_from_stdin(
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    model: str,
    raw: bytes,
    out: bytes,
    source: str,
) -> None:
    if source == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    else:
        Path(source).write_bytes(raw)
    assert run(["sample", model, "--prime-file", source, "--length", "3", "--seed", "1"]) == 0
    assert capsysbinary.readouterr().out == out


@pytest.mark.usefixtures("folder")
def test_several_samples_are_several_texts(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["wandering.npz", "--length", "50", "--stop", "\n", "--no-prime"]
    out = sampled(capsys, *arguments, "--num-samples", "5")
    assert len(set(out.removesuffix("\n").split("\n---\n"))) == 5
    assert out == sampled(capsys, *arguments, "--num-samples", "5")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", [[], ["--prime", "abc"]], ids=["no prime", "prime"])
def test_samples_are_written_in_groups(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """A text depends on the seed and on its number, and on nothing else."""
    arguments = ["wandering.npz", *arguments, "--length", "30", "--num-samples"]
    whole = sampled(capsys, *arguments, "7")
    monkeypatch.setattr(sample_texts, "_GROUP_TEXTS", 3)
    first, texts = sampled(capsys, *arguments, "3"), sampled(capsys, *arguments, "7")
    assert whole.count("---\n") == texts.count("---\n") == 6
    assert texts.startswith(first + "---\n")
    assert len(set(texts.removesuffix("\n").split("\n---\n"))) == 7
    assert texts == whole


@pytest.mark.parametrize("length", [0, 1, 1000, 10**6, 10**9])
@pytest.mark.parametrize("num_samples", [1, 3, 256, 257, 10**5])
def test_groups_have_all_texts_and_a_bounded_size(num_samples: int, length: int) -> None:
    groups = list(islice(sample_texts._groups(num_samples, length), 10_000))
    sizes = [N for N, _ in groups]
    assert sum(sizes) == num_samples or len(groups) == 10_000
    assert max(sizes) <= 256
    assert all(N == 1 or N * length <= 1 << 25 for N in sizes)
    assert [first for _, first in groups] == [0, *accumulate(sizes[:-1])]


@pytest.mark.parametrize("raw", [b"x" * ((1 << 24) + 1), None], ids=["file", "/dev/zero"])
def test_a_very_long_prime_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], raw: bytes | None
) -> None:
    file = folder / "large.txt" if raw else Path("/dev/zero")
    if raw:
        file.write_bytes(raw)
    elif not file.exists():
        pytest.skip("needs /dev/zero")
    assert run(["sample", "reciting.npz", "--prime-file", str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"charrnn: error: --prime-file {file}: has more than 16,777,216 bytes")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_no_control_characters(folder: Path, terminal: bool) -> None:
    """Neither the text of a hostile model nor its prime can control the terminal."""
    text = "a\x1b[2J\r\x07\x7f\x9b\t\n"
    symbols = list(dict.fromkeys(text))
    save_checkpoint(folder / "hostile.npz", reciting("".join(symbols)))
    command = [sys.executable, "-m", "charrnn", "sample", "hostile.npz", "--seed", "1"]
    command += ["--prime", "a\x1b", "--length", str(len(symbols) - 2)]
    seen = "a\u241b[2J\u240d\u2407\u2421\ufffd\t\n"
    if not terminal:
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout.decode() == text
        return
    pty = pytest.importorskip("pty")
    for plain in ("", "1"):  # the prime is faint, unless NO_COLOR is set
        master, slave = pty.openpty()
        environment = {**os.environ, "NO_COLOR": plain, "TERM": "xterm"}
        with os.fdopen(master, "rb", buffering=0) as screen:
            subprocess.run(
                command, stdout=slave, stderr=subprocess.PIPE, check=True, env=environment
            )
            os.close(slave)
            shown = screen.read(1000).decode().replace("\r\n", "\n")
        assert shown == (seen if plain else f"\x1b[2m{seen[:2]}\x1b[0m{seen[2:]}")


@given(st.text())
def test_visible_text_has_no_control_characters(text: str) -> None:
    seen = visible(text)
    assert len(seen) == len(text)
    controls = {c for c in seen if unicodedata.category(c) == "Cc"}
    assert controls <= {"\n", "\t"}
    assert all(a == b for a, b in zip(text, seen, strict=True) if a in "\n\t" or a.isprintable())


@pytest.mark.usefixtures("folder")
def test_a_random_seed_is_printed_and_reproduces_the_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["sample", "wandering.npz", "--prime", "abc", "--length", "80"]
    assert run(arguments) == 0
    first = capsys.readouterr()
    printed = re.fullmatch(r"seed (\d+)\n", first.err)
    assert printed
    assert run([*arguments, "--seed", printed[1]]) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err == ""
    assert run(arguments) == 0
    assert capsys.readouterr().out != first.out


@pytest.mark.usefixtures("folder")
def test_a_random_seed_is_drawn_in_one_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.model.sampling_params.os.urandom", lambda n: bytes(range(n)))
    seed = int.from_bytes(bytes(range(8)), "little")
    model = charrnn.load("wandering.npz")
    assert model.sample("abc", 80) == model.sample("abc", 80, seed=seed)
    assert run(["sample", "wandering.npz", "--length", "80"]) == 0
    assert capsys.readouterr().err == f"seed {seed}\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "prime", "named"),
    [
        ("reciting.npz", "abXc", "'X' (U+0058) at position 2"),
        ("reciting.npz", "\U0001f41d", "'\U0001f41d' (U+1F41D) at position 0"),
        ("bytes.npz", "ab", "byte 0x62 at position 1"),
    ],
)
def test_an_unknown_character_of_the_prime_is_named_with_a_remedy(
    capsys: pytest.CaptureFixture[str], model: str, prime: str, named: str
) -> None:
    assert run(["sample", model, "--prime", prime, "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"charrnn: error: prime: {named} is not among the ")
    tokens = "bytes" if model == "bytes.npz" else "characters"
    assert captured.err.endswith(f"--unknown skip leaves such {tokens} out\n")
    assert run(["sample", model, "--prime", prime, "--unknown", "skip", "--length", "2"]) == 0
    assert "that the model does not know\n" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_prime_file_in_another_encoding_is_refused_with_a_remedy_that_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("prime.txt").write_bytes(b"ab\xe9")
    assert run(["sample", "reciting.npz", "--prime-file", "prime.txt", "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(
        "charrnn: error: --prime-file prime.txt: byte 2 (0xe9) is not utf-8"
    )
    assert "data." not in captured.err  # sampling takes no configuration keys


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--prime", "a", "--prime-file", "prime.txt"],
        ["--stop", ""],
        ["--length", "-1"],
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--temperature", "inf"],
        ["--top-k", "0"],
        ["--top-p", "0"],
        ["--top-p", "1.1"],
        ["--top-p", "nan"],
        ["--num-samples", "0"],
        ["--seed", "-1"],
        ["--unknown", "guess"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["sample", "reciting.npz", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert arguments[0] in captured.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("greedy", [["--greedy"], ["-t", "0"]], ids=" ".join)
@pytest.mark.parametrize("option", [["--top-k", "2"], ["--top-p", "0.5"]], ids=" ".join)
def test_the_likeliest_is_not_chosen_among_several(
    greedy: list[str], option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In the command and in Python, in the same words."""
    assert run(["sample", "reciting.npz", *greedy, *option]) == 2
    message = f"{option[0]} chooses among likely characters, and --greedy (temperature 0) takes"
    assert message in " ".join(capsys.readouterr().err.split())
    name = option[0].strip("-").replace("-", "_")
    likeliest = {"greedy": True} if len(greedy) == 1 else {"temperature": 0}
    arguments = {name: int(option[1]) if name == "top_k" else float(option[1]), **likeliest}
    with pytest.raises(SamplingError) as raised:
        charrnn.load("reciting.npz").sample(**arguments)
    python = message.replace(option[0], name).replace("--greedy", "greedy")
    assert str(raised.value).startswith(python)


@pytest.mark.usefixtures("folder")
def test_a_prime_given_as_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "The end"]) == 1
    err = capsys.readouterr().err
    assert "The end: no such file or folder" in err
    assert "did you mean --prime 'The end'?" in err


@pytest.mark.usefixtures("folder")
def test_a_stop_that_is_never_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Of an escape that does not exist, the backslash is the text's own."""
    for stop in ("x", r"a\b", r"a\tb"):
        assert run(["sample", "reciting.npz", "--stop", stop]) == 1
        assert "so it never writes this text" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_missing_prime_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "reciting.npz", "--prime-file", "none.txt"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("charrnn: error: --prime-file none.txt: cannot be read: No such file")


class Flushed(io.StringIO):
    """A stream that counts its flushes and remembers the flushed text."""

    count = 0
    out = ""

    def flush(self) -> None:
        self.count += 1
        self.out = self.getvalue()


def test_a_slow_text_is_flushed_at_each_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := Flushed())

    def pieces() -> Iterator[str]:
        for i, piece in enumerate("abc"):
            time.sleep(0.03)
            yield piece
            assert stdout.out == "abc"[: i + 1]

    sample_texts._print_text(pieces())
    assert stdout.out == "abc\n"


def test_a_fast_text_is_flushed_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := Flushed())
    sample_texts._print_text("a" for _ in range(10_000))
    assert stdout.out == "a" * 10_000 + "\n"
    assert stdout.count < 500


@pytest.mark.usefixtures("folder")
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "charrnn", "sample", "wandering.npz", "--length", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10)) == 10  # the text is flushed at once
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait() == 0
    assert re.fullmatch(rb"seed \d+\s", error)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": 0}, {"top_p": 0.0}],
    ids=str,
)
def test_invalid_sampling_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SamplingError, match=next(iter(wrong))):
        SamplingParams(**wrong)
