"""A self-contained HTML page about one or several runs."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.config.paths import each_path
from charrnn.config.schema import PATHS, Config, all_keys
from charrnn.errors import CharRNNError, CheckpointError, TextError, counted, plural
from charrnn.inspection.colours import ACTIVATION, NATS
from charrnn.model.language_model import LanguageModel
from charrnn.report.charts import HISTORY_CHARTS, PlottedRun, gradient_chart
from charrnn.report.figures import PageChart, import_matplotlib, page_chart
from charrnn.report.history import History, read_history
from charrnn.report.verdict import verdict
from charrnn.report.views import Views, inspect_model
from charrnn.report.writing import CopiedStretch, Written, longest_copied, write
from charrnn.runs.checkpoint import Checkpoint, load_checkpoint
from charrnn.runs.folder import RunFolder
from charrnn.runs.load import model_of
from charrnn.system.terminal import duration, visible
from charrnn.text.part import own_corpus
from charrnn.training.limits import Limits

MAX_RUNS = 6  # one for each colour
_MAX_SAMPLES = 9
_SAMPLE_CHARS = 400
_LINE_CHARS = 120  # of an odd line


class Run(NamedTuple):
    """A run for a page."""

    name: str
    model: LanguageModel | None
    history: History
    newest: Checkpoint | None  # has the run's current configuration
    file: str  # name of the inspected checkpoint
    step: int  # reached by the training
    written: list[Written]
    copied: list[CopiedStretch]
    views: Views | None
    no_views: str  # why there are no views
    notes: list[str]  # warnings for the user

    @property
    def token(self) -> str:
        """What the model predicts: "char" or "byte"."""
        return self.newest.config.data.tokens if self.newest else "char"

    @property
    def clip_norm(self) -> float | None:
        """The clipping threshold."""
        return self.newest.config.train.clip_norm if self.newest else None


class ShownSample(NamedTuple):
    """A sample that was written during the training."""

    step: int
    after: str  # time since the start of the training
    loss_nats: float | None  # of the validation
    text: str


def read_run(path: Path, name: str) -> Run:
    """Read a run's metrics and inspect its best model."""
    folder = RunFolder(path)
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
        problem = "its checkpoints cannot be read" if notes else "it has no checkpoint yet"
        return Run(name, None, history, None, "", step, [], [], None, problem, notes)
    used, best = next(iter(checkpoints.items()))
    newest = checkpoints.get(folder.last.name, best)
    views, no_views, corpus = None, "", None
    written, copied = list[Written](), list[CopiedStretch]()
    data = best.config.data
    try:
        corpus = own_corpus(data, best.text_sha256, cut=best.cut)
        views = inspect_model(best, corpus)
    except TextError as error:
        problem = error.problem
        notes.append(f"{path}: the page cannot show what the model has learned: {problem}")
        for paths in filter(None, _paths(best.config)):
            for one in (paths,) if isinstance(paths, str) else paths:
                problem = problem.replace(one, os.path.basename(one))
        no_views = problem
    model = model_of(best)
    with suppress(CharRNNError):  # bytes that are no text may not be given as a prompt
        written = write(model, corpus)
        copied = [] if corpus is None else longest_copied(model, corpus, written)
    return Run(name, model, history, newest, used, step, written, copied, views, no_views, notes)


def page(runs: Sequence[Run], version: str, commands: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Return the HTML of a page.

    Args:
        runs: at most `MAX_RUNS`, from `read_run`.
        version: of charrnn, for the footer.
        commands: those that a reader of each run may want next, each after its purpose.

    Raises:
        RunError: Matplotlib or Jinja is not installed.
    """
    import_matplotlib()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("charrnn.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"visible": visible, "counted": counted, "plural": plural}
    environment.filters["shortened"] = lambda text: _shortened(text, _LINE_CHARS, newline="↵")
    environment.filters["signed"] = lambda r: f"{r:+.3f}".replace("-", "\N{MINUS SIGN}")
    plotted = [PlottedRun(run.name, run.history, run.clip_norm, run.token) for run in runs]
    charts = [
        page_chart(partial(chart.draw, plotted), chart.titled(plotted), "step", name)
        for name, chart in HISTORY_CHARTS.items()
    ]
    text: str = environment.get_template("page.html").render(
        version=version,
        runs=runs,
        NATS=NATS,
        ACTIVATION=ACTIVATION,
        charts=charts,
        facts=[_facts(run) for run in runs],
        verdicts=[verdict(run.history, run.newest, run.views, run.step) for run in runs],
        comparison=_comparison(runs),
        differences=_differences(runs),
        samples=[_samples(run) for run in runs],
        gradients=[_gradients(run, number) for number, run in enumerate(runs)],
        configurations=[_configuration(run) for run in runs],
        commands=commands,
    )
    return text


def _gradients(run: Run, number: int) -> PageChart | None:
    if run.views is None:
        return None
    draw = partial(gradient_chart, [(run.name, run.views.gradients)])
    return page_chart(draw, "Gradient norm", "steps back", f"gradients{number}")


def _comparison(runs: Sequence[Run]) -> str:
    """Return by how much the best run is better than each of the others, if they can be compared.

    Losses on different texts, or on different parts of one, say nothing about the models; nor do
    those of a character and of a byte.
    """
    scored = {
        (one.text_sha256, one.cut_points, one.config.data.tokens, one.config.train.valid_chars)
        for one in (run.newest for run in runs)
        if one
    }
    losses = [(round(run.history.best[1], 4), run.name) for run in runs if run.history.best]
    if len(runs) < 2 or len(losses) < len(runs) or len(scored) > 1:
        return ""
    (lowest, best), *others = sorted(losses)
    differences = ", ".join(f"{name} by {loss - lowest:.4f}" for loss, name in others)
    if others[0][0] == lowest:
        return f"The lowest validation loss, {lowest:.4f} nats/{runs[0].token}, is that of several."
    return visible(
        f"The lowest validation loss is that of {best}, {lowest:.4f} nats/{runs[0].token}; it is "
        f"lower than that of {differences}."
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return the labels and texts of a run's overview."""
    history, facts = run.history, []
    if best := history.best:
        facts.append(("best validation", f"{best[1]:.4f} nats/{run.token} at step {best[0]:,}"))
    elif run.newest and not run.newest.config.data.has_validation:
        facts.append(("validation", "none: data.valid_fraction is 0"))
    else:
        facts.append(("validation", "none yet"))
    if len(losses := history.train["loss_nats"]):
        shown = f"{losses[-1]:.4f} nats/{run.token} in the last steps{_beside(run.newest)}"
        facts.append(("training", shown))
    facts.append(("steps", f"{run.step:,}{_of_total(run.newest)}"))
    if history.elapsed_s:
        facts.append(("time", duration(history.elapsed_s)))
    if run.newest:
        data = run.newest.config.data
        facts.insert(0, ("records" if data.records else "text", visible(_text_name(data.path))))
        facts.append(("model", str(run.newest.config.model)))
        facts.append(("parameters", f"{run.newest.parameters.size:,}"))
    if (share := history.clipped_share(run.clip_norm)) is not None:
        facts.append(("gradients clipped", f"in {share:.1%} of the recorded steps"))
    if len(history.skipped):
        facts.append(("updates skipped", f"{len(history.skipped)}, because they were not finite"))
    if history.damaged:
        facts.append(("damaged lines", f"{history.damaged} of the metrics, ignored"))
    return facts


def _beside(checkpoint: Checkpoint | None) -> str:
    """Return why the loss of a training is not that of a validation, though it fits as well."""
    if checkpoint is None:
        return ""
    model, train = checkpoint.config.model, checkpoint.config.train
    prompts = checkpoint.vocabulary.prompt_end is not None and (
        train.prompt_weight or train.early_weight
    )
    reasons = ["with dropout"] * bool(model.dropout or model.weight_dropout)
    reasons += ["of prompts, too"] * bool(prompts)
    return "".join(f", {reason}" for reason in reasons)


def _of_total(checkpoint: Checkpoint | None) -> str:
    """Return the limits of a training, in steps and in time."""
    if checkpoint is None or checkpoint.steps_per_epoch is None:
        return ""
    limits = Limits.of(checkpoint.config.train, checkpoint.steps_per_epoch)
    or_time = f", or {duration(limits.total_s)}" if limits.total_s else ""
    return f" of {limits.total_steps:,}{or_time}" if limits.total_steps else or_time


def _text_name(path: str | Sequence[str]) -> str:
    """Return a text's name without its folders, which a shared page must not reveal."""
    return os.path.basename(path) if isinstance(path, str) else counted(len(path), "file")


def _configuration(run: Run) -> str:
    if run.newest is None:
        return ""
    config = run.newest.config
    names = [each_path(os.path.basename, paths) for paths in _paths(config)]
    changes: dict[str, Any] = dict(zip(PATHS, names, strict=True))
    return replace(config, data=replace(config.data, **changes)).to_yaml()


def _paths(config: Config) -> list[str | tuple[str, ...] | None]:
    return [getattr(config.data, key) for key in PATHS]


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return the keys whose values differ between the runs, each with the value in every run."""
    configs = [run.newest.config.by_key() for run in runs if run.newest]
    if len(configs) < len(runs):  # every key would differ from a missing configuration
        return []
    rows = []
    for key in all_keys():
        values = [str(config[key]) for config in configs]
        if key.removeprefix("data.") in PATHS:
            values = [str(config[key] and _text_name(config[key])) for config in configs]
        if len(set(values)) > 1:
            rows.append((key, values))
    return rows


def _samples(run: Run) -> list[ShownSample]:
    """Return samples evenly spaced over the training."""
    samples = run.history.samples
    most = min(_MAX_SAMPLES, len(samples))
    chosen = {round(i * (len(samples) - 1) / max(1, most - 1)) for i in range(most)}
    return [
        ShownSample(
            one.step,
            duration(one.elapsed_s) if math.isfinite(one.elapsed_s) else "",
            one.loss_nats,
            visible(_shortened(one.text, _SAMPLE_CHARS)),
        )
        for one in (samples[i] for i in sorted(chosen))
    ]


def _shortened(text: str, most: int, newline: str = "\n") -> str:
    return (text if len(text) <= most else f"{text[:most]}…").replace("\n", newline)
