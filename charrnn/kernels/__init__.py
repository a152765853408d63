"""The arithmetic of the networks: pure functions over NumPy arrays.

Dimensions, here and everywhere:

    T  steps of a window
    N  sequences, computed side by side
    D  inputs of a layer
    H  hidden units of a layer
    V  tokens in the vocabulary
    F  features of a sequence

Arrays are time-major: x is (T, N, D), h is (T, N, H). dfoo is the gradient of the loss with
respect to foo. Results have the dtype of the arguments: float32 for training, float64 for checks.
The functions exported here leave their arguments unchanged. A forward function returns a cache,
which its backward function takes.

`charrnn.kernels.cell` explains the forms in which each cell is written, which form runs when, and
how to change a gate.
"""

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.cell import Cell
from charrnn.kernels.dropout import dropout_backward, dropout_forward, dropout_mask
from charrnn.kernels.embedding import embedding_backward, embedding_forward
from charrnn.kernels.first_states import first_states_backward, first_states_forward
from charrnn.kernels.gatewise import gatewise_lookup, gatewise_projection, gatewise_row
from charrnn.kernels.gru import (
    GRU,
    gru_backward,
    gru_forward,
    gru_step_backward,
    gru_step_forward,
)
from charrnn.kernels.lstm import (
    LSTM,
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
)
from charrnn.kernels.mogrifier import (
    MOGRIFIER,
    mogrifier_backward,
    mogrifier_forward,
    mogrifier_step_backward,
    mogrifier_step_forward,
)
from charrnn.kernels.penalties import activation_penalty, activation_penalty_backward
from charrnn.kernels.projection import projection_backward, projection_forward
from charrnn.kernels.rnn import (
    RNN,
    rnn_backward,
    rnn_forward,
    rnn_step_backward,
    rnn_step_forward,
)
from charrnn.kernels.softmax import softmax_cross_entropy_backward, softmax_cross_entropy_forward

CELLS: dict[str, Cell] = {cell.name: cell for cell in (RNN, LSTM, GRU, MOGRIFIER)}

__all__ = [
    "CELLS",
    "Array",
    "Cell",
    "Workspace",
    "activation_penalty",
    "activation_penalty_backward",
    "dropout_backward",
    "dropout_forward",
    "dropout_mask",
    "embedding_backward",
    "embedding_forward",
    "first_states_backward",
    "first_states_forward",
    "gatewise_lookup",
    "gatewise_projection",
    "gatewise_row",
    "gru_backward",
    "gru_forward",
    "gru_step_backward",
    "gru_step_forward",
    "lstm_backward",
    "lstm_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "mogrifier_backward",
    "mogrifier_forward",
    "mogrifier_step_backward",
    "mogrifier_step_forward",
    "projection_backward",
    "projection_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
]
