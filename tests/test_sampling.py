"""Sampling: the right distribution, the right text, and nothing on stdout but that text."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import charrnn
from charrnn.checkpoint import Checkpoint, Counters, save_checkpoint
from charrnn.cli import run
from charrnn.commands.sample import _write
from charrnn.config import ModelConfig
from charrnn.config_reader import config_from_dict
from charrnn.errors import SamplingError
from charrnn.kernels import Array
from charrnn.model import Model
from charrnn.parameters import initial_parameters, parameter_shapes, parameter_views
from charrnn.sampling import Choosing, continuations, generate
from charrnn.vocabulary import Vocabulary

LOGITS = np.log(np.array([0.05, 0.4, 0.02, 0.25, 0.18, 0.1]))  # of six characters
ROWS = arrays(np.float32, (3, 8), elements=st.floats(-20, 20, width=32))


# Choosing.


def chosen(choosing: Choosing, logits: Array, seed: int) -> Array:
    """Return a code for each row of logits."""
    noise = next(choosing.noise(*logits.shape, np.random.default_rng(seed)))
    return choosing.choose(logits, noise)


def drawn(choosing: Choosing, n: int = 20_000) -> Array:
    """Return how often each character is chosen in n draws."""
    codes = chosen(choosing, np.tile(LOGITS, (n, 1)), seed=1)
    return np.bincount(codes, minlength=len(LOGITS))


def softened(temperature: float, *kept: int) -> Array:
    """Return the exact distribution over the characters that are kept."""
    weights = np.zeros(len(LOGITS))
    weights[list(kept)] = np.exp(LOGITS[list(kept)] / temperature)
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("choosing", "expected"),
    [
        (Choosing(), softened(1, 0, 1, 2, 3, 4, 5)),
        (Choosing(temperature=0.5), softened(0.5, 0, 1, 2, 3, 4, 5)),
        (Choosing(temperature=3.0), softened(3, 0, 1, 2, 3, 4, 5)),
        (Choosing(top_k=3), softened(1, 1, 3, 4)),
        (Choosing(top_k=100), softened(1, 0, 1, 2, 3, 4, 5)),
        (Choosing(top_p=0.6), softened(1, 1, 3)),  # 0.4 + 0.25 reaches it
        (Choosing(top_p=0.7), softened(1, 1, 3, 4)),
        (Choosing(top_p=1.0), softened(1, 0, 1, 2, 3, 4, 5)),
        (Choosing(top_k=2, top_p=0.99), softened(1, 1, 3)),
        (Choosing(top_k=5, top_p=0.6), softened(1, 1, 3)),
        (Choosing(temperature=0.5, top_p=0.6), softened(0.5, 1, 3)),  # 0.59 and 0.23
        (Choosing(temperature=0.5, top_p=0.55), softened(0.5, 1)),  # after the temperature
        (Choosing(temperature=2.0, top_k=3), softened(2, 1, 3, 4)),
    ],
    ids=repr,
)
def test_characters_are_drawn_with_the_exact_probabilities(
    choosing: Choosing, expected: Array
) -> None:
    counts = drawn(choosing)
    n = counts.sum()
    assert not counts[expected == 0].any()
    kept = expected > 0
    chi_square = ((counts - n * expected)[kept] ** 2 / (n * expected[kept])).sum()
    assert chi_square < 21  # 5 degrees of freedom: by chance once in a thousand, the seed is fixed


def test_one_choice_after_another_is_drawn_with_the_exact_probabilities() -> None:
    n, choosing, logits = 20_000, Choosing(temperature=0.5), LOGITS[None].astype(np.float32)
    noise = choosing.noise(1, len(LOGITS), np.random.default_rng(1))
    codes = np.array([choosing.choose(logits, next(noise))[0] for _ in range(n)])
    for which in (codes, codes[1:][codes[:-1] == 1]):  # whatever the choice before
        counts, expected = np.bincount(which, minlength=6), len(which) * softened(0.5, *range(6))
        assert ((counts - expected) ** 2 / expected).sum() < 21


@pytest.mark.parametrize(
    "choosing",
    [
        Choosing(greedy=True),
        Choosing(temperature=0),
        Choosing(top_k=1),
        Choosing(top_p=1e-9),
        Choosing(temperature=1e-6),
        Choosing(temperature=1e-310),
        Choosing(temperature=100, top_k=1),
    ],
    ids=repr,
)
@given(ROWS, st.integers(0, 2**32))
def test_what_is_the_same_as_greedy(choosing: Choosing, logits: Array, seed: int) -> None:
    rows = np.arange(len(logits))
    logits[rows, (seed + rows) % logits.shape[1]] = 21  # one likeliest in each row
    codes = chosen(choosing, logits, seed)
    assert codes.tolist() == ((seed + rows) % logits.shape[1]).tolist()


@given(ROWS, st.integers(0, 2**32))
def test_impossible_characters_are_never_chosen(logits: Array, seed: int) -> None:
    logits[:, ::2] = -np.inf
    for choosing in (Choosing(), Choosing(temperature=10.0), Choosing(top_k=3), Choosing(top_p=1)):
        assert (chosen(choosing, logits, seed) % 2 == 1).all()


# Models to sample from.


def checkpoint_of(text: str, parameters: Array, H: int, cell: str, **data: str) -> Checkpoint:
    """Return a checkpoint of a one-layer model that knows the characters of a text."""
    config = config_from_dict(
        {
            "data": {"path": "/none.txt", **data},
            "model": {"cell": cell, "num_layers": 1, "hidden_size": H},
            "train": {"batch_size": 1, "optimizer": "sgd"},
        }
    )
    vocabulary = Vocabulary.of(symbols_of(text, config.data.tokens), config.data.tokens)
    model = Model(config.model, len(vocabulary), parameters)
    return Checkpoint(
        config, vocabulary, parameters, Counters(), {}, model.zero_states(1), "ab" * 32
    )


def symbols_of(text: str, tokens: str) -> Array:
    """Return the symbols of a text."""
    return Vocabulary(np.array([], np.uint32), tokens).symbols_of(text)


def reciting(text: str, **data: str) -> Checkpoint:
    """Return a model that writes a text of distinct symbols over and over, whatever the chance.

    One hidden unit stands for each symbol; the output takes it to the next symbol of the text.
    """
    symbols = symbols_of(text, data.get("tokens", "char"))
    V = len(symbols)
    codes = np.searchsorted(np.sort(symbols), symbols)  # (V,), in the order of the text
    shapes = parameter_shapes(ModelConfig(cell="rnn", num_layers=1, hidden_size=V), V)
    parameters = np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()), np.float32)
    views = parameter_views(parameters, shapes)
    views["layers.0.Wx"][...] = 10 * np.eye(V)
    views["output.W"][codes, np.roll(codes, -1)] = 200
    return checkpoint_of(text, parameters, V, "rnn", **data)


def wandering(text: str = "\n abcdefgh", **data: str) -> Checkpoint:
    """Return an untrained model, which writes at random."""
    H, V = 8, len(set(symbols_of(text, data.get("tokens", "char")).tolist()))
    config = ModelConfig(cell="lstm", num_layers=1, hidden_size=H)
    return checkpoint_of(text, initial_parameters(config, V, seed=1), H, "lstm", **data)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model that recites and one that wanders."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "reciting.npz", reciting("abcdef\n"))
    save_checkpoint(tmp_path / "bytes.npz", reciting("a\u00e9\u20ac\n", tokens="byte"))
    save_checkpoint(tmp_path / "wandering.npz", wandering())
    return tmp_path


def sampled(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `charrnn sample` with a seed; return its stdout."""
    assert run(["sample", *arguments, "--seed", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# The generator.


@dataclass(frozen=True)
class Recording(Choosing):
    """Chooses the likeliest, and keeps what it chose from."""

    seen: list[Array] = field(default_factory=list)

    def choose(self, logits: Array, noise: Array) -> Array:  # noqa: ARG002
        self.seen.append(logits.copy())
        return np.argmax(logits, axis=1)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_a_prime_read_at_once_equals_one_read_character_by_character(n: int) -> None:
    model = wandering().model()
    prime = np.random.default_rng(2).integers(0, model.V, n).astype(np.uint8)
    choosing = Recording()
    codes = generate(model, prime, 2, choosing, np.random.default_rng(1))
    written = [next(codes)[0] for _ in range(4)]
    plain, states = wandering().model(), model.zero_states(1)
    for place, code in enumerate([*prime, *written]):
        logits, states, _ = plain.forward(np.array([[code]], np.intp), states)
        if place >= n - 1 and place - n + 1 < len(choosing.seen):
            seen = choosing.seen[place - n + 1]
            np.testing.assert_allclose(seen, np.tile(logits[0], (2, 1)), rtol=1e-4, atol=1e-6)
    assert len(choosing.seen) == 4


def grown(checkpoint: Checkpoint, prime: str = "", **options: Any) -> list[str]:
    """Return whole continuations."""
    vocabulary = checkpoint.vocabulary
    pieces = continuations(
        checkpoint.model(),
        vocabulary,
        vocabulary.encode(vocabulary.symbols_of(prime), "prime"),
        **{"N": 1, "length": 20, "choosing": Choosing(), **options},
        rng=np.random.default_rng(1),
    )
    return ["".join(parts) for parts in zip(*pieces, strict=True)]


def test_without_a_prime_a_text_begins_as_after_a_line_end() -> None:
    assert grown(reciting("abcdef\n"), length=9) == ["abcdef\nab"]


def test_without_line_ends_a_text_begins_anywhere() -> None:
    texts = grown(reciting("abcdef"), N=200, length=1)
    assert set(texts) == set("abcdef")


def test_the_members_of_a_batch_are_texts_of_their_own() -> None:
    texts = grown(wandering(), "abc", N=20, length=30)
    assert len(set(texts)) == 20
    assert {len(text) for text in texts} == {30}
    assert grown(reciting("abcdef\n"), "c", N=3, length=5) == ["def\na"] * 3


def test_each_member_of_a_batch_ends_at_its_own_stop() -> None:
    texts = grown(wandering(), "abc", N=20, length=60, stop="a")
    assert len({len(text) for text in texts}) > 3
    for text in texts:
        assert text.find("a") in (-1, len(text) - 1)
        assert text.endswith("a") or len(text) == 60


@pytest.mark.parametrize("stop", ["a", "ab", "e\u00e9", "\u00e9\u20ac\n", "\n", "none of it"])
@pytest.mark.parametrize("tokens", ["char", "byte"])
def test_a_text_ends_right_after_its_stop(tokens: str, stop: str) -> None:
    text = "abcde\u00e9\u20ac\n"
    whole = text * 3
    (found,) = grown(reciting(text, tokens=tokens), "c", length=20, stop=stop)
    rest = whole[whole.index("c") + 1 :][:20]
    assert found == (rest[: rest.index(stop) + len(stop)] if stop in rest else rest)


def test_what_overlaps_a_stop_does_not_hide_it() -> None:
    """In 'aab' the stop 'ab' begins at the second a."""
    vocabulary = Vocabulary.of(symbols_of("ab", "char"), "char")
    model = wandering("ab").model()
    for seed in range(20):
        pieces = continuations(
            model,
            vocabulary,
            np.array([1]),
            N=1,
            length=200,
            choosing=Choosing(),
            rng=np.random.default_rng(seed),
            stop="aab",
        )
        text = "".join(piece for (piece,) in pieces)
        assert text.endswith("aab")
        assert text.count("aab") == 1


def test_bytes_come_out_as_whole_code_points_and_are_counted_as_such() -> None:
    checkpoint = reciting("a\u00e9\u20ac\U0001f41d\n", tokens="byte")
    vocabulary = checkpoint.vocabulary
    pieces = list(
        continuations(
            checkpoint.model(),
            vocabulary,
            vocabulary.encode(symbols_of("a", "byte"), "prime"),
            N=1,
            length=8,
            choosing=Choosing(),
            rng=np.random.default_rng(1),
        )
    )
    assert [piece for (piece,) in pieces if piece] == list(
        "\u00e9\u20ac\U0001f41d\na\u00e9\u20ac\U0001f41d"
    )


def test_sampling_takes_no_more_memory_as_it_goes_on() -> None:
    checkpoint = wandering()
    pieces = continuations(
        checkpoint.model(),
        checkpoint.vocabulary,
        np.array([1, 2, 3]),
        N=4,
        length=10**9,
        choosing=Choosing(top_k=5, top_p=0.9),
        rng=np.random.default_rng(1),
        stop="never this",
    )
    # Only what charrnn's own lines took: elsewhere Python keeps freed tuples for the next time.
    own_lines = [tracemalloc.Filter(True, str(Path(charrnn.__file__).parent / "*"))]
    tracemalloc.start()
    try:
        for _ in range(100):
            next(pieces)
        before = tracemalloc.take_snapshot().filter_traces(own_lines)
        for _ in range(1500):
            next(pieces)
        after = tracemalloc.take_snapshot().filter_traces(own_lines)
    finally:
        tracemalloc.stop()
    grown_bytes = sum(line.size_diff for line in after.compare_to(before, "filename"))
    assert grown_bytes < 3_000  # the text alone is 6,000 characters


# From Python.


def test_the_same_seed_writes_the_same_text(folder: Path) -> None:
    model = charrnn.load(folder / "wandering.npz")
    first = model.sample("abc", length=100, seed=5)
    assert len(first) == 100
    assert model.sample("abc", length=100, seed=5) == first
    assert model.sample("abc", length=100, seed=6) != first
    assert model.sample("abc", length=100) != model.sample("abc", length=100)
    assert model.sample("abc", length=50, seed=5) == first[:50]


# charrnn sample.


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["--prime", "ab", "--length", "3"], "abcde\n"),
        (["--prime", "ab", "--length", "3", "--no-prime"], "cde\n"),
        (["--prime", "ab", "--length", "5"], "abcdef\n"),  # it ends in a line's end itself
        (["--prime", "ab", "--length", "6"], "abcdef\na\n"),
        (["--prime", "ab\n", "--length", "0"], "ab\n"),
        (["--prime", "ab", "--length", "0"], "ab\n"),
        (["--length", "4"], "abcd\n"),
        (["--prime", "ab", "--stop", "ef"], "abcdef\n"),
        (["--prime", "ab", "--stop", "f\n"], "abcdef\n"),
        (["--prime", "abc", "--stop", "bc"], "abcdef\nabc\n"),  # the prime's does not count
        (["--prime", "xaXb", "--unknown", "skip", "--length", "2"], "xaXbcd\n"),
        (["--prime", "a", "--length", "2", "--num-samples", "2"], "abc\n---\nabc\n"),
        (
            ["--prime", "e", "--length", "2", "--num-samples", "3", "--no-prime"],
            "f\n---\nf\n---\nf\n",
        ),
        (["--prime", "a", "--length", "0", "--num-samples", "2"], "a\n---\na\n"),
        (["--prime", "a", "--length", "3", "--greedy"], "abcd\n"),
        (["--prime", "a", "--length", "3", "--temperature", "0"], "abcd\n"),
        (["--prime", "a", "--length", "3", "--top-k", "2", "--top-p", "0.9"], "abcd\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_printed(
    capsys: pytest.CaptureFixture[str], arguments: list[str], out: str
) -> None:
    assert sampled(capsys, "reciting.npz", *arguments) == out


@pytest.mark.usefixtures("folder")
def test_bytes_are_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = sampled(capsys, "bytes.npz", "--prime", "a", "--length", "4")
    assert out == "a\u00e9\u20ac\na\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "raw", "out"),
    [
        ("reciting.npz", b"ab", b"abcde\n"),
        ("reciting.npz", b"\xef\xbb\xbfab\r\n", b"ab\nabc\n"),  # as a training text is read
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
def test_a_seed_that_was_not_given_is_told_and_gives_the_text_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["sample", "wandering.npz", "--prime", "abc", "--length", "80"]
    assert run(arguments) == 0
    first = capsys.readouterr()
    told = re.fullmatch(r"seed (\d+)\n", first.err)
    assert told
    assert run([*arguments, "--seed", told[1]]) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err == ""
    assert run(arguments) == 0
    assert capsys.readouterr().out != first.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "prime", "named"),
    [
        ("reciting.npz", "abXc", "'X' (U+0058) at position 2"),
        ("reciting.npz", "\U0001f41d", "'\U0001f41d' (U+1F41D) at position 0"),
        ("bytes.npz", "ab", "byte 0x62 at position 1"),
    ],
)
def test_an_unknown_character_of_the_prime_is_named_with_the_way_out(
    capsys: pytest.CaptureFixture[str], model: str, prime: str, named: str
) -> None:
    assert run(["sample", model, "--prime", prime, "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"charrnn: error: prime: {named} is not among the ")
    assert captured.err.endswith("--unknown skip leaves such characters out\n")
    assert run(["sample", model, "--prime", prime, "--unknown", "skip", "--length", "2"]) == 0


@pytest.mark.usefixtures("folder")
def test_a_prime_file_in_another_encoding_is_refused_with_a_way_out_that_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("prime.txt").write_bytes(b"ab\xe9")
    assert run(["sample", "reciting.npz", "--prime-file", "prime.txt", "--seed", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(
        "charrnn: error: --prime-file prime.txt: byte 2 (0xe9) is not utf-8"
    )
    assert "data." not in captured.err  # sampling has no configuration to set


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
def test_a_missing_prime_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", "reciting.npz", "--prime-file", "none.txt"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("charrnn: error: --prime-file none.txt: cannot be read: No such file")


class Flushed(io.StringIO):
    """A stream that counts its flushes, and knows how much of it is out."""

    count = 0
    out = ""

    def flush(self) -> None:
        self.count += 1
        self.out = self.getvalue()


def test_a_text_that_is_made_slowly_comes_out_character_by_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := Flushed())

    def pieces() -> Iterator[str]:
        for i, piece in enumerate("abc"):
            time.sleep(0.03)
            yield piece
            assert stdout.out == "abc"[: i + 1]

    _write(pieces())
    assert stdout.out == "abc\n"


def test_a_text_that_is_made_fast_is_not_flushed_for_each_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", stdout := Flushed())
    _write("a" for _ in range(10_000))
    assert stdout.out == "a" * 10_000 + "\n"
    assert stdout.count < 500


@pytest.mark.usefixtures("folder")
def test_a_reader_that_has_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "charrnn", "sample", "wandering.npz", "--length", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(10)) == 10  # what is written comes out at once
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait() == 0
    assert re.fullmatch(rb"seed \d+\s", error)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": 0}, {"top_p": 0.0}],
    ids=str,
)
def test_a_way_of_choosing_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SamplingError, match=next(iter(wrong))):
        Choosing(**wrong)
