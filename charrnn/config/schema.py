"""The configuration: every key with its default, what it may be, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

import yaml

from charrnn.backends.backend import BACKENDS
from charrnn.config.values import (
    Auto,
    Choice,
    Encoding,
    Interval,
    Kind,
    Nullable,
    Number,
    Paths,
    whole,
)
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES


def _key(kind: Kind, meaning: str, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


def _automatic(kind: Kind, meaning: str, null: str) -> Any:
    """A key that is settled for the text where it is null; see `charrnn.training.recipe`."""
    metadata = {"kind": Nullable(kind), "meaning": f"{meaning}; null: {null}", "automatic": True}
    return field(default=None, metadata=metadata)


MOST_SHOWN = 100_000  # characters of a sample

_FRACTION = Number(0, 1, strict_high=True)
_POSITIVE = Number(0, strict_low=True)
_NOT_NEGATIVE = Number(0)


def _hyperparameter(name: str, kind: Kind, meaning: str) -> Any:
    """A key of some optimisers; null stands for their default."""
    users = {rule: OPTIMIZERS[rule].hyperparameters.get(name) for rule in OPTIMIZERS}
    defaults = {rule: default for rule, default in users.items() if default is not None}
    (default,) = set(defaults.values())
    return _key(Nullable(kind), f"{', '.join(defaults)}: {meaning}; null: {default:g}", None)


@dataclass(frozen=True)
class DataConfig:
    """The text and how it is divided."""

    path: str | tuple[str, ...] = _key(
        Paths(), "a file, a glob or a list; relative to the configuration file"
    )
    tokens: str = _key(
        Choice(("char", "byte")), "char: Unicode code points; byte: raw bytes", "char"
    )
    encoding: str = _key(Encoding(), "of the text; not used with tokens: byte", "utf-8")
    newlines: str = _key(
        Choice(("lf", "keep")), "lf: CR LF and CR are read as LF; keep: left as they are", "lf"
    )
    valid_fraction: float = _key(
        _FRACTION, "validation part, after the training part; 0: none", 0.1
    )
    test_fraction: float = _key(_FRACTION, "test part, the end of the text; 0: none", 0.0)


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: str = _automatic(Choice(tuple(CELLS)), "kind of recurrent cell", "lstm")
    num_layers: int = _automatic(whole(1, 1000), "layers, one above the other", "2")
    hidden_size: int = _automatic(
        whole(1, 2**20), "units of a layer", "by the text and the minutes"
    )
    embedding_size: int | None = _key(
        Nullable(whole(1, 2**20)), "width of a learnt input embedding; null: one-hot input", None
    )
    dropout: float = _automatic(
        _FRACTION,
        "share of each layer's outputs dropped on the way up, in training",
        "by text, model and epochs",
    )
    dropout_per: str = _automatic(
        Choice(("step", "window")),
        "step: other outputs are dropped at each step; window: the same at all steps of a window",
        "window",
    )
    weight_dropout: float = _automatic(
        _FRACTION,
        "share of the recurrent weights dropped, others for each window, in training",
        "by text, model and epochs",
    )

    def __str__(self) -> str:
        """Return the size in words, as in 'lstm 2 x 128'."""
        return f"{self.cell} {self.num_layers} x {self.hidden_size}"


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained."""

    batch_size: int = _automatic(
        whole(1, 10**6),
        "parallel streams of text",
        "32, or fewer for a small text, at least as many as workers",
    )
    seq_length: int = _automatic(
        whole(1, 10**6), "steps back-propagated through", "80, or fewer for a small text"
    )
    streams: str = _automatic(
        Choice(("fixed", "fresh")),
        "fixed: the same cuts in each epoch; fresh: others, the text taken as a ring",
        "fresh",
    )
    max_epochs: int | None = _automatic(
        whole(1),
        "passes over the training part",
        "by the text's size, unless there is another limit",
    )
    max_steps: int | None = _key(
        Nullable(whole(1)), "updates; the first of the limits reached ends the run", None
    )
    max_minutes: float | None = _key(
        Nullable(Number(0, 1_000_000, strict_low=True)),
        "time limit, by which a cosine goes too; what follows from the clock does not repeat",
        None,
    )
    optimizer: str = _key(Choice(tuple(OPTIMIZERS)), "update rule", "adamw")
    learning_rate: float = _automatic(_POSITIVE, "step size", "by optimizer, cell, size and length")
    momentum: float | None = _hyperparameter("momentum", _FRACTION, "share of the velocity kept")
    decay_rate: float | None = _hyperparameter("decay_rate", _FRACTION, "decay of the mean square")
    beta1: float | None = _hyperparameter("beta1", _FRACTION, "decay of the mean")
    beta2: float | None = _hyperparameter("beta2", _FRACTION, "decay of the mean square")
    epsilon: float | None = _hyperparameter("epsilon", _POSITIVE, "keeps the divisor from 0")
    weight_decay: float | None = _automatic(
        _NOT_NEGATIVE,
        "adamw: shrinks the weights, not the biases",
        f"{OPTIMIZERS['adamw'].hyperparameters['weight_decay']:g}, or less for a long text",
    )
    schedule: str = _key(
        Choice(tuple(SCHEDULES)), "how the learning rate goes on after warm-up", "cosine"
    )
    warmup_steps: int = _automatic(
        whole(0), "steps of linear warm-up", "a twentieth of all, at most 200"
    )
    decay_every: int | str = _key(
        Interval("epoch"), "step, exponential: steps, or epoch, for one decay_factor", "epoch"
    )
    decay_factor: float = _key(
        Number(0, 1, strict_low=True), "step, exponential: the rate is multiplied by it", 0.97
    )
    min_learning_rate: float = _key(_NOT_NEGATIVE, "the schedule goes no lower", 0.0)
    clip_norm: float | None = _key(
        Nullable(_POSITIVE), "bound on the gradient's global norm; null: none", 5.0
    )
    clip_value: float | None = _key(
        Nullable(_POSITIVE), "bound on each element of the gradient, instead of clip_norm", None
    )
    log_every: int = _key(whole(1), "steps between training lines in metrics.jsonl", 10)
    validate_every: int | str = _automatic(
        Interval("epoch"),
        "steps, or epoch, between validations",
        "an epoch, or what makes 2 to 50 of them",
    )
    patience: int | None = _key(
        Nullable(whole(1)),
        "validations without a new best before the run ends; null: no limit",
        None,
    )
    checkpoint_every: int | str = _key(
        Interval("s"), "steps between writes of last.npz, or seconds: 60s", "60s"
    )
    sample_length: int = _key(
        whole(0, MOST_SHOWN), "characters of a sample shown at each validation; 0: none", 0
    )
    workers: int | str = _key(
        Auto(whole(1, 1024)),
        "processes that share the batch's streams; auto: by cores and batch size",
        "auto",
    )
    backend: str = _key(
        Choice(("auto", *BACKENDS)), "who does the inner loops; auto: numba where installed", "auto"
    )

    @property
    def has_limit(self) -> bool:
        """Whether it says how long the training is."""
        return any(getattr(self, limit) is not None for limit in LIMITS)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration, every value checked.

    As it is written it may leave automatic keys open, which are then None; before a model is made
    of it, `charrnn.training.recipe.fill_defaults` fills them in.
    """

    seed: int = _key(
        whole(0, 2**32 - 1), "of initial weights, dropout, fresh streams and samples shown", 1
    )
    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and scalars, as YAML and JSON take them."""
        plain = asdict(self)
        if isinstance(self.data.path, tuple):
            plain["data"]["path"] = list(self.data.path)
        return plain

    def to_yaml(self) -> str:
        """Return the configuration as a file that `load_config` reads."""
        plain = self.to_dict()
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) == plain:
            return text
        return yaml.safe_dump(plain, sort_keys=False)  # PyYAML reads U+0085 as a line's end


LIMITS = ("max_epochs", "max_steps", "max_minutes")  # of the section train
# What makes the shape of a model, so that weights fit from one to another.
SHAPE = ("cell", "num_layers", "hidden_size", "embedding_size")

SECTIONS: dict[str, type[Any]] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig}


def automatic_keys() -> list[str]:
    """Return the keys that are settled for the text where they are null."""
    return [key for key, spec in all_keys().items() if spec.get("automatic")]


def unset_keys(config: Config) -> list[str]:
    """Return the keys that are still to be settled."""
    values = config.to_dict()
    closed = {
        "train.max_epochs": config.train.has_limit,
        "train.weight_decay": "weight_decay"
        not in OPTIMIZERS[config.train.optimizer].hyperparameters,
    }
    keys = [key for key in automatic_keys() if value_of(values, key) is None]
    return [key for key in keys if not closed.get(key, False)]


def value_of(values: Mapping[str, Any], dotted: str) -> Any:
    """Return a value of what `Config.to_dict` makes, by its dotted key."""
    section, _, key = dotted.rpartition(".")
    return values[section][key] if section else values[key]


def all_keys() -> dict[str, Mapping[str, Any]]:
    """Return every key in its dotted form, with its kind, meaning and default."""
    keys: dict[str, Mapping[str, Any]] = {}
    for section, cls in (("", Config), *SECTIONS.items()):
        for f in fields(cls):
            if f.metadata:
                dotted = f"{section}.{f.name}" if section else f.name
                keys[dotted] = {**f.metadata, "default": f.default}
    return keys
