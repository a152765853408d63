"""The speed of a configuration on this machine, and a configuration for a text and a time.

`benchmark` measures, `proposal` chooses. The rules behind a choice are in
`charrnn.training.recipe`.
"""
