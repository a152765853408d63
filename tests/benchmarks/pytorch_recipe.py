"""Recipes of other programs in PyTorch: what a script of its own makes of the same minutes.

    python tests/benchmarks/pytorch_recipe.py char-rnn TEXT --minutes 1 5 20
    python tests/benchmarks/pytorch_recipe.py nanogpt TEXT --minutes 5

The recipes are those of `char_rnn_recipe.py` and `nanogpt_recipe.py`. One trains on the first part
of the text and validates on stretches of the second part. After a validation, training takes 19
times as long before the next one, so that validations take a twentieth of the time. When the
minutes are over, the last validation included, the model with the lowest validation loss is scored
on the last part, each character once; the first one is predicted from the text before it. The clock
counts steps and validations, except for one before the first step, and stands still while the last
part is scored.

Prints a JSON line for each validation, and one for each number of minutes. char-rnn's recipe does
not depend on the length of the training, so that one run gives the figures of several lengths.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from char_rnn_recipe import CharRNN
from nanogpt_recipe import NanoGPT
from text_parts import cut_points, read_text, stretches

PAUSE = 19  # seconds of training for each second of validation


class Clock:
    """The time of a training, in seconds."""

    def __init__(self) -> None:
        self._start, self._stopped_s = time.perf_counter(), math.inf

    @property
    def s(self) -> float:
        return min(self._stopped_s, time.perf_counter() - self._start)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out a while."""
        self._stopped_s = self.s
        yield
        self._start = time.perf_counter() - self._stopped_s
        self._stopped_s = math.inf


class Training:
    """A training with a clock, and its best model.

    Args:
        recipe: the model, and its steps.
        cuts: where the parts of the text end.
    """

    def __init__(self, recipe: CharRNN | NanoGPT, cuts: list[int]) -> None:
        self.recipe, self.cuts = recipe, cuts
        self.best_nats, self.best = math.inf, recipe.model.state_dict()
        self.steps, self.more = 0, True
        self.due_s = self.validation_s = 0.0
        self.clock = Clock()
        with self.clock.stopped():
            self.validate()

    def run(self, budget_s: float) -> None:
        """Train until so many seconds are over, with a last validation."""
        while self.more and self.clock.s + self.validation_s < budget_s:
            if self.clock.s >= self.due_s:
                self.validate()
            self.more = self.recipe.step(self.clock.s / budget_s)
            self.steps += self.more
        self.validate()

    def validate(self) -> None:
        """Print the loss on stretches of the validation part, and keep the best model."""
        began = time.perf_counter()
        loss_nats = self._loss_nats(*stretches(*self.cuts[:2]))
        if loss_nats < self.best_nats:
            self.best_nats, self.best = loss_nats, copy.deepcopy(self.recipe.model.state_dict())
        self.validation_s = time.perf_counter() - began
        self.due_s = self.clock.s + PAUSE * self.validation_s
        tell(s=round(self.clock.s, 2), step=self.steps, valid_nats=loss_nats)

    def score(self, minutes: float) -> None:
        """Print the loss of the best model on the last part."""
        with self.clock.stopped():
            now = copy.deepcopy(self.recipe.model.state_dict())
            self.recipe.model.load_state_dict(self.best)
            start, end = self.cuts[-2:]
            test_nats = self._loss_nats([start], end - start)
            self.recipe.model.load_state_dict(now)
            tell(
                minutes=minutes,
                s=round(self.clock.s, 2),
                step=self.steps,
                valid_nats=self.best_nats,
                test_nats=test_nats,
                test_chars=end - start,
                parameters=sum(one.numel() for one in self.recipe.model.parameters()),
                torch=torch.__version__,
            )

    def _loss_nats(self, firsts: list[int], length: int) -> float:
        self.recipe.model.eval()
        loss_nats = self.recipe.loss_nats(firsts, length)
        self.recipe.model.train()
        return loss_nats


def tell(**figures: object) -> None:
    """Print a JSON line."""
    print(json.dumps(figures), flush=True)


def main() -> None:
    """Train and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=["char-rnn", "nanogpt"])
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[3], help="of training")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=128, help="char-rnn: units of a layer")
    parser.add_argument("--dropout", type=float, default=0.0, help="char-rnn")
    parser.add_argument(
        "--parts",
        type=int,
        nargs="+",
        default=[80, 10, 10],
        help="percents of the parts; of two, the second is for validation and is scored in the end",
    )
    arguments = parser.parse_args()
    if arguments.recipe == "nanogpt" and len(arguments.minutes) > 1:
        parser.error("nanogpt: one number of minutes, as its cosine depends on it")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(arguments.seed)
    text = read_text(arguments.text)
    numbers = {symbol: k for k, symbol in enumerate(sorted(set(text)))}
    codes = torch.tensor([numbers[symbol] for symbol in text])
    cuts, V = cut_points(len(text), arguments.parts), len(numbers)
    recipe = (
        CharRNN(codes, cuts[0], V, arguments.hidden, arguments.dropout)
        if arguments.recipe == "char-rnn"
        else NanoGPT(codes, cuts[0], V)
    )
    training = Training(recipe, cuts)
    for minutes in sorted(arguments.minutes):
        training.run(60 * minutes)
        training.score(minutes)


if __name__ == "__main__":
    main()
