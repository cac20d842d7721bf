"""Callwright: a person's functions in, a small language model that calls them reliably out, with proof."""

__version__ = "0.1.0"
