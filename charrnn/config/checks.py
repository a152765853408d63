"""Checks of keys that depend on each other, and the defaults that follow from other keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from charrnn.config.schema import PROMPTS, TABLES, all_keys
from charrnn.errors import ConfigError, shown
from charrnn.kernels.optimizers import OPTIMIZERS, SCHEDULES

KEYS_OF_RECORDS = {  # keys of the section data, and the values of data.records that have them
    "prompt_column": TABLES,
    "reply_column": TABLES,
    "feature_columns": TABLES,
    "features_path": ("line", "paragraph", *TABLES),
    "header": ("csv", "tsv"),
    "delimiter": ("csv",),
    "prompt_separator": ("line",),
    "label_from": ("line", "paragraph"),
    "label_as": ("line", "paragraph"),
    "split_by": ("line", "paragraph", *TABLES),
    "reverse_prompts": ("line", "paragraph", *TABLES),
}
_OLD_PROMPT_WEIGHT = 0.1  # once the default, which is in the config.yaml of any older run


class Settings(NamedTuple):
    """The value of every key, and the source of those that are not defaults."""

    values: dict[str, Any]  # by key, as in 'model.cell'
    where: Mapping[str, str]  # the source of each value that is set, by key
    file: str  # stands for the source of the others

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise the error of a key."""
        where = self.where.get(key, self.file)
        raise ConfigError(f"{where}: {key}: {shown(self.values[key])} {problem}")


def check_together(settings: Settings) -> None:
    """Check values that depend on each other, and fill in those that follow from others.

    Raises:
        ConfigError: two values exclude each other.
    """
    _check_fractions(settings)
    _check_records(settings)
    _check_columns(settings)
    _fill_clipping(settings)
    _fill_hyperparameters(settings)
    _check_schedule(settings)
    values = settings.values
    rate = values["train.learning_rate"]
    if rate is not None and values["train.min_learning_rate"] > rate:
        settings.fail("train.min_learning_rate", f"is above train.learning_rate {rate}")


def _check_fractions(settings: Settings) -> None:
    values = settings.values
    keys = [f"data.{part}_fraction" for part in ("valid", "test")]
    if sum(values[key] for key in keys if not values[key.replace("fraction", "path")]) >= 1:
        settings.fail(
            max(keys, key=lambda k: (k in settings.where, values[k])),
            "leaves nothing to train on; both fractions must add up to less than 1",
        )


def _check_records(settings: Settings) -> None:
    """Refuse keys that the kind of records does not have, and tables without a reply."""
    values, keys = settings.values, all_keys()
    kind = values["data.records"]
    for key, kinds in KEYS_OF_RECORDS.items():
        default = keys[f"data.{key}"]["default"]
        if values[f"data.{key}"] != default and kind not in kinds:
            others = ", ".join(kinds)
            settings.fail(f"data.{key}", f"needs data.records to be one of {others}")
    if kind in TABLES and values["data.reply_column"] is None:
        raise ConfigError(
            f"{settings.where['data.records']}: data.records: {kind} needs data.reply_column, the "
            "column to learn, and usually data.prompt_column, the column that is given"
        )
    if values["data.features_path"]:
        _check_features_path(settings)
    if values["data.label_from"] and values["data.prompt_separator"]:
        settings.fail("data.prompt_separator", "excludes data.label_from; set one")
    has_prompts = any(values[f"data.{key}"] for key in PROMPTS)
    if values["data.split_by"] in ("prompt", "reply") and not has_prompts:
        settings.fail("data.split_by", "needs records with a prompt and a reply")
    if values["train.prompt_weight"] == _OLD_PROMPT_WEIGHT and not has_prompts:
        values["train.prompt_weight"] = None
    if values["data.reverse_prompts"] and not has_prompts:
        settings.fail("data.reverse_prompts", "needs records with a prompt and a reply")
    weights = {
        "train.prompt_weight": values["train.prompt_weight"],  # 0 for a text, where filled in
        "train.early_weight": values["train.early_weight"],
    }
    for key, is_given in weights.items():
        if is_given and not has_prompts:
            settings.fail(key, "needs records with a prompt and a reply")
    if values["data.label_as"] != "prompt" and not values["data.label_from"]:
        settings.fail("data.label_as", "needs data.label_from: file")


def _check_features_path(settings: Settings) -> None:
    """Refuse a second source of features, and parts whose features the file would not have."""
    values = settings.values
    if values["data.feature_columns"] is not None:
        settings.fail("data.features_path", "excludes data.feature_columns; set one")
    for key in ("data.valid_path", "data.test_path"):
        if values[key]:
            settings.fail(
                key,
                "has records without features, as data.features_path has those of data.path; "
                "use data.feature_columns of a table, or a fraction in place of this path",
            )


def _check_columns(settings: Settings) -> None:
    """Refuse a column on both sides, and delimiters that the reader of CSV cannot have."""
    values = settings.values
    reply = values["data.reply_column"]
    for key in ("data.prompt_column", "data.feature_columns"):
        others = values[key] if isinstance(values[key], tuple) else (values[key],)
        if reply and reply in others:
            settings.fail("data.reply_column", f"is {key} too; give two columns")
    delimiter = values["data.delimiter"] or ","
    if delimiter in '"\r':
        settings.fail("data.delimiter", "quotes a cell or ends a row; use another, such as ; or |")
    if values["data.tokens"] == "byte" and not delimiter.isascii():
        settings.fail("data.delimiter", "is several bytes, and data.tokens: byte needs ASCII")


def _fill_clipping(settings: Settings) -> None:
    values = settings.values
    if values["train.clip_value"] is None:
        return
    if "train.clip_norm" in settings.where and values["train.clip_norm"] is not None:
        settings.fail("train.clip_value", "excludes train.clip_norm; set one of them")
    values["train.clip_norm"] = None


def _fill_hyperparameters(settings: Settings) -> None:
    values, keys = settings.values, all_keys()
    name = values["train.optimizer"]
    rule = OPTIMIZERS[name]
    for parameter, default in rule.hyperparameters.items():
        key = f"train.{parameter}"
        if values[key] is None and not keys[key].get("fillable"):
            values[key] = default
    all_rules = dict.fromkeys(p for r in OPTIMIZERS.values() for p in r.hyperparameters)
    others = [p for p in all_rules if p not in rule.hyperparameters]
    wrong = [p for p in others if values[f"train.{p}"] is not None]
    if wrong:
        used = ", ".join(rule.hyperparameters) or "only learning_rate"
        problem = f"is set, but optimizer {name} does not use it (it has: {used})"
        also = "".join(f", nor train.{p}" for p in wrong[1:])
        them = "them" if wrong[1:] else "it"
        remedy = f"leave {them} out, or set {them} to null"
        settings.fail(f"train.{wrong[0]}", f"{problem}{also}; {remedy}")


def _check_schedule(settings: Settings) -> None:
    values, keys = settings.values, all_keys()
    name = values["train.schedule"]
    for parameter in dict.fromkeys(p for used in SCHEDULES.values() for p in used):
        key = f"train.{parameter}"
        if parameter not in SCHEDULES[name] and values[key] != keys[key]["default"]:
            users = ", ".join(s for s, used in SCHEDULES.items() if parameter in used)
            settings.fail(key, f"is not used by schedule {name} (only by {users})")
