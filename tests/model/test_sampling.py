"""Generated text: primes, stop texts, batches, bytes, memory."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import reciting, symbols_of, wandering

import charrnn
from charrnn.commands.cli import run
from charrnn.kernels import Array
from charrnn.model.sampling import continuations, generate
from charrnn.model.sampling_params import SamplingParams, generators
from charrnn.runs.checkpoint import Checkpoint, save_checkpoint
from charrnn.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Recording(SamplingParams):
    """Chooses the likeliest token and records the logits."""

    seen: list[Array] = field(default_factory=list)

    def choose(self, logits: Array, noise: Array) -> Array:  # noqa: ARG002
        self.seen.append(logits.copy())
        return np.argmax(logits, axis=1)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_a_prime_read_in_windows_equals_one_read_token_by_token(n: int) -> None:
    model = wandering().model()
    prime = np.random.default_rng(2).integers(0, model.V, n).astype(np.uint8)
    params = Recording()
    codes = generate(model, prime, params, [*generators(1, range(2))])
    written = [next(codes)[0] for _ in range(4)]
    plain, states = wandering().model(), model.zero_states(1)
    for place, code in enumerate([*prime, *written]):
        logits, states, _ = plain.forward(np.array([[code]], np.intp), states)
        if place >= n - 1 and place - n + 1 < len(params.seen):
            seen = params.seen[place - n + 1]
            np.testing.assert_allclose(seen, np.tile(logits[0], (2, 1)), rtol=1e-4, atol=1e-6)
    assert len(params.seen) == 4


def grown(checkpoint: Checkpoint, prime: str = "", N: int = 1, **options: Any) -> list[str]:
    """Return whole continuations."""
    vocabulary = checkpoint.vocabulary
    pieces = continuations(
        checkpoint.model(),
        vocabulary,
        vocabulary.encode(vocabulary.symbols_of(prime), "prime"),
        **{"length": 20, "params": SamplingParams(), **options},
        rngs=[*generators(1, range(N))],
    )
    return ["".join(parts) for parts in zip(*pieces, strict=True)]


def test_without_a_prime_a_text_starts_as_after_a_newline() -> None:
    assert grown(reciting("abcdef\n"), length=9) == ["abcdef\nab"]


def first_logits(checkpoint: Checkpoint, prime: str) -> Array:
    """Return the logits (V,) from which the first token after a prime is chosen."""
    params = Recording()
    grown(checkpoint, prime, length=1, params=params)
    return params.seen[0][0]


def logits_after(checkpoint: Checkpoint, text: str) -> Array:
    """Return the logits (V,) after a text that is read from zero states."""
    model, vocabulary = checkpoint.model(), checkpoint.vocabulary
    codes = vocabulary.encode(vocabulary.symbols_of(text), "text").astype(np.intp)
    logits, _, _ = model.forward(codes[:, None], model.zero_states(1))
    return logits[-1, 0].copy()


@pytest.mark.parametrize("tokens", ["char", "byte"])
@pytest.mark.parametrize(
    ("prime", "read"),
    [
        ("", "\n"),
        ("\n", "\n"),
        ("a", "\na"),
        ("ab\nc", "\nab\nc"),
        ("\nab", "\nab"),  # one that begins with a newline gets no second one
        ("\n\nab", "\n\nab"),
    ],
)
def test_a_prime_is_read_as_after_a_newline(prime: str, read: str, tokens: str) -> None:
    checkpoint = wandering(tokens=tokens)
    found = first_logits(checkpoint, prime)
    np.testing.assert_allclose(found, logits_after(checkpoint, read), rtol=1e-5, atol=1e-7)
    assert abs(found - logits_after(checkpoint, f"{read}\n")).max() > 1e-4
    assert abs(found - logits_after(checkpoint, read[1:] or "a")).max() > 1e-4


def test_without_newlines_in_the_vocabulary_a_prime_is_read_from_zero_states() -> None:
    checkpoint = wandering("abcdefgh")
    expected = logits_after(checkpoint, "ab")
    np.testing.assert_allclose(first_logits(checkpoint, "ab"), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("symbols", ["\n abcdefgh", "abcdefgh"], ids=["newline", "no newline"])
@pytest.mark.parametrize("text", ["a", "abc", "cab" * 50])
def test_inspect_predictions_shows_what_a_sample_is_chosen_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], symbols: str, text: str
) -> None:
    checkpoint = wandering(symbols)
    save_checkpoint(tmp_path / "m.npz", checkpoint)
    arguments = ["predictions", str(tmp_path / "m.npz"), "--text", text, "--top", "10", "--json"]
    assert run(["inspect", *arguments]) == 0
    last = json.loads(capsys.readouterr().out)["predictions"][-1]
    logits = first_logits(checkpoint, text).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert {one["character"]: one["probability"] for one in last["likeliest"]} == pytest.approx(
        dict(zip(checkpoint.vocabulary.decode(np.arange(len(expected))), expected, strict=True)),
        rel=1e-5,
    )


def test_without_newlines_in_the_vocabulary_a_text_starts_anywhere() -> None:
    texts = grown(reciting("abcdef"), N=200, length=1)
    assert set(texts) == set("abcdef")


def test_the_members_of_a_batch_are_different_texts() -> None:
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


def test_a_stop_text_is_found_after_a_partial_match() -> None:
    """In 'aaab', the stop text 'aab' starts at the second a."""
    vocabulary = Vocabulary.from_pieces([symbols_of("ab", "char")], "char")
    model = wandering("ab").model()
    for seed in range(20):
        pieces = continuations(
            model,
            vocabulary,
            np.array([1]),
            length=200,
            params=SamplingParams(),
            rngs=[np.random.default_rng(seed)],
            stop="aab",
        )
        text = "".join(piece for (piece,) in pieces)
        assert text.endswith("aab")
        assert text.count("aab") == 1


def test_bytes_are_decoded_to_whole_characters_and_counted_as_such() -> None:
    checkpoint = reciting("a\u00e9\u20ac\U0001f41d\n", tokens="byte")
    vocabulary = checkpoint.vocabulary
    pieces = list(
        continuations(
            checkpoint.model(),
            vocabulary,
            vocabulary.encode(symbols_of("a", "byte"), "prime"),
            length=8,
            params=SamplingParams(),
            rngs=[np.random.default_rng(1)],
        )
    )
    assert [piece for (piece,) in pieces if piece] == list(
        "\u00e9\u20ac\U0001f41d\na\u00e9\u20ac\U0001f41d"
    )


def test_sampling_does_not_accumulate_memory() -> None:
    checkpoint = wandering()
    pieces = continuations(
        checkpoint.model(),
        checkpoint.vocabulary,
        np.array([1, 2, 3]),
        length=10**9,
        params=SamplingParams(top_k=5, top_p=0.9),
        rngs=[*generators(1, range(4))],
        stop="never this",
    )
    # Only memory that charrnn's own lines allocate: elsewhere Python keeps freed tuples for reuse.
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
