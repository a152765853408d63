"""Define every key of the configuration: its default, its kind of value and its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any

import yaml

from charrnn.backends.backend import BACKENDS
from charrnn.config.values import (
    Choice,
    Column,
    Encoding,
    Kind,
    Minutes,
    Nullable,
    Number,
    OrWord,
    Paths,
    Switch,
    Text,
    whole,
)
from charrnn.kernels import CELLS
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES

TABLES = ("csv", "tsv", "jsonl")  # values of data.records
MAX_SAMPLE_LENGTH = 100_000  # characters of a sample shown in training

_FRACTION = Number(0, 1, strict_high=True)
MINUTES = Minutes(0, 1_000_000, strict_low=True)  # of a training
_POSITIVE = Number(0, strict_low=True)
_NOT_NEGATIVE = Number(0)
_STEPS_OR_EPOCH = OrWord(whole(1), "epoch", "the word epoch")


def _key(kind: Kind, meaning: str, default: Any = MISSING) -> Any:
    """Return the field of a key."""
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


def _fillable(kind: Kind, meaning: str, null: str) -> Any:
    """Return the field of a key that `charrnn.training.recipe.fill_defaults` fills in if null."""
    metadata = {"kind": Nullable(kind), "meaning": f"{meaning}; null: {null}", "fillable": True}
    return field(default=None, metadata=metadata)


def _hyperparameter(name: str, kind: Kind, meaning: str) -> Any:
    """Return the field of a key of some optimizers; null stands for their common default."""
    users = {rule: OPTIMIZERS[rule].hyperparameters.get(name) for rule in OPTIMIZERS}
    defaults = {rule: default for rule, default in users.items() if default is not None}
    assert len(set(defaults.values())) == 1, f"optimizers that share {name} must share its default"
    default = next(iter(defaults.values()))
    return _key(Nullable(kind), f"{', '.join(defaults)}: {meaning}; null: {default:g}", None)


PROMPTS = ("prompt_column", "prompt_separator", "label_from")  # one of them makes prompts


@dataclass(frozen=True)
class DataConfig:
    """The text, how it is read, and how it is divided."""

    path: str | tuple[str, ...] = _key(
        Paths(), "text file, glob or list of them, relative to the configuration file"
    )
    tokens: str = _key(
        Choice(("char", "byte")), "char: Unicode code points; byte: raw bytes", "char"
    )
    encoding: str = _key(Encoding(), "encoding of the text; not used with tokens: byte", "utf-8")
    newlines: str = _key(
        Choice(("lf", "keep")),
        "lf: reads CR LF and CR as LF; keep: leaves line ends unchanged",
        "lf",
    )
    records: str | None = _key(
        Nullable(Choice(("line", "paragraph", *TABLES))),
        "null: one text; line: each line is a record, with a begin and an end of its own; "
        "paragraph: each block between blank lines; csv, tsv, jsonl: each row of a table",
        None,
    )
    prompt_column: int | str | tuple[int | str, ...] | None = _key(
        Nullable(Column(several=True)),
        "csv, tsv, jsonl: column that the model is given, by name or number; several are joined "
        "by tabs; null: none",
        None,
    )
    reply_column: int | str | None = _key(
        Nullable(Column()), "csv, tsv, jsonl: column that the model learns to write", None
    )
    feature_columns: int | str | tuple[int | str, ...] | None = _key(
        Nullable(Column(several=True)),
        "csv, tsv, jsonl: columns of numbers that the model is given as features, by name or "
        "number; null: none",
        None,
    )
    features_path: str | tuple[str, ...] | None = _key(
        Nullable(Paths()),
        ".npy file with a row of features for each record, in their order; several are joined; "
        "null: none",
        None,
    )
    header: bool | None = _key(
        Nullable(Switch()),
        "csv, tsv: whether the first row names the columns; null: if columns are given by name",
        None,
    )
    delimiter: str | None = _key(
        Nullable(Text(single=True)), "csv: character between columns; null: a comma", None
    )
    prompt_separator: str | None = _key(
        Nullable(Text()), "line: divides each line into prompt and reply; null: none", None
    )
    label_from: str | None = _key(
        Nullable(Choice(("file",))),
        "file: the name of each file, without its ending, is the label of its records; null: none",
        None,
    )
    label_as: str = _key(
        Choice(("prompt", "reply")),
        "prompt: the model writes texts for labels of label_from; reply: it tells the label of a "
        "text",
        "prompt",
    )
    split_by: str | None = _key(
        Nullable(Choice(("prompt", "reply", "record"))),
        "side whose digest draws a record into a part, so that no two parts share it; null: the "
        "side with more distinct values",
        None,
    )
    reverse_prompts: bool | None = _key(
        Nullable(Switch()),
        "true: the model reads prompts backwards, so that their beginning is near the reply; null: "
        "if neither prompts nor replies are labels",
        None,
    )
    valid_path: str | tuple[str, ...] | None = _key(
        Nullable(Paths()),
        "text for validation, in place of a fraction; its characters are in the vocabulary",
        None,
    )
    test_path: str | tuple[str, ...] | None = _key(
        Nullable(Paths()), "text for testing, in place of a fraction; read by eval alone", None
    )
    valid_fraction: float = _key(
        _FRACTION,
        "fraction for validation: of a text, after the training part; of records, drawn by a "
        "digest; 0: none",
        0.1,
    )
    test_fraction: float = _key(
        _FRACTION,
        "fraction for testing: of a text, at its end; of records, drawn by a digest; 0: none",
        0.0,
    )

    @property
    def where(self) -> str:
        """Return what an error message calls the text: its path, or the keys of several paths."""
        if self.valid_path:
            return "data.path or data.valid_path"
        return self.path if isinstance(self.path, str) else "data.path"

    @property
    def fractions(self) -> tuple[Fraction, Fraction]:
        """Return the exact fractions of data.path for validation and for testing.

        They count as the decimals in the configuration: 0.3 is 3/10, not the nearest float. A part
        with a path of its own takes nothing from data.path.
        """
        valid = 0.0 if self.valid_path else self.valid_fraction
        test = 0.0 if self.test_path else self.test_fraction
        return Fraction(str(valid)), Fraction(str(test))

    @property
    def has_prompts(self) -> bool:
        """Whether a record is a prompt, which is given, and a reply, which is predicted."""
        return any(getattr(self, key) for key in PROMPTS)

    @property
    def has_features(self) -> bool:
        """Whether a record has features, numbers from which its first states are made."""
        return not (self.feature_columns is self.features_path is None)

    @property
    def feature_names(self) -> tuple[int | str, ...]:
        """Return the columns of features, by name or number; none of data.features_path."""
        columns = self.feature_columns
        return (columns,) if isinstance(columns, (int, str)) else columns or ()

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part."""
        return bool(self.valid_path or self.valid_fraction)


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: str = _fillable(Choice(tuple(CELLS)), "recurrent cell", "mogrifier")
    num_layers: int = _fillable(whole(1, 1000), "number of stacked layers", "2")
    hidden_size: int = _fillable(
        whole(1, 2**20), "units in each layer", "chosen for the text and the time limit"
    )
    embedding_size: int | None = _key(
        Nullable(whole(1, 2**20)), "size of a trained input embedding; null: one-hot input", None
    )
    dropout: float = _fillable(
        _FRACTION,
        "fraction of each layer's outputs dropped in training",
        "chosen for text, model and epochs",
    )
    dropout_per: str = _fillable(
        Choice(("step", "window")),
        "step: a new dropout mask at each step; window: one mask for a whole window",
        "window",
    )
    weight_dropout: float = _fillable(
        _FRACTION,
        "fraction of the recurrent weights dropped in training",
        "chosen for text, model and epochs",
    )

    def __str__(self) -> str:
        """Return the size in words, as in 'lstm 2 x 128'."""
        return f"{self.cell} {self.num_layers} x {self.hidden_size}"


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained."""

    batch_size: int = _fillable(
        whole(1, 10**6),
        "parallel streams of a text, or records side by side",
        "32 streams, fewer for a small text; as many records as give a step as many characters; "
        "at least one for each worker",
    )
    seq_length: int = _fillable(
        whole(1, 10**6),
        "steps of backpropagation through time",
        "80, fewer for a small text or short records",
    )
    streams: str = _fillable(
        Choice(("fixed", "fresh")),
        "fixed: each epoch cuts the text, or orders the records, alike; fresh: anew, with the text "
        "as a ring",
        "fresh",
    )
    max_epochs: int | None = _fillable(
        whole(1),
        "limit of passes over the training part",
        "chosen for the text unless another limit is set",
    )
    max_steps: int | None = _key(
        Nullable(whole(1)), "limit of steps; the first limit that is reached ends the run", None
    )
    max_minutes: float | None = _key(
        Nullable(MINUTES),
        "time limit; a cosine schedule follows the clock, so the result is not reproducible",
        None,
    )
    optimizer: str = _key(Choice(tuple(OPTIMIZERS)), "update rule", "cadamw")
    learning_rate: float = _fillable(
        _POSITIVE, "step size of the optimizer", "chosen for optimizer, cell, size and length"
    )
    momentum: float | None = _hyperparameter(
        "momentum", _FRACTION, "fraction of the velocity kept at each step"
    )
    decay_rate: float | None = _hyperparameter(
        "decay_rate", _FRACTION, "decay of the mean squared gradient"
    )
    beta1: float | None = _hyperparameter("beta1", _FRACTION, "decay of the mean gradient")
    beta2: float | None = _hyperparameter("beta2", _FRACTION, "decay of the mean squared gradient")
    epsilon: float | None = _hyperparameter(
        "epsilon", _POSITIVE, "keeps the divisor of the update from 0"
    )
    weight_decay: float | None = _fillable(
        _NOT_NEGATIVE,
        "adamw, cadamw: decay of the weights, not of the biases",
        f"{OPTIMIZERS['adamw'].hyperparameters['weight_decay']:g}, less for a long text",
    )
    schedule: str = _key(
        Choice(tuple(SCHEDULES)), "course of the learning rate after warm-up", "cosine"
    )
    warmup_steps: int = _fillable(
        whole(0), "steps in which the learning rate rises", "a twentieth of all steps, at most 200"
    )
    decay_every: int | str = _key(
        _STEPS_OR_EPOCH,
        "step, exponential: steps, or epoch, in which the learning rate falls by decay_factor",
        "epoch",
    )
    decay_factor: float = _key(
        Number(0, 1, strict_low=True),
        "step, exponential: the learning rate is multiplied by it in each decay_every",
        0.97,
    )
    min_learning_rate: float = _key(
        _NOT_NEGATIVE, "lower bound of the learning rate after warm-up", 0.0
    )
    clip_norm: float | None = _key(
        Nullable(_POSITIVE), "bound on the global norm of the gradient; null: none", 5.0
    )
    clip_value: float | None = _key(
        Nullable(_POSITIVE),
        "bound on each element of the gradient, instead of clip_norm; null: none",
        None,
    )
    log_every: int = _key(whole(1), "steps between training records in metrics.jsonl", 10)
    validate_every: int | str = _fillable(
        _STEPS_OR_EPOCH,
        "steps, or epoch, between validations",
        "chosen for 2 to 50 validations",
    )
    patience: int | None = _key(
        Nullable(whole(1)),
        "validations without a new best loss before the run ends; null: no limit",
        None,
    )
    valid_chars: int = _fillable(
        whole(0),
        "characters of the validation part that a validation scores, in evenly spaced stretches, "
        "or whole records; 0: all",
        "0, or fewer if they would take a twentieth of the time",
    )
    checkpoint_every: int | str = _key(
        OrWord(whole(1), r"\d+(\.\d+)?s", "seconds, as in 60s"),
        "steps, or seconds, between writes of last.npz",
        "60s",
    )
    prompt_weight: float = _fillable(
        Number(0, 1),
        "weight of the symbols of prompts in the loss; those of replies have 1",
        "0.1 if prompts or replies are labels, otherwise 0",
    )
    early_weight: float = _fillable(
        Number(0),
        "weight in the gradient of predicting a symbol of the reply at the symbols of its prompt, "
        "in all of them together",
        "1 if the replies are labels, otherwise 0",
    )
    activation_penalty: float = _fillable(
        _NOT_NEGATIVE,
        "weight in the gradient of the mean square of the last layer's output, after dropout",
        "1 for a text, 0 for records",
    )
    sample_length: int | None = _key(
        Nullable(whole(0, MAX_SAMPLE_LENGTH)),
        "characters of the sample at each validation; 0: none; null: 120 on a terminal, else none",
        None,
    )
    workers: int | str = _key(
        OrWord(whole(1, 1024), "auto", "the word auto"),
        "processes that share the streams; auto: chosen for cores and batch size",
        "auto",
    )
    backend: str = _key(
        Choice(("auto", *BACKENDS)),
        "selects the backend, NumPy or Numba; auto: Numba if it is installed",
        "auto",
    )

    @property
    def has_limit(self) -> bool:
        """Whether a key sets the length of the training."""
        return any(getattr(self, limit) is not None for limit in LIMITS)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration with checked values.

    Keys may be unset (None). `charrnn.training.recipe.fill_defaults` fills them in before a model
    is made.
    """

    seed: int = _key(
        whole(0, 2**32 - 1), "seed of initial weights, dropout, fresh streams and samples", 1
    )
    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and scalars, as YAML and JSON take them."""
        plain = asdict(self)
        for key in PATHS:
            if isinstance(paths := plain["data"][key], tuple):
                plain["data"][key] = list(paths)
        for key in ("prompt_column", "feature_columns"):
            if isinstance(columns := plain["data"][key], tuple):
                plain["data"][key] = list(columns)
        return plain

    def by_key(self) -> dict[str, Any]:
        """Return the plain values by their full keys, as in 'model.cell'."""
        values: dict[str, Any] = {}
        for name, value in self.to_dict().items():
            if name in SECTIONS:
                values |= {f"{name}.{key}": one for key, one in value.items()}
            else:
                values[name] = value
        return values

    def to_yaml(self) -> str:
        """Return the configuration as a file that `load_config` reads."""
        plain = self.to_dict()
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) == plain:
            return text
        return yaml.safe_dump(plain, sort_keys=False)  # PyYAML reads U+0085 as a line end


SECTIONS: dict[str, type[Any]] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig}
PATHS = ("path", "features_path", "valid_path", "test_path")  # of the section data
RECORD_KEYS = (  # of the section data, on which the symbols of records depend
    "prompt_column",
    "reply_column",
    "header",
    "delimiter",
    "prompt_separator",
    "label_from",
    "label_as",
)
LIMITS = ("max_epochs", "max_steps", "max_minutes")  # of the section train
# The keys of the section model on which the shapes of the weights depend.
SHAPE = ("cell", "num_layers", "hidden_size", "embedding_size")


def all_keys() -> dict[str, Mapping[str, Any]]:
    """Return every key, as in 'model.cell', with its kind, meaning and default."""
    keys: dict[str, Mapping[str, Any]] = {}
    for section, cls in (("", Config), *SECTIONS.items()):
        for f in fields(cls):
            if f.metadata:
                key = f"{section}.{f.name}" if section else f.name
                keys[key] = {**f.metadata, "default": f.default}
    return keys


def fillable_keys() -> list[str]:
    """Return the keys that `charrnn.training.recipe.fill_defaults` fills in if they are null."""
    return [key for key, spec in all_keys().items() if spec.get("fillable")]


def unset_keys(config: Config) -> list[str]:
    """Return the keys of a configuration that are null and will be filled in."""
    values, train = config.by_key(), config.train
    ready = []  # keys that may be null
    if train.has_limit:
        ready.append("train.max_epochs")
    if "weight_decay" not in OPTIMIZERS[train.optimizer].hyperparameters:
        ready.append("train.weight_decay")
    return [key for key in fillable_keys() if values[key] is None and key not in ready]
