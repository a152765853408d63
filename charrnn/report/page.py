"""A page about runs: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from charrnn.config.schema import all_keys, value_of
from charrnn.errors import CheckpointError, RunError, TextError
from charrnn.report.charts import (
    HISTORY_CHARTS,
    NamedRun,
    gradient_chart,
    library,
    svg_chart,
)
from charrnn.report.history import History, read_history
from charrnn.report.views import Views, views_of
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.system.terminal import duration, visible
from charrnn.text.corpus import cut_points
from charrnn.text.streams import windows_in_epoch
from charrnn.training.limits import Limits

_TITLES = {
    "loss": "Loss in nats",
    "rate": "Learning rate",
    "norm": "Gradient norm, before clipping",
    "speed": "Speed, characters/s",
}
_NO_CHECKPOINT = "its training has not written a checkpoint yet"
_MOST_RUNS = 6  # as many as there are colours
_MOST_SAMPLES = 12
_SAMPLE_CHARS = 600


class Run(NamedTuple):
    """A run as a page shows it."""

    name: str
    history: History
    newest: Checkpoint | None  # of which the configuration is
    file: str  # of the model that is looked at
    step: int  # that the training has reached
    views: Views | None
    no_views: str  # why there are none
    notes: list[str]  # what is to be told where the page is made


def read_run(path: Path, name: str) -> Run:
    """Read a run's metrics and its best model.

    Raises:
        RunError: it is not a run's folder.
    """
    folder = RunFolder(path)
    if not folder.holds_run():
        raise RunError(f"{path}: is not a run's folder; name one, as in runs/tales")
    history, notes = read_history(folder.metrics), list[str]()
    checkpoints: dict[str, Checkpoint] = {}
    for file in (folder.best, folder.last):
        if file.exists():
            try:
                checkpoints[file.name] = load_checkpoint(file)
            except CheckpointError as error:
                notes.append(error.problem)
    step = max([history.steps, *(one.counters.step for one in checkpoints.values())])
    if not checkpoints:
        problem = "its checkpoints cannot be read" if notes else _NO_CHECKPOINT
        return Run(name, history, None, "", step, None, problem, notes)
    used, best = next(iter(checkpoints.items()))
    newest = checkpoints.get(folder.last.name, best)
    views, no_views = None, ""
    try:
        views = views_of(best)
    except TextError as error:
        problem = error.problem.split(";")[0]
        notes.append(f"{path}: the page is without the views of the model: {problem}")
        data = best.config.data
        for one in (data.path,) if isinstance(data.path, str) else data.path:
            problem = problem.replace(one, _text_name(one))
        no_views = problem
    return Run(name, history, newest, used, step, views, no_views, notes)


def page(runs: Sequence[Run], version: str) -> str:
    """Return the page about some runs.

    Args:
        runs: as `read_run` returns them.
        version: of charrnn, for the footer.

    Raises:
        RunError: there are too many, or what draws is not installed.
    """
    if len(runs) > _MOST_RUNS:
        raise RunError(f"{len(runs)} runs are too many for a page; name at most {_MOST_RUNS}")
    library()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("charrnn.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["unit_of"] = _unit
    environment.filters["visible"] = visible
    environment.filters["signed"] = lambda r: f"{r:+.3f}".replace("-", "\N{MINUS SIGN}")
    named = [NamedRun(run.name, run.history, _clip_norm(run), _unit(run)) for run in runs]
    charts = [
        (_TITLES[name], svg_chart(partial(draw, named), "step", name))
        for name, draw in HISTORY_CHARTS.items()
    ]
    text: str = environment.get_template("page.html").render(
        version=version,
        runs=runs,
        charts=charts,
        facts=[_facts(run) for run in runs],
        differences=_differences(runs),
        samples=[_samples(run) for run in runs],
        gradients=[_gradients(run, number) for number, run in enumerate(runs)],
        configurations=[_configuration(run) for run in runs],
    )
    return text


def _gradients(run: Run, number: int) -> str:
    if run.views is None:
        return ""
    return svg_chart(partial(gradient_chart, run.views.curves), "steps back", f"gradients{number}")


def _unit(run: Run) -> str:
    """What a loss is told of: a character, or a byte."""
    return run.newest.config.data.tokens if run.newest else "char"


def _clip_norm(run: Run) -> float | None:
    return run.newest.config.train.clip_norm if run.newest else None


def _facts(run: Run) -> list[tuple[str, str]]:
    """What is to be known of a run at a glance."""
    history, facts = run.history, []
    if best := history.best:
        facts.append(("best validation", f"{best[1]:.4f} nats/{_unit(run)} at step {best[0]:,}"))
    elif run.newest and not run.newest.config.data.valid_fraction:
        facts.append(("validation", "none: data.valid_fraction is 0"))
    else:
        facts.append(("validation", "none yet"))
    if len(losses := history.train["loss_nats"]):
        facts.append(("training", f"{losses[-1]:.4f} nats/{_unit(run)} in the last steps"))
    facts.append(("steps", f"{run.step:,}{_of_all(run.newest)}"))
    if history.elapsed_s:
        facts.append(("time", duration(history.elapsed_s)))
    if run.newest:
        facts.insert(0, ("text", visible(_text_name(run.newest.config.data.path))))
        model = run.newest.config.model
        facts.append(("model", f"{model}"))
        facts.append(("parameters", f"{run.newest.parameters.size:,}"))
    if (share := history.clipped_share(_clip_norm(run))) is not None:
        facts.append(("gradients clipped", f"in {share:.1%} of the steps recorded"))
    if len(history.skipped):
        facts.append(("updates skipped", f"{len(history.skipped)}, as they were not finite"))
    if history.damaged:
        facts.append(("lines damaged", f"{history.damaged} of the metrics, left out"))
    return facts


def _of_all(checkpoint: Checkpoint | None) -> str:
    """How many steps a training has in all, where that is settled beforehand."""
    if checkpoint is None or checkpoint.text_chars is None:
        return ""
    train = checkpoint.config.train
    n, _ = cut_points(checkpoint.text_chars, checkpoint.config.data)
    limits = Limits.of(train, windows_in_epoch(n, train))
    of_time = f", or {duration(limits.total_s)}" if limits.total_s else ""
    return f" of {limits.total_steps:,}{of_time}" if limits.total_steps else of_time


def _text_name(path: str | Sequence[str]) -> str:
    """A text's name without its folders, which are nobody's business."""
    return os.path.basename(path) if isinstance(path, str) else f"{len(path)} files"


def _configuration(run: Run) -> str:
    if run.newest is None:
        return ""
    config = run.newest.config
    path = config.data.path
    names = _text_name(path) if isinstance(path, str) else tuple(map(_text_name, path))
    return replace(config, data=replace(config.data, path=names)).to_yaml()


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The keys whose values are not the same in all runs, each with the value in each."""
    configs = [run.newest.config.to_dict() for run in runs if run.newest]
    if len(configs) < len(runs):  # a table with a gap would say that everything differs
        return []
    rows = []
    for key in all_keys():
        values = [str(value_of(config, key)) for config in configs]
        if key == "data.path":
            values = [_text_name(value_of(config, key)) for config in configs]
        if len(set(values)) > 1:
            rows.append((key, values))
    return rows


def _samples(run: Run) -> list[tuple[int, float | None, str]]:
    """Some samples, from the first to the last, evenly over the training."""
    samples = run.history.samples
    most = min(_MOST_SAMPLES, len(samples))
    chosen = {round(i * (len(samples) - 1) / max(1, most - 1)) for i in range(most)}
    return [
        (
            samples[i].step,
            samples[i].loss_nats,
            visible(samples[i].text[:_SAMPLE_CHARS])
            + ("…" if len(samples[i].text) > _SAMPLE_CHARS else ""),
        )
        for i in sorted(chosen)
    ]
