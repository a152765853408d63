"""From a gradient to an update: clipping, learning rate schedules, optimizers.

Everything works in place on flat vectors of P parameters: an update is a few passes over them, and
the global norm is one dot product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.kernels.arrays import Array

OptState = tuple[Array, ...]


def clip_by_norm(gradient: Array, max_norm: float) -> float:
    """Scale the gradient down, in place, to a Euclidean norm of at most `max_norm`.

    The direction does not change (Pascanu, Mikolov and Bengio 2013).

    Returns:
        The norm before clipping.
    """
    norm = flat_norm(gradient)
    if norm > max_norm:
        gradient *= max_norm / norm
    return norm


def clip_by_value(gradient: Array, limit: float) -> None:
    """Clip every element of the gradient, in place, to [-limit, limit]."""
    np.clip(gradient, -limit, limit, out=gradient)


def flat_norm(vector: Array) -> float:
    """Return the Euclidean norm of a flat vector, or inf if its square overflows the dtype."""
    with np.errstate(over="ignore", under="ignore"):
        return math.sqrt(float(np.dot(vector, vector)))


_DECAY = ("decay_every", "decay_factor", "min_learning_rate")

# Each schedule with the keys that it uses in addition to learning_rate and warmup_steps.
SCHEDULES: dict[str, tuple[str, ...]] = {
    "constant": (),
    "step": _DECAY,
    "exponential": _DECAY,
    "cosine": ("min_learning_rate",),
}


def scheduled_learning_rate(
    step: int,
    *,
    schedule: str,
    learning_rate: float,
    warmup_steps: int,
    decay_every: int,
    decay_factor: float,
    min_learning_rate: float,
    total_steps: int | None,
    elapsed_share: float = 0.0,
) -> float:
    """Return the learning rate of a step, counted from 0.

    The learning rate rises linearly over the first `warmup_steps` steps. From then on, it follows
    the schedule:

        constant     does not change
        step         is multiplied by decay_factor once every decay_every steps
        exponential  falls at the same pace, but a little at every step
        cosine       falls to min_learning_rate at the end of the training: after total_steps, or
                     when elapsed_share is 1, whichever comes first; elapsed_share is the part of
                     the time limit that has passed

    The first three do not depend on `total_steps` and `elapsed_share`.
    """
    if step < warmup_steps:
        return learning_rate * (step + 1) / warmup_steps
    s = step - warmup_steps
    if schedule == "constant":
        return learning_rate
    if schedule == "step":
        return max(min_learning_rate, learning_rate * float(decay_factor ** (s // decay_every)))
    if schedule == "exponential":
        return max(min_learning_rate, learning_rate * float(decay_factor ** (s / decay_every)))
    share = elapsed_share if total_steps is None else s / max(1, total_steps - warmup_steps)
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, max(share, elapsed_share))))
    return min_learning_rate + (learning_rate - min_learning_rate) * fall


@dataclass(frozen=True)
class UpdateRule:
    """How an optimizer updates parameters.

    `update(p, g, state, learning_rate, t, scratch, **hyperparameters)` changes in place the
    parameters p (P,) and the optimizer state, one (P,) vector for each name, which starts at zero.
    It does not change the gradient g (P,). t counts the steps from 1, including skipped steps.
    scratch (2, P) is for temporary values.
    """

    state: tuple[str, ...]  # names
    learning_rate: float  # default for 256 hidden units; `charrnn.training.recipe` scales it
    hyperparameters: Mapping[str, float]  # name -> default
    update: Callable[..., None]


def _sgd(p: Array, g: Array, state: OptState, learning_rate: float, t: int, scratch: Array) -> None:  # noqa: ARG001
    """p -= learning_rate g"""
    p -= np.multiply(g, learning_rate, out=scratch[0])


def _momentum(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,  # noqa: ARG001
    scratch: Array,
    *,
    momentum: float,
) -> None:
    """v = momentum v + g, p -= learning_rate v"""
    (v,) = state
    v *= momentum
    v += g
    p -= np.multiply(v, learning_rate, out=scratch[0])


def _rmsprop(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,  # noqa: ARG001
    scratch: Array,
    *,
    decay_rate: float,
    epsilon: float,
) -> None:
    """s = d s + (1 - d) g^2, p -= learning_rate g / (sqrt(s) + epsilon) (Tieleman, Hinton 2012)"""
    (s,) = state
    a = scratch[0]
    s *= decay_rate
    np.multiply(g, g, out=a)
    a *= 1 - decay_rate
    s += a
    _scaled(p, g, s, learning_rate, epsilon, scratch)


def _adagrad(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,  # noqa: ARG001
    scratch: Array,
    *,
    epsilon: float,
) -> None:
    """s += g^2, p -= learning_rate g / (sqrt(s) + epsilon) (Duchi, Hazan and Singer 2011)"""
    (s,) = state
    s += np.multiply(g, g, out=scratch[0])
    _scaled(p, g, s, learning_rate, epsilon, scratch)


def _adam(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,
    scratch: Array,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """p -= learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)

    m and v are running means of g and g^2; the divisors correct their bias (Kingma and Ba 2015).
    """
    _update_means(g, state, scratch, beta1, beta2)
    m, v = state
    root = math.sqrt(1 - beta2**t)
    _scaled(p, m, v, learning_rate * root / (1 - beta1**t), epsilon * root, scratch)


def _cautious_adam(
    p: Array,
    g: Array,
    state: OptState,
    learning_rate: float,
    t: int,
    scratch: Array,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """Adam, but only where the update goes down the present gradient (Liang et al. 2024).

    k = 1 where m g > 0, else 0, and Adam's update is multiplied by k / mean(k). The mean is over
    all parameters: those that move go further, to make up for those that stay.
    """
    _update_means(g, state, scratch, beta1, beta2)
    m, v = state
    root = math.sqrt(1 - beta2**t)
    agreed = scratch[0]
    np.greater(np.multiply(m, g, out=agreed), 0, out=agreed)
    share = max(1.0, float(agreed.sum(dtype=np.float64))) / agreed.size
    agreed *= m
    _scaled(
        p, agreed, v, learning_rate * root / (1 - beta1**t) / share, epsilon * root, scratch[::-1]
    )


def _update_means(g: Array, state: OptState, scratch: Array, beta1: float, beta2: float) -> None:
    """m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2"""
    m, v = state
    a = scratch[0]
    m *= beta1
    m += np.multiply(g, 1 - beta1, out=a)
    v *= beta2
    np.multiply(g, g, out=a)
    a *= 1 - beta2
    v += a


def _scaled(
    p: Array, g: Array, square: Array, learning_rate: float, epsilon: float, scratch: Array
) -> None:
    """p -= learning_rate g / (sqrt(square) + epsilon)"""
    a, b = scratch
    np.sqrt(square, out=a)
    a += epsilon
    np.divide(g, a, out=b)
    b *= learning_rate
    p -= b


_ADAM = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}

OPTIMIZERS: dict[str, UpdateRule] = {
    "sgd": UpdateRule((), 0.5, {}, _sgd),
    "momentum": UpdateRule(("v",), 0.05, {"momentum": 0.9}, _momentum),
    "rmsprop": UpdateRule(("s",), 2e-3, {"decay_rate": 0.95, "epsilon": 1e-8}, _rmsprop),
    "adagrad": UpdateRule(("s",), 0.05, {"epsilon": 1e-8}, _adagrad),
    "adam": UpdateRule(("m", "v"), 2e-2, _ADAM, _adam),
    # Decoupled weight decay (Loshchilov and Hutter 2019): `Optimizer` applies it before Adam.
    "adamw": UpdateRule(("m", "v"), 2e-2, {**_ADAM, "weight_decay": 0.1}, _adam),
    "cadamw": UpdateRule(("m", "v"), 2e-2, {**_ADAM, "weight_decay": 0.1}, _cautious_adam),
}


class Optimizer:
    """An update rule with its state.

    Args:
        name: a key of OPTIMIZERS.
        hyperparameters: values by name, as in the rule.
        parameters: (P,), the vector to update; only its size and dtype are used here.
        decayed: the parts of the vector that weight decay applies to, the matrices.
        update: another implementation of the rule's update, by default its own.
    """

    def __init__(
        self,
        name: str,
        hyperparameters: Mapping[str, float],
        parameters: Array,
        decayed: Sequence[slice] = (),
        update: Callable[..., None] | None = None,
    ) -> None:
        rule = OPTIMIZERS[name]
        self._update = update or rule.update
        self._hyperparameters = dict(hyperparameters)
        self._weight_decay = self._hyperparameters.pop("weight_decay", 0.0)
        self._decayed = decayed
        self._scratch = np.empty((2, parameters.size), parameters.dtype)
        self.state: dict[str, Array] = {name: np.zeros_like(parameters) for name in rule.state}

    def update(self, parameters: Array, gradient: Array, learning_rate: float, t: int) -> None:
        """Update the parameters in place; t counts the steps from 1, including skipped steps."""
        if self._weight_decay:
            for part in self._decayed:
                parameters[part] *= 1 - learning_rate * self._weight_decay
        self._update(
            parameters,
            gradient,
            tuple(self.state.values()),
            learning_rate,
            t,
            self._scratch,
            **self._hyperparameters,
        )
