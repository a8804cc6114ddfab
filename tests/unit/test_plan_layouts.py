"""Layouts are listed where they are, and agree with the code of the kernels that name them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts import depthwise_taps
from anvil.plan.layouts.packing import LAYOUTS, layout_of
from anvil.resources import built_in, contents, read_folder
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from anvil.core.plan import Variant

_KERNELS = contents(read_folder(built_in("kernels")))


def _defined(name: str, paths: tuple[str, ...]) -> set[int]:
    """Values that these files give a macro."""
    pattern = re.compile(rf"^#define {name} (\d+)", re.MULTILINE)
    texts = [_KERNELS[path].decode() for path in paths]
    return {int(value) for text in texts for value in pattern.findall(text)}


def _of_layout(*names: str) -> list[Variant]:
    return [variant for variant in load_variants(_KERNELS) if variant.layout in names]


def test_every_layout_is_listed_in_order() -> None:
    folder = ROOT / "anvil" / "plan" / "layouts"
    modules = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.py")}
    layouts = [
        name
        for name, text in sorted(modules.items())
        if "\ndef pack(" in text and "\ndef unpack(" in text
    ]
    assert list(LAYOUTS) == layouts
    assert all(callable(layout_of(name).pack) for name in LAYOUTS)


def test_every_layout_has_a_kernel() -> None:
    assert {variant.layout for variant in load_variants(_KERNELS)} - {""} == set(LAYOUTS)


@pytest.mark.parametrize("variant", _of_layout("channel_pairs"), ids=lambda v: v.symbol)
def test_the_exponent_in_the_code_is_that_of_the_layout(variant: Variant) -> None:
    assert _defined("EXPONENT", (variant.source, *variant.parts)) == {
        dict(variant.layout_options)["exponent"]
    }


@pytest.mark.parametrize(
    "variant", _of_layout("depthwise_3x3", "depthwise_taps"), ids=lambda v: v.symbol
)
def test_the_shifts_in_the_code_are_those_of_the_layout(variant: Variant) -> None:
    paths = (variant.source, *variant.headers, *variant.parts)
    assert _defined("RESCALING_SHIFT", paths) == {depthwise_taps.BITS.right}
