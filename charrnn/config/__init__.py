"""Define, read and write the configuration.

`schema` defines every key with its default and meaning, `values` the kinds of value, `safe_yaml`
reads YAML within bounds, `paths` makes paths absolute and relative, `reader` reads a file into a
checked `Config`, `checks` has the rules between keys, `writer` writes one with comments.

The effect of a key belongs to the room that uses it. How defaults are chosen for a text belongs to
`charrnn.training.recipe`.
"""
