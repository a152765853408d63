"""Exporting a model as one page that runs it in a browser.

`weights` rounds and packs the parameters, `rounding` measures what the rounding costs,
`description` collects what the page knows about the model, `page` puts all of it into one file, and
`export` writes it. The engine is JavaScript without dependencies, which computes what
`charrnn.model` does, in a worker of the page:

    kernel.wat, kernel.wasm   the product of a vector with a matrix, as WebAssembly
    network.js                the layers, one token at a time, and the product without WebAssembly
    vocabulary.js             characters or bytes, to codes and back
    sampling.js               the choice of the next token, and its random numbers
    writer.js                 texts, records and replies, written token by token
    reader.js                 a text that the reader types: probabilities, surprise, activations
    replies.js                the probabilities of labels, and beam search
    worker.js                 the messages of the worker
    engine.js                 the worker as the page's own script sees it

What a reader sees is `page.html` and `page.css`; its scripts ask the engine and compute nothing:

    page.js                   tabs and features
    writing.js                the panel in which texts or records grow
    asking.js                 the panel with labels or replies
    typing.js                 the panels that follow a typed text: its surprise, and the units
"""
