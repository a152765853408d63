"""The configuration: its keys, the values they take, reading and writing YAML.

`schema` has every key with default and meaning, `values` the kinds of value, `safe_yaml` a bounded
YAML reader, `reader` checks a file and makes a `Config`, `writer` writes one with comments. What a
key does belongs to the room that uses it; how defaults are chosen for a text, to
`charrnn.training.recipe`.
"""
