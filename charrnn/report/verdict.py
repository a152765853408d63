"""What a training has come to, in plain words, and what would help."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from charrnn.errors import plural, singular
from charrnn.report.history import History
from charrnn.report.views import Views
from charrnn.runs.checkpoint import Checkpoint
from charrnn.training.limits import Limits
from charrnn.training.memorising import early_best_epoch

_GUESSING = 0.97  # of log V; a loss above is no better than guessing
_GAP = 0.12  # of the loss; a model that knows its training text better by more has memorised it
_LEAST_GAP = 0.03  # nats
_FALLING = 0.01  # of the loss; a best that is better by more than that of _LATE is still falling
_LEAST_FALL = 0.003  # nats
_ALL = 0.995  # of the records; who tells the labels of more has nothing left to learn
_LATE = 0.75  # of the steps


class Verdict(NamedTuple):
    """What a training has come to."""

    headline: str  # what the loss means
    state: str  # learning still, memorising, or done, and what would help


def verdict(history: History, newest: Checkpoint | None, views: Views | None, step: int) -> Verdict:
    """Return the verdict on a run.

    Args:
        history: of the run.
        newest: checkpoint of the run; None if there is none.
        views: of the best model; None if its text is gone.
        step: reached by the training.
    """
    if newest is None:
        return Verdict("There is no model yet.", "The training has not written a checkpoint.")
    loss = history.best[1] if history.best else newest.counters.best_loss_nats
    seen = loss is None
    if loss is None:
        losses = history.train["loss_nats"]
        loss = float(losses[-1]) if len(losses) else math.nan
    if not math.isfinite(loss):
        return Verdict("Nothing has been measured yet.", "The first figures come after some steps.")
    return Verdict(_headline(loss, seen, newest, views), _state(loss, history, newest, views, step))


def _headline(loss: float, seen: bool, newest: Checkpoint, views: Views | None) -> str:
    """Return what a loss means.

    Args:
        loss: nats per token.
        seen: whether the loss is that of the training text.
        newest: the checkpoint.
        views: of the model.
    """
    if views and views.labels:
        found = views.labels.found
        label, share = found.majority
        return (
            f"It tells the label of {found.accuracy:.0%} of the records in {views.labels.part}; "
            f"always “{label}” would be right for {share:.0%}."
        )
    token, data = newest.config.data.tokens, newest.config.data
    of = "records" if data.records else "text"
    if newest.vocabulary.prompt_end is not None:
        of = "replies"
    where = "of its own training text" if seen else f"of {of} that it has not seen"
    choices = math.exp(loss)
    number = f"{choices:.1f}" if choices < 10 else f"{choices:,.0f}"
    if choices < 1.1:
        return f"The model is nearly always sure of the next {singular(token)} {where}."
    return (
        f"Before each {singular(token)} {where}, the model hesitates as if between {number} "
        f"equally likely {plural(token)} ({loss:.3f} nats/{token})."
    )


def _state(
    loss: float, history: History, newest: Checkpoint, views: Views | None, step: int
) -> str:
    """Return whether the training is done, and what would help."""
    counters, V = newest.counters, newest.vocabulary.size
    limits = Limits.of(newest.config.train, newest.steps_per_epoch or 1)
    guesses = loss > _GUESSING * math.log(V)
    epoch = early_best_epoch(counters, newest.config.train, limits)
    if epoch is not None and not guesses:
        return (
            f"It has memorised: the best model is that of epoch {epoch:,}, and later ones do worse "
            "on what they have not seen. More text, more dropout or fewer epochs would help; more "
            "time would not."
        )
    if not (counters.out_of_time or counters.out_of_patience or limits.out_of_steps(step)):
        total = f" of {limits.total_steps:,}" if limits.total_steps else ""
        return f"The training is not finished: it is at step {step:,}{total}."
    if guesses:
        return (
            f"That is no better than guessing among all {V}. A lower train.learning_rate, a longer "
            "training or more text may help."
        )
    if history.best is None:
        return (
            "Without a validation part, nothing shows whether it learned or memorised; "
            "data.valid_fraction keeps one."
        )
    if views and views.labels and views.labels.found.accuracy > _ALL:
        return "It is done: there is hardly a record whose label it does not tell."
    return _advice(_was_falling(history, loss), newest, views)


def _advice(was_falling: bool | None, newest: Checkpoint, views: Views | None) -> str:
    """Return what would help a model that has learned something.

    Args:
        was_falling: whether its loss was falling at the end; None if nothing shows it.
        newest: checkpoint of the run.
        views: of the best model.
    """
    token, memorised, unlike = newest.config.data.tokens, "", ""
    if views and views.seen_nats is not None:
        memorised = ", and it has hardly memorised anything yet"
        if _gap(views.mean_nats, views.seen_nats):
            memorised = ""
            unlike = (
                f"It knows what it was trained on much better ({views.seen_nats:.2f} nats/{token} "
                f"against {views.mean_nats:.2f})"
            )
    if was_falling and not newest.counters.out_of_patience:
        also = f". {unlike}, so more text or more dropout will, too" if unlike else memorised
        return f"It was still learning at the end: more time will make it better{also}."
    if unlike:
        return (
            f"{unlike}: it has begun to memorise. More text or more dropout would help more than "
            "more time."
        )
    if was_falling is None:
        return (
            "It was validated near its end only, so nothing shows whether it was still learning; a "
            "lower train.validate_every would."
        )
    not_memorised = ", and has not memorised" if memorised else ""
    return (
        f"It is done: it has learned what its size and time allow{not_memorised}. A larger "
        "model.hidden_size, with more time, would learn more."
    )


def _gap(nats: float, seen_nats: float) -> bool:
    """Return whether a model knows what it was trained on much better than other text."""
    return nats - seen_nats > max(_GAP * nats, _LEAST_GAP)


def _was_falling(history: History, loss: float) -> bool | None:
    """Return whether the best validation loss is clearly below that of the last quarter's start.

    None if there was no validation before.
    """
    steps, losses = history.valid["step"], history.valid["loss_nats"]
    before = losses[(steps <= _LATE * history.steps) & np.isfinite(losses)]
    if not len(before):
        return None
    return float(before.min()) - loss > max(_FALLING * loss, _LEAST_FALL)
