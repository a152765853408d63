"""Random trainings, each stopped at random steps and resumed: the bits must not change."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count as numbers
from itertools import cycle
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import assert_same_run, tiny_text, write_config
from torture.lists import KINDS, list_of_records
from torture.tables import COLUMNS, TABLES, table

from charrnn.backends.backend import resolve_backend
from charrnn.config.reader import load_config
from charrnn.errors import RunError
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES
from charrnn.runs.checkpoint import load_checkpoint
from charrnn.training.reporter import Reporter
from charrnn.training.train import train

_LOT = 3  # configurations
_MOST_CHARS = 1200

# Values of the hyperparameters of optimisers.
HYPERPARAMETERS: dict[str, st.SearchStrategy[float]] = {
    "momentum": st.floats(0, 0.95),
    "decay_rate": st.floats(0.5, 0.99),
    "beta1": st.floats(0, 0.95),
    "beta2": st.floats(0.5, 0.999),
    "epsilon": st.floats(1e-8, 1e-3),
    "weight_decay": st.floats(0, 0.1),
}

# Values of the keys of schedules.
SCHEDULED: dict[str, st.SearchStrategy[Any]] = {
    "decay_every": st.just("epoch") | st.integers(1, 20),
    "decay_factor": st.floats(0.3, 1),
    "min_learning_rate": st.sampled_from([0, 1e-5]),
}


class Kill(Exception):  # noqa: N818
    """Stands for a kill: nothing is saved."""


class Stop(Reporter):
    """Stops a training after a step, by a signal or by a kill."""

    def __init__(self, at: int, by_signal: bool) -> None:
        self._at, self._by_signal = at, by_signal

    def begin(self, step: int, total: int | None, left_s: float | None, tokens: str) -> None:  # noqa: ARG002
        self._step = step

    def step(self, epoch: int, chars: int, loss_nats: float, seconds: float) -> None:  # noqa: ARG002
        self._step += 1
        if self._step != self._at:
            return
        if not self._by_signal:
            raise Kill
        signal.raise_signal(signal.SIGINT)


@st.composite
def overrides(draw: st.DrawFn, cell: str, kinds: Sequence[str | None]) -> dict[str, Any]:
    """Draw overrides of the tiny configuration: everything that a resume restores."""
    optimizer = draw(st.sampled_from(sorted(OPTIMIZERS)))
    schedule = draw(st.sampled_from(sorted(SCHEDULES)))
    valid_fraction = draw(st.sampled_from([0, 0.1, 0.25]))
    clip = draw(st.sampled_from(["norm", "value", "none"]))
    batch_size = draw(st.integers(1, 6))
    every = st.integers(1, 20)
    records = draw(st.sampled_from(kinds))
    prompts: dict[str, Any] = {}
    if records in TABLES:
        sides = st.sampled_from([None, "prompt", "record"])
        prompts = {**COLUMNS, "data.split_by": draw(sides)}
        prompts["train.prompt_weight"] = draw(st.sampled_from([0, 0.1, 1]))
        prompts["data.reverse_prompts"] = draw(st.sampled_from([None, True, False]))
        prompts["train.early_weight"] = draw(st.sampled_from([0, 0.5, 3]))
        prompts["data.feature_columns"] = draw(st.sampled_from([None, "size", ["size", "size"]]))
    return {
        **prompts,
        "seed": draw(st.integers(0, 2**32 - 1)),
        "data.tokens": draw(st.sampled_from(["char", "byte"])),
        "data.records": records,
        "data.valid_fraction": valid_fraction,
        "data.test_fraction": draw(st.sampled_from([0, 0.1])),
        "model.cell": cell,
        "model.num_layers": draw(st.integers(1, 3)),
        "model.hidden_size": draw(st.integers(1, 9)),
        "model.embedding_size": draw(st.none() | st.integers(1, 5)),
        "model.dropout": draw(st.sampled_from([0, 0.1, 0.5])),
        "model.dropout_per": draw(st.sampled_from(["step", "window"])),
        "model.weight_dropout": draw(st.sampled_from([0, 0.2])),
        "train.streams": draw(st.sampled_from(["fixed", "fresh"])),
        "train.batch_size": batch_size,
        "train.seq_length": draw(st.integers(1, 12)),
        **draw(st.sampled_from([{"train.max_epochs": 1}, {"train.max_epochs": 2}, {}])),
        "train.max_steps": draw(st.integers(2, 80)),
        "train.optimizer": optimizer,
        "train.learning_rate": draw(st.floats(1e-4, 0.01 if clip == "none" else 0.1)),
        **{
            f"train.{name}": draw(HYPERPARAMETERS[name])
            for name in sorted(OPTIMIZERS[optimizer].hyperparameters)
            if draw(st.booleans())
        },
        "train.schedule": schedule,
        **{f"train.{name}": draw(SCHEDULED[name]) for name in SCHEDULES[schedule]},
        "train.warmup_steps": draw(st.sampled_from([0, 7])),
        "train.activation_penalty": draw(st.sampled_from([0.0, 1.0])),
        "train.clip_norm": draw(st.floats(0.1, 5)) if clip == "norm" else None,
        "train.clip_value": draw(st.floats(0.01, 1)) if clip == "value" else None,
        "train.log_every": draw(every),
        "train.validate_every": draw(st.just("epoch") | every),
        "train.checkpoint_every": draw(st.sampled_from(["0.003s", "0.02s"]) | every),
        "train.patience": draw(st.none() | st.integers(1, 4)) if valid_fraction else None,
        "train.valid_chars": draw(st.sampled_from([0, 0, 1, 30])),
        "train.sample_length": draw(st.sampled_from([0, 5])),
        "train.workers": draw(st.integers(1, min(3, batch_size))),
        "train.backend": draw(st.sampled_from(sorted({"numpy", resolve_backend("auto")}))),
    }


# The place of each stop, as a share of the steps, and whether a signal causes it.
STOPS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=3)


def pairs(folder: Path, count: int, seed: int) -> str:
    """Train random configurations twice, once with stops and resumes, and compare the runs.

    The cells take turns, and texts, records and tables, with a few configurations each: long series
    of Hypothesis repeat themselves.
    """
    seen: Counter[str] = Counter()
    places = (folder / f"pair{number}" for number in numbers(1))
    cells, data = cycle(sorted(CELLS)), cycle([TABLES, KINDS, (None,), (*TABLES, *KINDS)])
    for lot in numbers(1):
        if seen["pairs"] >= count:
            break
        assert lot <= count, f"only {seen['pairs']} configurations could be trained"
        drawn = overrides(next(cells), next(data))
        _lot(drawn, min(_LOT, count - seen["pairs"]), seed * 1000 + lot, places, seen)
    shown = ["signals", "kills", *sorted(CELLS), "records", "prompts", "features"]
    shown += ["2 workers", "3 workers"]
    return f"{seen['pairs']} equal to the bit: " + ", ".join(f"{seen[k]} {k}" for k in shown)


def _lot(
    drawn: st.SearchStrategy[dict[str, Any]],
    count: int,
    seed: int,
    places: Iterator[Path],
    seen: Counter[str],
) -> None:
    """Try a few configurations; count what happens in `seen`."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn, STOPS)
    def resumed_equals_uninterrupted(
        values: dict[str, Any], stops: list[tuple[float, bool]]
    ) -> None:
        place = next(places)
        place.mkdir()
        records = values["data.records"]
        text = list_of_records(random.Random(1), 80) if records else tiny_text(_MOST_CHARS)
        if records in TABLES:
            text = table(random.Random(1), records, 80)
        (place / "text.txt").write_text(text, encoding="utf-8")
        try:
            done = _pair(place, values, stops)
        except RunError:  # a divergence is not tested here
            hypothesis.reject()
        except Exception as problem:  # name the configuration of any failure
            raise AssertionError(f"{values}, {stops}: {problem!r}") from problem
        finally:
            shutil.rmtree(place)
        seen.update(done)
        seen.update({"pairs": 1, values["model.cell"]: 1, "records": int(records is not None)})
        seen["prompts"] += records in TABLES
        seen["features"] += bool(values.get("data.feature_columns"))
        seen[f"{values['train.workers']} workers"] += 1

    resumed_equals_uninterrupted()


def _pair(place: Path, values: dict[str, Any], stops: list[tuple[float, bool]]) -> Counter[str]:
    """Train without and with stops; return how often a signal and a kill stopped the second run."""
    config = load_config(write_config(place, values))
    whole, resumed = place / "whole", place / "resumed"
    total = train(config, whole).steps
    done: Counter[str] = Counter()
    for at, by_signal in sorted((1 + int(share * (total - 1)), how) for share, how in stops):
        try:
            # It ends without an exception if an earlier stop came at the same step.
            train(config, resumed, resume=True, reporter=Stop(at, by_signal))
        except Kill:
            done["kills"] += 1
        except KeyboardInterrupt:
            assert load_checkpoint(resumed / "last.npz").counters.step == at
            done["signals"] += 1
    train(config, resumed, resume=True)
    assert_same_run(resumed, whole)
    return done
