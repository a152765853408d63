"""The commands that come after a training: to use its model, to resume it, to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from charrnn.config.schema import TrainConfig
from charrnn.model.language_model import LanguageModel


class Command(NamedTuple):
    """A command that a reader may want next."""

    purpose: str
    command: str


def commands_for_model(model: LanguageModel, name: str) -> list[Command]:
    """Return the commands that use a model.

    Args:
        model: the model.
        name: an argument that names its run.
    """
    name, given = shlex.quote(name), ""
    if model.scale is not None:
        given = f" --features {','.join(f'{one:.3g}' for one in model.scale.mean)}"
    if model.labels.replies:
        first = Command("predict a label", f"predict TEXT --model {name}{given}")
    elif model.labels.prompts:
        label = shlex.quote(model.vocabulary.decode(model.labels.prompts[0]))
        first = Command("write", f"sample {name} --prompt {label}{given} -n 10")
    elif model.vocabulary.prompt_end is not None:
        first = Command("predict a reply", f"predict PROMPT --model {name}{given}")
    elif given:
        first = Command("write", f"sample {name}{given} -n 10")
    elif model.vocabulary.end is not None:
        first = Command("write new ones", f"sample {name} -n 100 --new")
    else:
        first = Command("write", f"sample {name}")
    found = [first, Command("score", f"eval {name}"), Command("see all", f"report {name}")]
    return [Command(purpose, f"charrnn {command}") for purpose, command in found]


def commands_for_run(train: TrainConfig, reached: Sequence[str], path: str) -> list[Command]:
    """Return the commands that resume a run, and that run it again.

    Args:
        train: its configuration.
        reached: the limits that ended it, from `reached_limits`; none if it is not finished.
        path: of its folder.
    """
    config, again = shlex.quote(f"{path}/config.yaml"), shlex.quote(f"{path}-again")
    purpose, keys = "resume", list[str]()
    if reached == ["patience"]:
        purpose, keys = "resume, twice as patient", ["patience"]
    elif reached:
        purpose, keys = "resume, twice as long", ["max_epochs", "max_steps", "max_minutes"]
        keys += ["patience"] * ("patience" in reached)
    further = "".join(f" --set train.{key}={value}" for key, value in _doubled(train, keys))
    return [
        Command(purpose, f"charrnn train {config} --resume{further}"),
        Command("run it again", f"charrnn train {config} --run-dir {again}"),
    ]


def _doubled(train: TrainConfig, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Return the limits of a training that are set, each twice as high."""
    values = [(key, getattr(train, key)) for key in keys]
    return [
        (key, str(2 * value) if isinstance(value, int) else f"{2 * value:g}")
        for key, value in values
        if value is not None
    ]
