"""Exact rewrites of graphs."""

NAMES: tuple[str, ...] = ()
