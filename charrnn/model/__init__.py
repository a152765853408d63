"""A stack of layers as one model: parameters, forward and backward, scoring, sampling.

`model` goes through a window, `parameters` lays all weights out as one vector, `dropout_masks`
draws the masks of a step, `stepper` reads one character at a time, `evaluation` scores a text,
`sampling` writes one, `language_model` is all of it for users of the Python API. A new cell
belongs in `charrnn.kernels`; files and processes belong to the rooms above.
"""
