"""From text files to integer codes, and to the windows that a model reads.

In the order of use: `files` finds and reads them, `decoding` makes code points of bytes,
`vocabulary` numbers the symbols, `encoding` and `cache` make the codes, `corpus` ties these
together, `streams` cuts the training part into windows. `part` encodes a text for a trained model,
`size_check` refuses a text that is too small, `lines` describes one. Nothing here knows a model.
"""
