"""From a gradient to new parameters, as configured: clipping, the scheduled rate, the rule."""

from __future__ import annotations

from charrnn.config.schema import TrainConfig
from charrnn.kernels import Array
from charrnn.kernels.optimizers import (
    RULES,
    Optimizer,
    clip_by_norm,
    clip_by_value,
    gradient_norm,
    scheduled_rate,
)
from charrnn.model.model import Model
from charrnn.model.parameters import parameter_slices
from charrnn.training.limits import Limits


class Updater:
    """Updates a model's parameters; owns the optimiser's slots."""

    def __init__(self, train: TrainConfig, model: Model, limits: Limits) -> None:
        self._train = train
        self._limits = limits
        self._parameters = model.parameters
        slices = parameter_slices(model.shapes)
        matrices = [slices[name] for name, shape in model.shapes.items() if len(shape) == 2]
        hyperparameters = {
            name: getattr(train, name) for name in RULES[train.optimizer].hyperparameters
        }
        # Weight decay is for matrices, not for biases.
        self._optimizer = Optimizer(
            train.optimizer,
            hyperparameters,
            model.parameters,
            matrices,
            model.backend.updates.get(train.optimizer),
        )

    @property
    def slots(self) -> dict[str, Array]:
        """The optimiser's slots by name, each (P,)."""
        return self._optimizer.slots

    def clip(self, gradient: Array) -> float:
        """Bound a gradient as configured, in place; return its norm before."""
        if self._train.clip_norm is not None:
            return clip_by_norm(gradient, self._train.clip_norm)
        norm = gradient_norm(gradient)
        if self._train.clip_value is not None:
            clip_by_value(gradient, self._train.clip_value)
        return norm

    def update(self, gradient: Array, step: int, rate: float) -> None:
        """Change the parameters by a gradient.

        Args:
            gradient: (P,), clipped.
            step: steps made before this one.
            rate: the learning rate.
        """
        self._optimizer.update(self._parameters, gradient, rate, step + 1)

    def rate(self, step: int, elapsed_share: float = 0.0) -> float:
        """Return the learning rate that the schedule has for a step, and for a share of the time.

        Of two limits the nearer one is that which a schedule to the end of training goes by.
        """
        train, limits = self._train, self._limits
        return scheduled_rate(
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
