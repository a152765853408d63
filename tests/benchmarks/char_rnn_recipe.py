"""char-rnn's recipe in PyTorch, one of the recipes of `pytorch_recipe.py`.

A stacked `nn.LSTM` of 2x128 on one-hot input, weights and biases uniform in 0.08 with the forget
gates' at 1. RMSprop with decay 0.95 at 2e-3, from the eleventh epoch on less by 3% an epoch; the
gradient of the loss, summed over the steps, is cut at 5 element by element. 50 streams of 50 steps,
whose state is carried along, and 50 epochs at most. (karpathy/char-rnn, train.lua.)
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from text_parts import WARM_UP
from torch import Tensor, nn

T, N, EPOCHS, LAYERS = 50, 50, 50, 2
SCORED_T = 1000  # steps at a time in scoring


class CharRNN:
    """A model and its training.

    Args:
        codes: (n,), int64, of the whole text.
        train_end: where the training part ends.
        V: size of the vocabulary.
        hidden: units of each layer.
        dropout: fraction of the outputs of each layer that is dropped.
    """

    def __init__(self, codes: Tensor, train_end: int, V: int, hidden: int, dropout: float) -> None:
        self.codes, self.V = codes, V
        self.lstm = nn.LSTM(V, hidden, LAYERS, dropout=dropout)
        self.dropped, self.output = nn.Dropout(dropout), nn.Linear(hidden, V)
        self.model = nn.ModuleList([self.lstm, self.dropped, self.output])
        for parameter in self.model.parameters():
            nn.init.uniform_(parameter, -0.08, 0.08)
        for layer in range(LAYERS):
            getattr(self.lstm, f"bias_ih_l{layer}").data[hidden : 2 * hidden] = 1
        self.optimizer = torch.optim.RMSprop(self.model.parameters(), lr=2e-3, alpha=0.95)
        self.states = self._zero_states(N)
        self.windows = self._windows(codes[:train_end])

    def step(self, share: float) -> bool:
        """Make a step; return whether there was one to make.

        Args:
            share: elapsed share of the time; the recipe does not depend on it.
        """
        del share
        window = next(self.windows, None)
        if window is None:
            return False
        inputs, targets = window
        self.optimizer.zero_grad()
        h, states = self.lstm(self._one_hot(inputs), self.states)
        self.states = (states[0].detach(), states[1].detach())
        logits = self.output(self.dropped(h))
        loss = nn.functional.cross_entropy(logits.view(-1, self.V), targets.reshape(-1))
        (T * loss).backward()
        nn.utils.clip_grad_value_(self.model.parameters(), 5.0)
        self.optimizer.step()
        return True

    @torch.no_grad()
    def loss_nats(self, firsts: list[int], length: int) -> float:
        """Return the mean loss on stretches, read side by side, each after a warm-up.

        Args:
            firsts: the first place of each stretch.
            length: characters of each.
        """
        nats, states = 0.0, self._zero_states(len(firsts))
        for k in range(-WARM_UP, length, SCORED_T):
            places = torch.arange(k, min(k + SCORED_T, length))[:, None] + torch.tensor(firsts)
            h, states = self.lstm(self._one_hot(self.codes[places - 1]), states)
            scored = slice(max(0, -k), None)
            logits, targets = self.output(h[scored]), self.codes[places[scored]]
            losses = nn.functional.cross_entropy(
                logits.view(-1, self.V), targets.view(-1), reduction="none"
            )
            nats += float(losses.double().sum())
        return nats / (length * len(firsts))

    def _windows(self, codes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the inputs and targets of all steps, each (T, N)."""
        length = (len(codes) - 1) // N
        inputs = codes[: N * length].view(N, length).t()
        targets = codes[1 : N * length + 1].view(N, length).t()
        for epoch in range(1, EPOCHS + 1):
            if epoch > 10:
                self.optimizer.param_groups[0]["lr"] *= 0.97
            for at in range(0, length - T + 1, T):
                yield inputs[at : at + T], targets[at : at + T]

    def _one_hot(self, codes: Tensor) -> Tensor:
        return nn.functional.one_hot(codes, self.V).float()

    def _zero_states(self, n: int) -> tuple[Tensor, Tensor]:
        zero = torch.zeros(LAYERS, n, self.lstm.hidden_size)
        return zero, zero.clone()
