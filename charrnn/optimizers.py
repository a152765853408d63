"""From a gradient to an update: clipping, the learning rate's schedule, the update rules.

Everything works in place on flat vectors of P parameters, so that a rule is a few passes and the
global norm is one number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.kernels import Array


def clip_by_norm(gradient: Array, max_norm: float) -> float:
    """Scale the gradient down so that its Euclidean norm is at most `max_norm`.

    The direction stays (Pascanu, Mikolov and Bengio 2013).

    Returns:
        The norm before clipping.
    """
    norm = gradient_norm(gradient)
    if norm > max_norm:
        gradient *= max_norm / norm
    return norm


def clip_by_value(gradient: Array, limit: float) -> None:
    """Bring every element of the gradient into [-limit, limit]."""
    np.clip(gradient, -limit, limit, out=gradient)


def gradient_norm(gradient: Array) -> float:
    """The Euclidean norm of a flat gradient."""
    return math.sqrt(float(np.dot(gradient, gradient)))


SCHEDULES = ("constant", "step", "exponential", "cosine")


def scheduled_rate(
    step: int,
    *,
    schedule: str,
    learning_rate: float,
    warmup_steps: int,
    decay_every: int,
    decay_factor: float,
    min_learning_rate: float,
    total_steps: int,
) -> float:
    """Return the learning rate of a step, counted from 0.

    The first `warmup_steps` steps rise linearly to the full rate. Then, with s the steps since:
    constant stays; step multiplies by decay_factor after every `decay_every` steps; exponential
    does the same evenly at each step; cosine falls to `min_learning_rate` at the end of training.
    The first three do not depend on `total_steps`.
    """
    if step < warmup_steps:
        return learning_rate * (step + 1) / warmup_steps
    s = step - warmup_steps
    if schedule == "constant":
        return learning_rate
    if schedule == "step":
        return max(min_learning_rate, learning_rate * decay_factor ** (s // decay_every))
    if schedule == "exponential":
        return max(min_learning_rate, learning_rate * decay_factor ** (s / decay_every))
    share = s / max(1, total_steps - warmup_steps)  # of the way, 0 to 1
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return min_learning_rate + (learning_rate - min_learning_rate) * fall


@dataclass(frozen=True)
class Rule:
    """An update rule.

    `update(parameters, gradient, slots, scratch, rate, t, **hyperparameters)` changes the
    parameters and the slots (one flat vector for each name, zero at first) in place; the gradient
    stays; t counts the updates from 1; scratch is two flat vectors.
    """

    slots: tuple[str, ...]
    hyperparameters: Mapping[str, float]  # name -> default
    update: Callable[..., None]


def _sgd(p: Array, g: Array, slots: Sequence[Array], scratch: Array, rate: float, t: int) -> None:
    """p -= rate g"""
    p -= np.multiply(g, rate, out=scratch[0])


def _momentum(
    p: Array,
    g: Array,
    slots: Sequence[Array],
    scratch: Array,
    rate: float,
    t: int,
    *,
    momentum: float,
) -> None:
    """v = momentum v + g, p -= rate v"""
    (v,) = slots
    v *= momentum
    v += g
    p -= np.multiply(v, rate, out=scratch[0])


def _scaled(
    p: Array, g: Array, square: Array, scratch: Array, rate: float, epsilon: float
) -> None:
    """p -= rate g / (sqrt(square) + epsilon)"""
    a, b = scratch
    np.sqrt(square, out=a)
    a += epsilon
    np.divide(g, a, out=b)
    b *= rate
    p -= b


def _rmsprop(
    p: Array,
    g: Array,
    slots: Sequence[Array],
    scratch: Array,
    rate: float,
    t: int,
    *,
    decay_rate: float,
    epsilon: float,
) -> None:
    """s = d s + (1 - d) g^2, p -= rate g / (sqrt(s) + epsilon) (Tieleman and Hinton 2012)"""
    (s,) = slots
    s *= decay_rate
    np.multiply(g, g, out=scratch[0])
    scratch[0] *= 1 - decay_rate
    s += scratch[0]
    _scaled(p, g, s, scratch, rate, epsilon)


def _adagrad(
    p: Array,
    g: Array,
    slots: Sequence[Array],
    scratch: Array,
    rate: float,
    t: int,
    *,
    epsilon: float,
) -> None:
    """s += g^2, p -= rate g / (sqrt(s) + epsilon) (Duchi, Hazan and Singer 2011)"""
    (s,) = slots
    s += np.multiply(g, g, out=scratch[0])
    _scaled(p, g, s, scratch, rate, epsilon)


def _adam(
    p: Array,
    g: Array,
    slots: Sequence[Array],
    scratch: Array,
    rate: float,
    t: int,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """m and v: running means of g and g^2, freed of their bias to 0 (Kingma and Ba 2015)

    p -= rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
    """
    m, v = slots
    a = scratch[0]
    m *= beta1
    m += np.multiply(g, 1 - beta1, out=a)
    v *= beta2
    np.multiply(g, g, out=a)
    a *= 1 - beta2
    v += a
    root = math.sqrt(1 - beta2**t)
    _scaled(p, m, v, scratch, rate * root / (1 - beta1**t), epsilon * root)


_ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}

RULES: dict[str, Rule] = {
    "sgd": Rule((), {}, _sgd),
    "momentum": Rule(("v",), {"momentum": 0.9}, _momentum),
    "rmsprop": Rule(("s",), {"decay_rate": 0.95, "epsilon": 1e-8}, _rmsprop),
    "adagrad": Rule(("s",), {"epsilon": 1e-8}, _adagrad),
    "adam": Rule(("m", "v"), _ADAM, _adam),
    # Decoupled weight decay (Loshchilov and Hutter 2019): Adam, and the weights shrink by
    # themselves. `Optimizer` does the shrinking.
    "adamw": Rule(("m", "v"), {**_ADAM, "weight_decay": 0.01}, _adam),
}


class Optimizer:
    """A rule with its slots: what must be kept from update to update.

    Args:
        name: a key of RULES.
        hyperparameters: the rule's, by name.
        parameters: the (P,) vector to update; only its size and dtype are used.
        decayed: the parts of it that weight decay shrinks; biases are left out.
    """

    def __init__(
        self,
        name: str,
        hyperparameters: Mapping[str, float],
        parameters: Array,
        decayed: Sequence[slice] = (),
    ) -> None:
        rule = RULES[name]
        self._update = rule.update
        self._hyperparameters = dict(hyperparameters)
        self._weight_decay = self._hyperparameters.pop("weight_decay", 0.0)
        self._decayed = decayed
        self._scratch = np.empty((2, parameters.size), parameters.dtype)
        self.slots: dict[str, Array] = {slot: np.zeros_like(parameters) for slot in rule.slots}

    def update(self, parameters: Array, gradient: Array, rate: float, t: int) -> None:
        """Change the parameters in place; t counts the updates from 1."""
        if self._weight_decay:
            for part in self._decayed:
                parameters[part] *= 1 - rate * self._weight_decay
        slots = list(self.slots.values())
        self._update(
            parameters, gradient, slots, self._scratch, rate, t, **self._hyperparameters
        )
