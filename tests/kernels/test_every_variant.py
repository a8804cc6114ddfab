"""Each operator's own tests run every variant that one of the platforms can run."""

from __future__ import annotations

import re

import pytest

from anvil.plan.kernel_registry import load_variants
from tests.support.kernel_harness import kernel_files
from tests.support.platforms import ALL_PLATFORMS, core_features

_INCLUDE = re.compile(rb'^#include "([^"]+)"', re.MULTILINE)
VARIANTS = load_variants(kernel_files())


@pytest.mark.parametrize("symbol", [variant.symbol for variant in VARIANTS])
def test_some_platform_can_run_a_variant(symbol: str) -> None:
    variant = next(v for v in VARIANTS if v.symbol == symbol)
    features = [core_features(platform.core) for platform in ALL_PLATFORMS]
    assert any(offered.issuperset(variant.requires) for offered in features), (
        f"no platform of tests/support/platforms.py has {variant.requires}"
    )


@pytest.mark.parametrize("symbol", [variant.symbol for variant in VARIANTS])
def test_a_variant_lists_every_header_that_it_includes(symbol: str) -> None:
    # Otherwise a rendered project lacks it, and the kernel's digest misses its changes.
    variant = next(v for v in VARIANTS if v.symbol == symbol)
    included: set[str] = set()
    rest = [variant.source]
    while rest:
        names = {name.decode() for name in _INCLUDE.findall(kernel_files()[rest.pop()])}
        rest += sorted(names - included)
        included |= names
    assert included <= set(variant.headers)
