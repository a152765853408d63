"""Optimizer, gradient clipping and learning rate schedule, as the configuration sets them."""

from __future__ import annotations

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array
from charrnn.kernels.optimizers import (
    OPTIMIZERS,
    Optimizer,
    clip_by_norm,
    clip_by_value,
    flat_norm,
    scheduled_learning_rate,
)
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_slices
from charrnn.training.limits import Limits


def new_optimizer(train: TrainConfig, model: Model) -> Optimizer:
    """Return the optimizer of a model's parameters; weight decay applies to matrices only."""
    slices = parameter_slices(model.shapes)
    matrices = [slices[name] for name, shape in model.shapes.items() if len(shape) == 2]
    names = OPTIMIZERS[train.optimizer].hyperparameters
    return Optimizer(
        train.optimizer,
        {name: getattr(train, name) for name in names},
        model.parameters,
        matrices,
        model.backend.updates.get(train.optimizer),
    )


def clip_gradient(gradient: Array, train: TrainConfig) -> float:
    """Clip a gradient (P,) in place, by norm or by value; return its norm before clipping."""
    if train.clip_norm is not None:
        return clip_by_norm(gradient, train.clip_norm)
    norm = flat_norm(gradient)
    if train.clip_value is not None:
        clip_by_value(gradient, train.clip_value)
    return norm


def scheduled_rate(
    step: int, train: TrainConfig, limits: Limits, elapsed_share: float = 0.0
) -> float:
    """Return the scheduled learning rate of a step.

    Args:
        step: counted from 0.
        train: configuration with `learning_rate`, schedule, warm-up and decay.
        limits: limits of the training; a cosine schedule ends at the nearer one.
        elapsed_share: elapsed share of `limits.total_s`.
    """
    return scheduled_learning_rate(
        step,
        schedule=train.schedule,
        learning_rate=train.learning_rate,
        warmup_steps=train.warmup_steps,
        decay_every=limits.steps(train.decay_every),
        decay_factor=train.decay_factor,
        min_learning_rate=train.min_learning_rate,
        total_steps=limits.total_steps,
        elapsed_share=elapsed_share,
    )
