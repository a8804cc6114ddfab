"""The one way that templates are rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2

from anvil import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping


def jinja_environment(templates: Mapping[str, bytes]) -> jinja2.Environment:
    """An environment over `templates`: path relative to templates/ -> UTF-8 content.

    An undefined name is an error; blocks leave no blank lines behind.
    """
    return jinja2.Environment(
        loader=jinja2.DictLoader({path: content.decode() for path, content in templates.items()}),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  the output is C, CMake and the like; HTML escapes by hand
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(environment: jinja2.Environment, template: str, **values: Any) -> bytes:  # noqa: ANN401
    """The rendered template, with `template` and `generator` defined for its first line."""
    text = environment.get_template(template).render(
        template=f"templates/{template}", generator=f"Anvil {__version__}", **values
    )
    return text.encode()
