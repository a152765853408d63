"""Choosing a token: exact probabilities, top-k, top-p, greedy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from charrnn.kernels import Array
from charrnn.model.sampling_params import SamplingParams, generators

LOGITS = np.log(np.array([0.05, 0.4, 0.02, 0.25, 0.18, 0.1]))  # of six characters
ROWS = arrays(np.float32, (3, 8), elements=st.floats(-20, 20, width=32))


def chosen(params: SamplingParams, logits: Array, seed: int) -> Array:
    """Return a code for each row of logits."""
    rngs = [*generators(seed, range(len(logits)))]
    noise = params.noise(rngs, logits.shape[1]).next()
    return params.choose(logits, noise)


def drawn(params: SamplingParams, n: int = 8000) -> Array:
    """Return the count of each character in n draws."""
    codes = chosen(params, np.tile(LOGITS, (n, 1)), seed=1)
    return np.bincount(codes, minlength=len(LOGITS))


def softened(temperature: float, *kept: int) -> Array:
    """Return the exact distribution over the characters that are kept."""
    weights = np.zeros(len(LOGITS))
    weights[list(kept)] = np.exp(LOGITS[list(kept)] / temperature)
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (SamplingParams(), softened(1, 0, 1, 2, 3, 4, 5)),
        (SamplingParams(temperature=0.5), softened(0.5, 0, 1, 2, 3, 4, 5)),
        (SamplingParams(temperature=3.0), softened(3, 0, 1, 2, 3, 4, 5)),
        (SamplingParams(top_k=3), softened(1, 1, 3, 4)),
        (SamplingParams(top_k=100), softened(1, 0, 1, 2, 3, 4, 5)),
        (SamplingParams(top_p=0.6), softened(1, 1, 3)),  # 0.4 + 0.25 >= 0.6
        (SamplingParams(top_p=0.7), softened(1, 1, 3, 4)),
        (SamplingParams(top_p=1.0), softened(1, 0, 1, 2, 3, 4, 5)),
        (SamplingParams(top_k=2, top_p=0.99), softened(1, 1, 3)),
        (SamplingParams(top_k=5, top_p=0.6), softened(1, 1, 3)),
        (SamplingParams(temperature=0.5, top_p=0.6), softened(0.5, 1, 3)),  # 0.59 and 0.23
        (SamplingParams(temperature=0.5, top_p=0.55), softened(0.5, 1)),  # after the temperature
        (SamplingParams(temperature=2.0, top_k=3), softened(2, 1, 3, 4)),
    ],
    ids=repr,
)
def test_characters_are_drawn_with_the_exact_probabilities(
    params: SamplingParams, expected: Array
) -> None:
    counts = drawn(params)
    n = counts.sum()
    assert not counts[expected == 0].any()
    kept = expected > 0
    chi_square = ((counts - n * expected)[kept] ** 2 / (n * expected[kept])).sum()
    assert chi_square < 21  # 5 degrees of freedom: exceeded once in a thousand; the seed is fixed


def test_successive_choices_have_the_exact_probabilities() -> None:
    n, params, logits = 20_000, SamplingParams(temperature=0.5), LOGITS[None].astype(np.float32)
    noise = params.noise([np.random.default_rng(1)], len(LOGITS))
    codes = np.array([params.choose(logits, noise.next())[0] for _ in range(n)])
    for which in (codes, codes[1:][codes[:-1] == 1]):  # also after one choice
        counts, expected = np.bincount(which, minlength=6), len(which) * softened(0.5, *range(6))
        assert ((counts - expected) ** 2 / expected).sum() < 21


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(greedy=True),
        SamplingParams(temperature=0),
        SamplingParams(top_k=1),
        SamplingParams(top_p=1e-9),
        SamplingParams(temperature=1e-6),
        SamplingParams(temperature=1e-310),
        SamplingParams(temperature=100, top_k=1),
    ],
    ids=repr,
)
@given(ROWS, st.integers(0, 2**32))
def test_settings_that_equal_greedy(params: SamplingParams, logits: Array, seed: int) -> None:
    rows = np.arange(len(logits))
    logits[rows, (seed + rows) % logits.shape[1]] = 21  # makes the likeliest unique
    codes = chosen(params, logits, seed)
    assert codes.tolist() == ((seed + rows) % logits.shape[1]).tolist()


@given(ROWS, st.integers(0, 2**32))
def test_impossible_characters_are_never_chosen(logits: Array, seed: int) -> None:
    logits[:, ::2] = -np.inf
    for params in (
        SamplingParams(),
        SamplingParams(temperature=10.0),
        SamplingParams(top_k=3),
        SamplingParams(top_p=1),
    ):
        assert (chosen(params, logits, seed) % 2 == 1).all()
