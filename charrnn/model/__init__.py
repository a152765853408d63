"""A stack of layers as one model: parameters, forward and backward, scoring, sampling.

`model` computes one window, `parameters` lays all parameters out as one vector, `dropout_masks`
draws the masks of a step, `stepper` reads one token at a time, `evaluation` scores a text,
`sampling_params` chooses a token, `sampling` generates text, `record_sampling` whole records,
`prediction` tells labels, `classification` counts how many are right, and `text_model` and
`language_model` combine them for users of the Python API. Cells are in `charrnn.kernels`; files and
processes are in the packages that use this one.
"""
