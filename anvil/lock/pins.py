"""Requirements pinned by hash, as pip reads them: which wheels a version may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Pins = dict[tuple[str, str], tuple[str, ...]]  # (name, version) -> SHA-256, sorted


def parse_pins(texts: Iterable[str]) -> Pins:
    """The pins of requirements files: `name==version` with the hashes of the lines after it.

    A name may stand with several versions, for several platforms; the hashes of one version are
    those of all files together.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for text in texts:
        for requirement in text.replace("\\\n", " ").splitlines():
            pin = _PIN.match(requirement)
            if pin is not None:
                key = (normalized(pin[1]), pin[2])
                found.setdefault(key, set()).update(_HASH.findall(requirement))
    return {key: tuple(sorted(hashes)) for key, hashes in sorted(found.items())}


def normalized(name: str) -> str:
    """A distribution's name in its one form (PEP 503).

    >>> normalized("PyYAML"), normalized("tf_keras")
    ('pyyaml', 'tf-keras')
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned_hashes(
    pins: Mapping[tuple[str, str], tuple[str, ...]], name: str, version: str
) -> list[str]:
    """The hashes of one version; empty where that is not pinned."""
    return list(pins.get((normalized(name), version), ()))
