"""Exact rewrites: a graph that computes the same bits with less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which tensor of the imported graph a rewritten graph's tensor stands for."""

    tensor: int  # index in the imported graph
    channels: tuple[int, ...] | None = None  # the surviving ones of the last axis; None for all
    # (channel, value) of the removed ones that hold one value for every input. A removed channel
    # that is not listed is read by nothing.
    constants: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRewrite:
    """What one kind of rewrite did to one graph."""

    name: str  # what --no-rewrite takes
    n_applied: int  # sites
    macs_saved: int
    weight_bytes_saved: int  # may be negative: a table costs 256 bytes
    ops_saved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A graph after rewriting, and how to find the imported one's tensors in it."""

    graph: Graph
    origins: tuple[Origin | None, ...]  # by tensor index of `graph`; None for what is new
    applied: tuple[AppliedRewrite, ...]
