"""Access to the operating system: files, signals, the terminal, cores, the cache folder.

This package knows nothing of models or texts. A function that takes a configuration, a vocabulary
or an array belongs in another one.
"""
