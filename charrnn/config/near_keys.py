"""Finds the configuration keys that are probably meant by a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import fields

from charrnn.config.schema import SECTIONS, all_keys

_MOST = 3  # keys that are named


def keys_like(name: str) -> list[str]:
    """Return the keys, as in 'train.max_epochs', that have this name, its initials or its words.

    >>> keys_like("epochs"), keys_like("lr"), keys_like("model.batch-size")
    (['train.max_epochs'], ['train.learning_rate'], ['train.batch_size'])
    """
    section, _, last = name.replace("-", "_").rpartition(".")
    words = _words(last)
    rules: list[Callable[[str], bool]] = [
        lambda key: key == last,
        lambda key: "_" in key and "".join(word[0] for word in key.split("_")) == last,
        lambda key: bool(words) and words <= _words(key),
    ]
    for rule in rules:
        found = [key for key in all_keys() if rule(key.split(".")[-1])]
        if found:
            inside = [key for key in found if key.startswith(f"{section}.")]
            return (inside or found)[:_MOST]
    return []


def nearest_key(name: str) -> str:
    """Return the key whose spelling is nearest to a name's, in the section that it names; or ""."""
    section, dot, last = name.replace("-", "_").rpartition(".")
    of_last = {
        key.split(".")[-1]: key
        for key in reversed(all_keys())
        if not dot or key.startswith(f"{section}.")
    }
    near = difflib.get_close_matches(last, of_last, n=1)
    return of_last[near[0]] if near else ""


def advice(name: str) -> str:
    """Return what to add to the message that a name is no key: the keys that are near, or all."""
    section, dot, _ = name.partition(".")
    if section in SECTIONS:
        place, names = section, [field.name for field in fields(SECTIONS[section])]
    else:
        place, names = "the top level", [*SECTIONS, "seed"]
    if name in SECTIONS:
        return f"; it is a section: set one of its keys, as in {name}.{names[0]}=..."
    near = keys_like(name)
    near = near or ([] if dot else difflib.get_close_matches(name, names, n=1))
    near = near or [key for key in (nearest_key(name),) if key]
    return f" (did you mean {' or '.join(near)}?)" if near else f"; {place} has {', '.join(names)}"


def _words(name: str) -> set[str]:
    """Return the words of a name in the singular."""
    return {word.removesuffix("s") for word in name.split("_")} - {""}
