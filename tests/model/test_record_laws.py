"""Laws of records: how they are put side by side changes no gradient and no score."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_scoring import plain_loop

from charrnn.config.reader import override_defaults
from charrnn.config.schema import DataConfig, ModelConfig
from charrnn.kernels import CELLS, Array
from charrnn.model.evaluation import Score, read_windows, score
from charrnn.model.model import Model
from charrnn.model.parameters import initial_parameters, parameter_views
from charrnn.text import records as records_module
from charrnn.text.labels import early_codes
from charrnn.text.load import load_corpus
from charrnn.text.records import RecordCorpus
from charrnn.text.windows import EarlyTargets

TRAIN = override_defaults().train
each_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws") / "list.txt"


def lists(longest: int, records: int) -> st.SearchStrategy[list[str]]:
    """Draw records, few of them long."""
    lengths = st.integers(1, 9) | st.integers(1, longest)
    draw = st.tuples(lengths, st.integers(0, 3)).map(
        lambda one: ("abac" * longest)[one[1] :][: one[0]]
    )
    return st.lists(draw, min_size=1, max_size=records)


def corpus_of(path: Path, names: list[str], *, prompts: bool = False, F: int = 0) -> RecordCorpus:
    """Return records, all for training; the first half of each is its prompt, if they have one."""
    halves = (f"{one[: len(one) // 2]}={one[len(one) // 2 :]}" for one in ["abc", *names])
    path.write_text("\n".join(halves if prompts else ["abc", *names]))
    data = DataConfig(str(path), records="line", valid_fraction=0.0)
    data = replace(data, prompt_separator="=" if prompts else None)
    if F:
        np.save(path.with_suffix(".npy"), features_of(len(names) + 1, F))
        data = replace(data, features_path=str(path.with_suffix(".npy")))
    return cast(RecordCorpus, load_corpus(data))


def features_of(n: int, F: int) -> Array:
    """Return the features of the records of a file, (n, F)."""
    return 1000 + 7 * np.random.default_rng(6).standard_normal((n, F))


def standardised(corpus: RecordCorpus, F: int) -> dict[int, Array | None]:
    """Return the features of each record (1, F), by the place of its end."""
    ends = [*record_codes(corpus)]
    if not F:
        return dict.fromkeys(ends)
    values = features_of(len(ends), F)
    deviation = values.std(0)
    rows = (values - values.mean(0)) / np.where(deviation, deviation, 1)
    return {end: row[None].astype(np.float32) for end, row in zip(ends, rows, strict=True)}


def record_codes(corpus: RecordCorpus) -> dict[int, Array]:
    """Return each record as it is read, with begin and end (n,), by the place of its end."""
    ends = np.flatnonzero(corpus.codes == corpus.vocabulary.end).tolist()
    found = {last: corpus.codes[first : last + 1].astype(np.intp) for first, last in pairwise(ends)}
    if corpus.vocabulary.reverse_prompts:
        for codes in found.values():
            prompt = codes.tolist().index(corpus.vocabulary.prompt_end)
            codes[1:prompt] = codes[1:prompt][::-1].copy()
    return found


def weights_of(corpus: RecordCorpus, record: Array, prompt_weight: float) -> Array:
    """Return the weights (n - 1,) of the symbols of a record (n,) after its begin."""
    prompt_end = corpus.vocabulary.prompt_end
    prompt = 0 if prompt_end is None else int(np.flatnonzero(record == prompt_end)[0])
    return np.where(np.arange(1, len(record)) <= prompt, np.float32(prompt_weight), 1)


def early_of(corpus: RecordCorpus, record: Array, weight: float) -> tuple[Array, Array]:
    """Return the first symbol of a record's reply (1,), and its weights (n - 1,) as a target."""
    shares = np.zeros(len(record) - 1, np.float32)
    if corpus.vocabulary.prompt_end is None:
        return np.zeros(1, np.intp), shares
    prompt = int(np.flatnonzero(record == corpus.vocabulary.prompt_end)[0])  # after its text
    shares[1:prompt] = np.float32(weight) / np.float32(max(1, prompt - 1))
    reply = record[prompt + 1 : -1].astype(corpus.codes.dtype)
    code = early_codes(corpus.labels.replies).get(reply.tobytes(), int(record[prompt + 1]))
    return np.array([code]), shares


def small_model(cell: str, V: int, dtype: type = np.float64, F: int = 0) -> Model:
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=3)
    parameters = initial_parameters(config, V, seed=3, dtype=np.float64, F=F)
    parameters += 0.5 * np.random.default_rng(4).standard_normal(parameters.size)
    return Model(config, V, parameters.astype(dtype), F=F)


@settings(max_examples=15)
@given(
    lists(20, 8),
    st.integers(1, 12),
    st.integers(1, 8),
    st.sampled_from(["fresh", "fixed"]),
    st.lists(st.integers(0, 12), max_size=3),
    st.booleans(),
    st.integers(0, 2),
)
def test_the_workers_read_the_rows_of_the_whole(
    path: Path,
    names: list[str],
    N: int,
    T: int,
    streams: str,
    cuts: list[int],
    prompts: bool,
    F: int,
) -> None:
    train = replace(TRAIN, batch_size=N, seq_length=T, streams=streams, early_weight=0.7)
    corpus = corpus_of(path, names, prompts=prompts, F=F)
    windows, others = (corpus.training_windows(train, 2) for _ in range(2))
    parts = [slice(*ends) for ends in pairwise([0, *sorted(min(cut, N) for cut in cuts), N])]
    for step in range(2 * windows.windows):
        whole = windows.window(step)
        each = [others.window(step, part) for part in parts]
        assert {one.fresh for one in each} == {whole.fresh}
        for field in ("inputs", "targets", "weights"):
            joined = np.concatenate([getattr(one, field) for one in each], axis=1)
            assert np.array_equal(joined, getattr(whole, field)), field
        assert (whole.features is not None) == (whole.fresh and F > 0)
        if whole.features is not None:
            rows = [one.features for one in each if one.features is not None]
            assert np.array_equal(np.concatenate(rows), whole.features)
        assert (whole.early is None) != prompts
        if whole.early is not None:
            early = [one.early for one in each if one.early is not None]
            for axis, joint in enumerate(zip(*early, strict=True)):
                assert np.array_equal(np.concatenate(joint, axis), whole.early[axis])
        assert whole.weights is not None
        assert whole.weights.sum() == pytest.approx(windows.weight(step), rel=1e-6)
        assert windows.weight(step) == others.weight(step)


@each_cell
@settings(max_examples=9)
@given(
    lists(25, 9),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([None, 0.0, 0.3]),
    st.integers(0, 3),
)
def test_padding_changes_no_gradient(
    path: Path,
    cell: str,
    names: list[str],
    N: int,
    T: int,
    workers: int,
    prompt: float | None,
    F: int,
) -> None:
    """The gradients of an epoch add up to those of its records alone, for any rows and workers.

    The records may have prompts of some weight, and features.
    """
    corpus = corpus_of(path, names, prompts=prompt is not None, F=F)
    model = small_model(cell, len(corpus.vocabulary), F=F)
    features = standardised(corpus, F)
    train = replace(TRAIN, batch_size=N, seq_length=T, prompt_weight=prompt or 0, early_weight=0.6)
    windows = corpus.training_windows(train, 1)
    total, alone = np.zeros((2, model.parameters.size))
    write = np.empty_like(total)
    views = parameter_views(write, model.shapes)
    nats = nats_alone = 0.0
    for worker in range(workers):
        rows = slice(N * worker // workers, N * (worker + 1) // workers)
        states = model.zero_states(rows.stop - rows.start)
        for step in range(windows.windows if states[0][0].size else 0):
            inputs, targets, weights, fresh, early, first_of = windows.window(step, rows)
            if fresh:
                states = model.zero_states(inputs.shape[1])
            loss, states = model.loss_gradient(
                inputs,
                targets,
                states,
                views,
                scale=1.0,
                weights=weights,
                early=early,
                features=first_of,
            )
            total += write
            nats += loss
    for last, record in record_codes(corpus).items():
        states, weights = model.zero_states(1), weights_of(corpus, record, prompt or 0)
        first, shares = early_of(corpus, record, 0.6)
        for t in range(0, len(record) - 1, T):
            codes = record[t : t + T + 1, None]
            here = slice(t, t + T)
            loss, states = model.loss_gradient(
                codes[:-1],
                codes[1:],
                states,
                views,
                scale=1.0,
                weights=weights[here, None],
                early=EarlyTargets(first, shares[here, None]),
                features=None if t else features[last],
            )
            alone += write
            nats_alone += loss
    assert nats == pytest.approx(nats_alone, rel=1e-12)
    assert np.linalg.norm(total - alone) <= 1e-12 * np.linalg.norm(alone)
    for name, view in parameter_views(alone, model.shapes).items():
        # Features get no gradient from a first window that has prompts alone.
        assert view.any() or (prompt == 0 and name.startswith("features."))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@each_cell
@settings(max_examples=6)
@given(lists(150, 7), st.integers(1, 9), st.integers(1, 400), st.booleans(), st.integers(0, 2))
def test_a_score_depends_on_the_record_alone(
    path: Path,
    cell: str,
    dtype: type,
    tolerance: float,
    names: list[str],
    workers: int,
    together: int,
    prompts: bool,
    F: int,
) -> None:
    """Neither on the batch nor on neighbours nor on the number of workers, some without a row."""
    corpus = corpus_of(path, names, prompts=prompts, F=F)
    model, part = small_model(cell, len(corpus.vocabulary), dtype, F), corpus.everything
    features = standardised(corpus, F)
    nats, total = np.zeros(len(corpus.codes)), Score(0, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_module, "_SCORED", together)
        for worker in range(workers):
            share = (worker, workers)
            for window in read_windows(model, corpus.scoring_windows(*part, share), model.score):
                nats[window.positions[window.scored]] += window.result[window.scored]
            total += score(model, corpus.scoring_windows(*part, share))
    records = record_codes(corpus)
    counted = {last: weights_of(corpus, r, 0) for last, r in records.items()}
    expected = {
        last: float(counted[last] @ plain_loop(model, r, 1, len(r), 0, features[last]))
        for last, r in records.items()
    }
    for last, record in records.items():
        found = nats[last - len(record) + 2 : last + 1].sum()
        assert found == pytest.approx(expected[last], rel=tolerance)
    assert total.nats == pytest.approx(sum(expected.values()), rel=tolerance)
    assert total.chars == corpus.scored(*part) == sum(map(np.sum, counted.values()))
