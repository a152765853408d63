"""The command line: `cli` has the group of commands and turns errors into messages.

Each command is a file: its options, one call of the library, what is printed. What several commands
share is in `arguments`, `options` and `output_file`. Anything that a Python caller could want
belongs to the rooms below.
"""
