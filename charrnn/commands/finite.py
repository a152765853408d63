"""A kind of option: a number that is one."""

from __future__ import annotations

import math
from typing import Any

import click


class Finite(click.FloatRange):
    """A float within bounds; nan is within none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be used here.", param, ctx)
        return number
