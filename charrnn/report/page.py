"""A page about runs: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from charrnn import __version__
from charrnn.checkpoint import Checkpoint, load_checkpoint
from charrnn.config import all_keys, value_of
from charrnn.errors import CharRNNError, CheckpointError, RunError
from charrnn.report.charts import (
    HISTORY_CHARTS,
    Named,
    gradient_chart,
    library,
    svg_chart,
)
from charrnn.report.history import History, read_history
from charrnn.report.views import Views, views_of
from charrnn.reporting import duration
from charrnn.runs import RunFolder
from charrnn.visible import visible

_TITLES = {
    "loss": "Loss, nats/char",
    "rate": "Learning rate",
    "norm": "Gradient norm, before clipping",
    "speed": "Speed, characters/s",
}
_MOST_RUNS = 6  # as many as there are colours
_MOST_SAMPLES = 12
_SAMPLE_CHARS = 600


class Run(NamedTuple):
    """A run as a page shows it."""

    name: str
    history: History
    checkpoint: Checkpoint | None
    no_checkpoint: str  # why there is none
    views: Views | None
    no_views: str


def read_run(path: Path, name: str) -> Run:
    """Read a run's metrics and its best model.

    Raises:
        RunError: it is not a run's folder.
    """
    folder = RunFolder(path)
    if not folder.holds_run():
        raise RunError(f"{path}: is not a run's folder; name one, as in runs/tales")
    history = read_history(folder.metrics)
    checkpoint, problem = None, "The training has not written a checkpoint yet."
    for file in (folder.best, folder.last):
        if checkpoint is None and file.exists():
            try:
                checkpoint = load_checkpoint(file)
            except CheckpointError as error:
                problem = str(error)
    views, no_views = None, problem
    if checkpoint:
        try:
            views = views_of(checkpoint)
        except CharRNNError as error:
            no_views = str(error)
    return Run(name, history, checkpoint, problem, views, no_views)


def page(runs: Sequence[Run]) -> str:
    """Return the page about some runs.

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
    environment.filters["visible"] = visible
    named = [Named(run.name, run.history, _clip_norm(run)) for run in runs]
    charts = [
        (_TITLES[name], svg_chart(partial(draw, named), "step", name))
        for name, draw in HISTORY_CHARTS.items()
    ]
    text: str = environment.get_template("page.html").render(
        version=__version__,
        runs=runs,
        charts=charts,
        facts=[_facts(run) for run in runs],
        differences=_differences(runs),
        samples=[_samples(run) for run in runs],
        gradients=[
            svg_chart(
                partial(gradient_chart, run.views.curves), "steps back", f"gradients-{number}"
            )
            if run.views
            else ""
            for number, run in enumerate(runs)
        ],
        configurations=[run.checkpoint.config.to_yaml() if run.checkpoint else "" for run in runs],
    )
    return text


def _gradients(run: Run, number: int) -> str:
    if run.views is None:
        return ""
    return svg_chart(partial(gradient_chart, run.views.curves), "steps back", f"gradients{number}")


def _clip_norm(run: Run) -> float | None:
    return run.checkpoint.config.train.clip_norm if run.checkpoint else None


def _facts(run: Run) -> list[tuple[str, str]]:
    """What is to be known of a run at a glance."""
    history, facts = run.history, []
    if best := history.best:
        facts.append(("best validation", f"{best[1]:.4f} nats/char at step {best[0]:,}"))
    elif run.checkpoint and not run.checkpoint.config.data.valid_fraction:
        facts.append(("validation", "none: data.valid_fraction is 0"))
    else:
        facts.append(("validation", "none yet"))
    if len(losses := history.train["loss_nats"]):
        facts.append(("training", f"{losses[-1]:.4f} nats/char at the end"))
    facts.append(("steps", f"{history.steps:,}"))
    if history.elapsed_s:
        facts.append(("time", duration(history.elapsed_s)))
    if run.checkpoint:
        model = run.checkpoint.config.model
        facts.append(("model", f"{model.cell} {model.num_layers} x {model.hidden_size}"))
        facts.append(("parameters", f"{run.checkpoint.parameters.size:,}"))
    if (share := history.clipped_share(_clip_norm(run))) is not None:
        facts.append(("clipped", f"{share:.1%} of the steps that were recorded"))
    if len(history.skipped):
        facts.append(("skipped", f"{len(history.skipped)} updates, as they were not finite"))
    if history.damaged:
        facts.append(("damaged", f"{history.damaged} lines of the metrics, left out"))
    return facts


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The keys whose values are not the same in all runs, each with the value in each."""
    configs = [run.checkpoint.config.to_dict() if run.checkpoint else None for run in runs]
    rows = []
    for key in all_keys():
        values = ["?" if c is None else str(value_of(c, key)) for c in configs]
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
            visible(samples[i].text[:_SAMPLE_CHARS]),
        )
        for i in sorted(chosen)
    ]
