"""Anvil: one model, one configuration file, a proven build for every device."""

__version__ = "0.1.0"
