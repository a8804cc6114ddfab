"""CI files from their templates: `@NAME@` is replaced, and nothing else is touched."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLACE = re.compile(r"@([A-Z_]+)@")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Raises KeyError for a place that has no value.

    >>> fill("run: anvil matrix@ARGUMENTS@", {"ARGUMENTS": " --project a"})
    'run: anvil matrix --project a'
    """
    return _PLACE.sub(lambda found: values[found[1]], template)


def shell_words(option: str, values: Sequence[str]) -> str:
    """An option repeated for each value, quoted for a shell, with a space before each.

    >>> shell_words("--project", ["a b", "c"])
    " --project 'a b' --project c"
    """
    return "".join(f" {option} {shlex.quote(value)}" for value in values)
