"""What charrnn needs of the machine: files, signals, the terminal, cores, cache folders.

Here belongs what knows the operating system and nothing of models or texts. A function that takes a
configuration, a vocabulary or an array belongs higher up.
"""
