"""The verdict of a page: what the loss means, and whether more training would help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from charrnn.report.history import History
from charrnn.report.verdict import Verdict, verdict
from charrnn.report.views import LabelFigures, Views, inspect_model
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.text.part import own_corpus


@pytest.fixture
def newest(drawn: Path) -> Checkpoint:
    return load_checkpoint(drawn / "runs" / "tiny" / "last.npz")


@pytest.fixture
def views(newest: Checkpoint) -> Views:
    corpus = own_corpus(newest.config.data, newest.text_sha256, cut=newest.cut)
    return inspect_model(newest, corpus)


def history_of(losses: list[float]) -> History:
    """Return a history of 60 steps with these validation losses, evenly spaced."""
    steps = np.linspace(60 / len(losses), 60, len(losses))
    empty = np.array([], np.float64)
    names = ("step", "loss_nats", "learning_rate", "gradient_norm", "chars_per_s")
    train = dict.fromkeys(names, empty) | {"step": np.array([60.0]), "loss_nats": np.array([1.0])}
    return History(train, {"step": steps, "loss_nats": np.array(losses)}, (), empty, 1.0, 0)


def judged(
    newest: Checkpoint, views: Views | None, losses: list[float], **counters: Any
) -> Verdict:
    """Return the verdict on a run with such losses."""
    best = int(np.argmin(losses))
    found = replace(
        newest.counters,
        step=60,
        best_step=int(60 * (best + 1) / len(losses)),
        best_loss_nats=losses[best],
        **counters,
    )
    return verdict(history_of(losses), replace(newest, counters=found), views, 60)


def test_the_loss_in_equally_likely_characters(newest: Checkpoint) -> None:
    found = judged(newest, None, [1.6, 1.3863])
    assert "of text that it has not seen" in found.headline
    assert "as if between 4.0 equally likely characters (1.386 nats/char)" in found.headline
    assert "nearly always sure" in judged(newest, None, [1.6, 0.05]).headline


def test_a_loss_that_still_falls(newest: Checkpoint, views: Views) -> None:
    alike = views._replace(mean_nats=1.5, seen_nats=1.48)
    assert "still learning" in judged(newest, alike, [2.5, 2.0, 1.7, 1.6, 1.5, 1.4]).state
    assert "It is done" in judged(newest, alike, [1.8, 1.41, 1.4, 1.4, 1.4, 1.4]).state


def test_a_model_that_knows_its_training_text_better(newest: Checkpoint, views: Views) -> None:
    apart = views._replace(mean_nats=1.5, seen_nats=0.9)
    found = judged(newest, apart, [1.8, 1.41, 1.4, 1.4, 1.4, 1.4])
    assert "(0.90 nats/char against 1.50): it has begun to memorise" in found.state
    falling = judged(newest, apart, [2.5, 2.0, 1.7, 1.6, 1.5, 1.4])
    assert falling.state.startswith("It was still learning at the end: more time will")
    assert "so more text or more dropout will, too" in falling.state


def test_memorising_is_not_judged_without_the_text(newest: Checkpoint) -> None:
    for losses in ([2.5, 2.0, 1.7, 1.6, 1.5, 1.4], [1.8, 1.41, 1.4, 1.4, 1.4, 1.4]):
        assert "memorised" not in judged(newest, None, losses).state


def test_a_run_out_of_patience_needs_no_more_time(newest: Checkpoint) -> None:
    losses = [2.5, 2.0, 1.7, 1.6, 1.5, 1.5]
    assert "more time will" in judged(newest, None, losses).state
    assert "It is done" in judged(newest, None, losses, out_of_patience=True).state


def test_a_single_validation_does_not_show_whether_it_was_learning(newest: Checkpoint) -> None:
    assert "validated near its end only" in judged(newest, None, [1.5]).state


def test_a_model_that_tells_all_labels_is_done(newest: Checkpoint, views: Views) -> None:
    found: Any = SimpleNamespace(accuracy=0.9, majority=("a", 0.5))
    labelled = views._replace(labels=LabelFigures("the validation part", found, [], []))
    falling = [2.5, 2.0, 1.7, 1.6, 1.5, 1.4]
    assert "tells the label of 90% of the records" in judged(newest, labelled, falling).headline
    assert "still learning" in judged(newest, labelled, falling).state
    found.accuracy = 1.0
    assert "It is done" in judged(newest, labelled, falling).state


def test_a_best_model_long_before_the_end(newest: Checkpoint) -> None:
    one_epoch = replace(newest, steps_per_epoch=10)
    train = replace(newest.config.train, validate_every=10)
    one_epoch = replace(one_epoch, config=replace(newest.config, train=train))
    found = judged(one_epoch, None, [2.0, 1.5, 1.6, 1.7, 1.8, 1.9])
    assert "the best model is that of epoch 2" in found.state


def test_a_training_that_is_not_finished(newest: Checkpoint) -> None:
    train = replace(newest.config.train, max_steps=600)
    longer = replace(newest, config=replace(newest.config, train=train))
    assert "at step 60 of 600" in judged(longer, None, [1.6, 1.5]).state


def test_no_better_than_guessing(newest: Checkpoint) -> None:
    assert "no better than guessing" in judged(newest, None, [9.0, 8.0]).state


def test_without_a_validation_part(newest: Checkpoint) -> None:
    newest = replace(newest, counters=replace(newest.counters, best_loss_nats=None))
    history = replace(history_of([1.0]), valid={"step": np.array([]), "loss_nats": np.array([])})
    found = verdict(history, newest, None, 60)
    assert "of its own training text" in found.headline
    assert "data.valid_fraction" in found.state


def test_nothing_to_judge_yet(newest: Checkpoint) -> None:
    assert "no model yet" in verdict(history_of([1.0]), None, None, 0).headline
    fresh = replace(newest, counters=replace(newest.counters, best_loss_nats=None))
    empty = History(
        {"loss_nats": np.array([])}, {"loss_nats": np.array([])}, (), np.array([]), 0, 0
    )
    assert "Nothing has been measured" in verdict(empty, fresh, None, 0).headline
