"""A rendered project made into one that times its calls; the library's own files stay as they are.

Nothing of it is handed over: the product has no timer and no way to run a part of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.render.environment import jinja_environment, render
from anvil.render.library import call_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Plan

# The file of each kind of project that runs the model, and what takes its place.
_MAIN = {
    "cmake": ("src/main.c", "bench/main.c.j2"),
    "web": ("src/exports.c", "bench/exports.c.j2"),
}


def render_bench(
    plan: Plan, *, plan_digest: str, project: Mapping[str, bytes], templates: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The bench's project by path.

    project: what was rendered of the plan, for a Linux program or the web; templates: every file
    under templates/ by path relative to it.
    """
    environment = jinja_environment(templates)
    values = {
        "name": plan.name,
        "upper": plan.name.upper(),
        "plan_digest": plan_digest,
        "calls": call_values(plan),
    }
    source = f"library/src/{plan.name}.c"
    main, template = _MAIN[plan.target.build]
    return {
        **project,
        source: render(environment, "bench/calls.c.j2", **values),
        f"library/src/{plan.name}_whole.h": project[source],
        main: render(environment, template, **values),
    }
