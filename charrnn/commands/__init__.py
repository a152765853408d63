"""The command line: `cli` groups the commands and turns errors into messages.

Each command has a file, which declares its options, calls the library and prints the result. Code
that several commands share is in `arguments`, `options`, `output_file` and `tables`. Code that is
useful from Python belongs in the packages that this one imports.
"""
