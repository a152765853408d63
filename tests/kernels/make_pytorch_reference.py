"""Writes the numbers that test_pytorch_parity.py compares with.

Run it by hand, with PyTorch, from any folder; the tests only read the files:

    pip install numpy torch
    python tests/kernels/make_pytorch_reference.py [FILE]...

Without a file it writes all; another machine or version may differ in the last bits.

All numbers are float64, with the layout and the names of this project, but the script imports
nothing from it. PyTorch stores weights as (gates * H, D), orders the gates of an LSTM i, f, g, o,
and has two biases in every cell. Where this project has one bias, PyTorch's second is zero. A cell
that PyTorch does not have is written here as a module, forward only, for PyTorch to differentiate.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent


class Mogrifier(torch.nn.Module):
    """The Mogrifier LSTM of one round, gates in the order of this project; called like nn.LSTM."""

    def __init__(self, D: int, H: int, layers: int = 1) -> None:
        super().__init__()
        self.H, self.layers = H, layers
        for layer in range(layers):
            shapes = (5 * H, H if layer else D), (4 * H, H), (5 * H,)
            for name, shape in zip(("weight_ih", "weight_hh", "bias_ih"), shapes, strict=True):
                setattr(self, f"{name}_l{layer}", torch.nn.Parameter(torch.empty(shape)))

    def forward(
        self, x: torch.Tensor, states: tuple[torch.Tensor, ...] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Return h at every step, and the last states (layers, N, H)."""
        if isinstance(x, torch.nn.utils.rnn.PackedSequence):
            padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(x)
            h, last = self(padded)
            return torch.nn.utils.rnn.pack_padded_sequence(h, lengths), last
        h0, c0 = states or torch.zeros(2, self.layers, x.shape[1], self.H)
        last = []
        for layer in range(self.layers):
            Wx, Wh, b = (
                getattr(self, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih")
            )
            h, c, outputs = h0[layer], c0[layer], []
            for a in x @ Wx.T + b:
                m = 2 * torch.sigmoid(a[:, 4 * self.H :])
                i, f, o, g = (a[:, : 4 * self.H] + (m * h) @ Wh.T).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                outputs.append(h)
            x = torch.stack(outputs)
            last.append((h, c))
        return x, tuple(torch.stack(state) for state in zip(*last, strict=True))


MODULES = {
    "rnn": torch.nn.RNN,
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "mogrifier": Mogrifier,
}
# For each gate of this project, its index in the module's order; [0] if the order is the same.
BLOCKS = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0], "mogrifier": [0]}
STATES = {"rnn": ["h"], "lstm": ["h", "c"], "gru": ["h"], "mogrifier": ["h", "c"]}
TORCH_NAMES = {"Wx": "weight_ih", "Wh": "weight_hh", "b": "bias_ih", "bh": "bias_hh"}
PARAMETERS = {cell: ["Wx", "Wh", "b"] for cell in MODULES} | {"gru": list(TORCH_NAMES)}

Record = dict[str, np.ndarray]


def ours(cell: str, tensor: torch.Tensor) -> np.ndarray:
    """Return a parameter of a PyTorch module, or its gradient, in the layout of this project."""
    blocks = tensor.detach().chunk(len(BLOCKS[cell]))
    return torch.cat([blocks[k] for k in BLOCKS[cell]]).numpy().T.copy()


def randomise(cell: str, module: torch.nn.Module) -> None:
    """Draw every parameter; a second bias that this project does not have is zero and fixed."""
    for name, parameter in module.named_parameters():
        if name.startswith("bias_hh") and "bh" not in PARAMETERS[cell]:
            torch.nn.init.zeros_(parameter)
            parameter.requires_grad_(False)
        else:
            torch.nn.init.normal_(parameter, std=0.6)


def cell_record(cell: str, T: int = 6, N: int = 3, D: int = 4, H: int = 5) -> Record:
    """Return inputs, outputs and gradients of one window, for random gradients of its outputs."""
    module = MODULES[cell](D, H)
    randomise(cell, module)
    x = torch.randn(T, N, D, requires_grad=True)
    states = {name: torch.randn(1, N, H, requires_grad=True) for name in STATES[cell]}
    packed = tuple(states.values()) if len(states) > 1 else states["h"]
    h, last = module(x, packed)
    lasts = dict(zip(states, last if len(states) > 1 else (last,), strict=True))
    dh = torch.randn_like(h)
    dlasts = {name: torch.randn_like(state) for name, state in lasts.items()}
    torch.autograd.backward([h, *lasts.values()], [dh, *dlasts.values()])
    record = {"x": x.detach().numpy(), "dx": x.grad.numpy()}
    record |= {"h": h.detach().numpy(), "dh": dh.numpy()}
    for name, state in states.items():
        record[f"{name}0"], record[f"d{name}0"] = state.detach()[0].numpy(), state.grad[0].numpy()
        record[f"last_{name}"] = lasts[name].detach()[0].numpy()
        record[f"dlast_{name}"] = dlasts[name][0].numpy()
    for name in PARAMETERS[cell]:
        parameter = getattr(module, f"{TORCH_NAMES[name]}_l0")
        record[name], record[f"d{name}"] = ours(cell, parameter), ours(cell, parameter.grad)
    return record


def training_record(
    steps: int = 10, V: int = 11, H: int = 8, layers: int = 2, T: int = 7, N: int = 4
) -> Record:
    """Return a record of ten training steps of an LSTM language model with one-hot input."""
    hyperparameters = {"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6}
    max_norm = 0.25
    stack, output = torch.nn.LSTM(V, H, layers), torch.nn.Linear(H, V)
    randomise("lstm", stack)
    torch.nn.init.normal_(output.weight, std=0.6)
    torch.nn.init.normal_(output.bias, std=0.6)
    record = {f"hyperparameters.{name}": np.array(v) for name, v in hyperparameters.items()}
    record["max_norm"] = np.array(max_norm)
    for layer in range(layers):
        for name in PARAMETERS["lstm"]:
            parameter = getattr(stack, f"{TORCH_NAMES[name]}_l{layer}")
            record[f"parameters.layers.{layer}.{name}"] = ours("lstm", parameter)
    record["parameters.output.W"] = output.weight.detach().numpy().T.copy()
    record["parameters.output.b"] = output.bias.detach().numpy().copy()
    text = torch.randint(V, (steps * T + 1, N))
    trained = [p for p in (*stack.parameters(), *output.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(
        trained,
        lr=hyperparameters["learning_rate"],
        betas=(hyperparameters["beta1"], hyperparameters["beta2"]),
        eps=hyperparameters["epsilon"],
    )
    states, losses, norms = None, [], []
    for step in range(steps):
        codes, targets = text[step * T :][:T], text[step * T + 1 :][:T]
        rows = torch.nn.functional.one_hot(codes, V).to(torch.float64)
        h, states = stack(rows, states)
        states = tuple(state.detach() for state in states)
        loss = torch.nn.functional.cross_entropy(output(h).reshape(-1, V), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        # clip_grad_norm_ divides by the norm plus 1e-6, so only its norm is used.
        norm = torch.nn.utils.clip_grad_norm_(trained, float("inf"))
        if norm > max_norm:
            for parameter in trained:
                parameter.grad *= max_norm / norm
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    record["codes"] = text[:-1].reshape(steps, T, N).numpy().astype(np.int16)
    record["targets"] = text[1:].reshape(steps, T, N).numpy().astype(np.int16)
    return record | {"losses_nats": np.array(losses), "norms": np.array(norms)}


# For each optimizer, its hyperparameters by their names in this project, and PyTorch's class. The
# large epsilons reveal the place of epsilon in the formula.
OPTIMIZERS = {
    "sgd": ({}, torch.optim.SGD),
    "momentum": ({"momentum": 0.8}, torch.optim.SGD),
    "rmsprop": ({"decay_rate": 0.9, "epsilon": 0.1}, torch.optim.RMSprop),
    "adagrad": ({"epsilon": 0.1}, torch.optim.Adagrad),
    "adam": ({"beta1": 0.8, "beta2": 0.95, "epsilon": 0.1}, torch.optim.Adam),
    "adamw": (
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 0.1, "weight_decay": 0.2},
        torch.optim.AdamW,
    ),
}
OPTIONS = {"momentum": "momentum", "decay_rate": "alpha", "epsilon": "eps"}  # PyTorch's names


def optimizers_record(steps: int = 10, P: int = 20, decayed: int = 12) -> Record:
    """Return parameters after ten updates; weight decay applies to the first `decayed` alone."""
    start, gradients = torch.randn(P), torch.randn(steps, P)
    rates = torch.linspace(0.05, 0.15, steps)
    record = {"start": start.numpy(), "gradients": gradients.numpy(), "rates": rates.numpy()}
    record["decayed"] = np.array(decayed)
    for name, (hyperparameters, optimizer_class) in OPTIMIZERS.items():
        parts = [start[:decayed].clone(), start[decayed:].clone()]
        options = {OPTIONS[k]: v for k, v in hyperparameters.items() if k in OPTIONS}
        if "beta1" in hyperparameters:
            options["betas"] = (hyperparameters["beta1"], hyperparameters["beta2"])
        groups = [{"params": [part]} for part in parts]
        if "weight_decay" in hyperparameters:
            groups[0]["weight_decay"] = hyperparameters["weight_decay"]
            groups[1]["weight_decay"] = 0.0
        optimizer = optimizer_class(groups, lr=0.1, **options)
        for gradient, rate in zip(gradients, rates, strict=True):
            for part, dpart in zip(parts, gradient.split([decayed, P - decayed]), strict=True):
                part.grad = dpart.clone()
            for group in optimizer.param_groups:
                group["lr"] = rate.item()
            optimizer.step()
        record[f"{name}.end"] = torch.cat(parts).numpy()
        for key, value in hyperparameters.items():
            record[f"{name}.hyperparameters.{key}"] = np.array(value)
    return record


def packed_record(cell: str, V: int = 7, H: int = 5, layers: int = 2) -> Record:
    """Return the mean loss of sequences of several lengths, packed, and every gradient.

    Code 0 stands for padding alone, so no gradient may depend on its one-hot rows.
    """
    lengths = torch.tensor([8, 5, 5, 2, 1])
    stack, output = MODULES[cell](V, H, layers), torch.nn.Linear(H, V)
    randomise(cell, stack)
    for parameter in output.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    codes = torch.randint(1, V, (int(lengths.max()) + 1, len(lengths)))
    padding = torch.arange(len(codes) - 1)[:, None] >= lengths
    inputs, targets = codes[:-1].masked_fill(padding, 0), codes[1:].masked_fill(padding, 0)
    rows = torch.nn.functional.one_hot(inputs, V).to(torch.float64)
    h, _ = stack(torch.nn.utils.rnn.pack_padded_sequence(rows, lengths))
    logits = output(torch.nn.utils.rnn.pad_packed_sequence(h)[0])
    loss = torch.nn.functional.cross_entropy(
        logits.reshape(-1, V), targets.reshape(-1), ignore_index=0
    )
    loss.backward()
    record = {"lengths": lengths.numpy(), "loss_nats": loss.detach().numpy()}
    record |= {
        name: a.numpy().astype(np.int16) for name, a in [("codes", inputs), ("targets", targets)]
    }
    named = {
        f"layers.{layer}.{name}": getattr(stack, f"{TORCH_NAMES[name]}_l{layer}")
        for layer in range(layers)
        for name in PARAMETERS[cell]
    }
    for name, parameter in named.items():
        record[f"parameters.{name}"] = ours(cell, parameter)
        record[f"gradients.{name}"] = ours(cell, parameter.grad)
    for name, parameter in (("W", output.weight), ("b", output.bias)):
        record[f"parameters.output.{name}"] = parameter.detach().numpy().T.copy()
        record[f"gradients.output.{name}"] = parameter.grad.numpy().T.copy()
    return record


def reference() -> dict[str, Record]:
    """Return windows, training steps and updates."""
    records = {cell: cell_record(cell) for cell in ("rnn", "lstm", "gru")}
    records |= {"training": training_record(), "optimizers": optimizers_record()}
    records["mogrifier"] = cell_record("mogrifier")  # last, so that it changes no other number
    norms, max_norm = records["training"]["norms"], records["training"]["max_norm"]
    print(f"{np.sum(norms > max_norm)} of {len(norms)} steps clipped")
    return records


def packed() -> dict[str, Record]:
    """Return packed sequences, which have padding."""
    return {cell: packed_record(cell) for cell in MODULES}


FILES: dict[str, Callable[[], dict[str, Record]]] = {
    "pytorch_reference.npz": reference,
    "pytorch_packed.npz": packed,
}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    print(f"PyTorch {torch.__version__}")
    for name in sys.argv[1:] or FILES:
        torch.manual_seed(1)
        records = FILES[name]()
        arrays = {
            f"{part}.{key}": a for part, record in records.items() for key, a in record.items()
        }
        np.savez_compressed(FOLDER / name, **arrays)
        print(f"{name}: {len(arrays)} arrays, {(FOLDER / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
