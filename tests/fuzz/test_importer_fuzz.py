"""Damaged and odd models: the importer gives a graph or an AnvilError, whatever the bytes.

Damaged files have bytes changed at random. Odd files are sound, and have tensors of
unexpected shapes, types and scales and operators with unexpected options, to reach behind
the checks of the format into those of the operators.

The campaign is the same on every run. ANVIL_FUZZ_CASES makes it longer; a failure names its
seed, with which `damaged(seed)` or `odd(seed)` makes the same bytes again.
"""

from __future__ import annotations

import functools
import os
import random
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS
from tests.fuzz.mutation import mutated
from tests.fuzz.oddity import odd_model
from tests.support.graphs import one_op_graphs, small_network
from tests.support.tflite_builder import pack, tflite_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.graph import Graph

N_CASES = int(os.environ.get("ANVIL_FUZZ_CASES", "4000"))
N_BLOCKS = 16
_MAX_LOWERED_BYTES = 1 << 22


@functools.cache
def graphs() -> tuple[Graph, ...]:
    """The models to start from: small ones, so that the damage hits their structure."""
    by_kind = one_op_graphs()
    return (*(small_network() for _ in range(4)), *(by_kind[kind] for kind in sorted(by_kind)))


@functools.cache
def models() -> tuple[bytes, ...]:
    """The same as files."""
    return tuple(tflite_bytes(graph) for graph in graphs())


def damaged(seed: int) -> bytes:
    rng = random.Random(seed)
    return mutated(rng.choice(models()), models(), rng)


def odd(seed: int) -> bytes:
    rng = random.Random(seed)
    return pack(odd_model(rng.choice(graphs()), rng))


def outcome(content: bytes) -> str:
    """What the importer makes of `content`: `graph`, or the code of what it says.

    Any exception but AnvilError is a failure of the test.
    """
    try:
        graph = import_tflite(content, "m.tflite", DEFINITIONS)
    except AnvilError as error:
        refusal = error
    else:
        # What is accepted can be lowered; large constants would only take long.
        if sum(tensor.n_bytes for tensor in graph.tensors) < _MAX_LOWERED_BYTES:
            for op in graph.ops:
                DEFINITIONS[op.kind].lower(op, graph)
        return "graph"
    assert refusal.exit_code is ExitCode.BAD_INPUT
    # A message is for people: a page at most for models as small as these.
    assert all(0 < len(d.message) < 4000 and d.hint for d in refusal.diagnostics)
    return refusal.diagnostics[0].code


def campaign(make: Callable[[int], bytes], block: int) -> set[str]:
    """The outcomes of one of N_BLOCKS parts of the campaign: codes, and `graph`."""
    codes = set()
    for seed in range(block, N_CASES, N_BLOCKS):
        try:
            codes.add(outcome(make(seed)))
        except Exception as error:
            error.add_note(f"{make.__name__}({seed})")
            raise
    return codes


# A campaign is worth something only as long as it reaches every outcome.


@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_damaged_models(block: int) -> None:
    assert campaign(damaged, block) >= {"graph", "model.corrupt", "model.unsupported"}


@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_odd_models(block: int) -> None:
    assert campaign(odd, block) >= {"graph", "model.corrupt", "model.unsupported"}


@pytest.mark.parametrize("name", ["ad", "ic", "kws", "sww", "vww"])
def test_damaged_real_models(name: str, shared_model: Callable[[str], Path]) -> None:
    content = shared_model(f"{name}.int8.tflite").read_bytes()
    rng = random.Random(name)
    for _ in range(max(20, N_CASES // 100)):
        outcome(mutated(content, models(), rng))
