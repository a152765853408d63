"""The version of charrnn."""

__version__ = "0.2.0"
