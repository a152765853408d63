"""The speed of a configuration on this machine, and a configuration for a text and a time.

`benchmark` measures, `proposal` chooses for the texts that `texts` finds. `records` proposes what
the records of a text are, `columns` which columns of a table to learn. The rules behind the size of
a model and its training are in `charrnn.training.recipe`.
"""
