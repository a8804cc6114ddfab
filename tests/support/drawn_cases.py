"""Cases drawn by hypothesis, many at once, since all of them become one program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from tests.support.kernel_harness import Case


def drawn_cases(strategy: SearchStrategy[Case], n_examples: int) -> list[Case]:
    """The same ones each time, at most `n_examples`, no two of one name."""
    found: dict[str, Case] = {}

    @settings(
        max_examples=n_examples,
        derandomize=True,
        database=None,
        deadline=None,  # nothing here depends on how busy the machine is
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def collect(case: Case) -> None:
        found[case.name] = case

    collect()
    return list(found.values())
