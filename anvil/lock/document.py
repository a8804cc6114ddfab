"""anvil.lock as a value and as a text: everything that the bits of a build depend on.

The text is YAML in one canonical form, an entry to a line or a few, so that a change of one
thing is a small difference in version control. `digest` covers all the rest: an edit by hand
is known by it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.digest import key_of
from anvil.core.image import Image, Package, Wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
FILE_NAME = "anvil.lock"
_HEAD = """\
# Written by `anvil lock`, and known by its digest: `anvil lock --update NAME` changes one entry.
"""
# The long list of packages comes last.
_SECTIONS = (
    "anvil", "kernels", "toolchains", "quantizers", "data", "models", "targets", "wheels", "image",
)  # fmt: skip
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
_NOT_TEXT = {"true", "false", "null"}
# Mappings of records that stand in one line each.
_ONE_LINE = {("image", "packages"), ("image", "wheels")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What anvil.lock says, as schemas/lock.schema.json describes it, without format and digest."""

    sections: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of all that the lock says."""
        return digest_of_values({"format": FORMAT, **self.sections})

    @property
    def image(self) -> Image | None:
        """The root file system that it names; None where it names none."""
        found = self.sections["image"]
        return None if found is None else _image(found)

    def candidate(self, target: str) -> tuple[str, str] | None:
        """The quantization (name and SHA-256 of the file) of a target; None for an unknown one."""
        row = self.sections["targets"].get(target)
        if row is None:
            return None
        reference = row["candidate"]
        return reference.partition("@")[0], str(self.sections["models"][reference])

    def restricted(self, found: Lock) -> Lock:
        """The lock as far as it concerns a command for some targets.

        found: the lock of those targets alone. Other targets, their toolchains, and the cores
        and packages of a toolchain that only they need are left out.
        """
        targets = found.sections["targets"]
        toolchains = {}
        for name, row in found.sections["toolchains"].items():
            if name in self.sections["toolchains"]:
                own = self.sections["toolchains"][name]
                parts = ("cores", "packages")
                of_found = {
                    part: {k: v for k, v in own[part].items() if k in row[part]} for part in parts
                }
                toolchains[name] = {**own, **of_found}
        kept = {name: row for name, row in self.sections["targets"].items() if name in targets}
        return Lock(sections={**self.sections, "targets": kept, "toolchains": toolchains})


def digest_of_values(values: Mapping[str, Any]) -> str:
    """What `digest` in the file has to be, from all other values of it."""
    return key_of({key: value for key, value in values.items() if key != "digest"})


def lock_text(lock: Lock) -> bytes:
    """The canonical text of anvil.lock."""
    lines = [f"format: {FORMAT}", f'digest: "{lock.digest}"']
    for name in _SECTIONS:
        lines += _block(name, lock.sections[name], (name,), "")
    return (_HEAD + "\n".join(lines) + "\n").encode()


def _block(key: str, value: object, path: tuple[str, ...], indent: str) -> list[str]:
    head = f"{indent}{_key(key)}:"
    if isinstance(value, dict) and value:
        if path[:-1] in _ONE_LINE:
            pairs = (f"{_key(k)}: {_scalar(value[k])}" for k in sorted(value))
            return [f"{head} {{{', '.join(pairs)}}}"]
        inner = (_block(k, value[k], (*path, k), indent + "  ") for k in sorted(value))
        return [head, *(line for lines in inner for line in lines)]
    if isinstance(value, list) and value:
        return [head, *(f"{indent}  - {_scalar(item)}" for item in value)]
    return [f"{head} {_scalar(value)}"]


def _key(name: str) -> str:
    is_plain = _PLAIN_KEY.fullmatch(name) and name.lower() not in _NOT_TEXT
    return name if is_plain else json.dumps(name)


def _scalar(value: object) -> str:
    """A scalar as JSON writes it, which YAML reads as the same: texts are always in quotes."""
    return json.dumps(value, allow_nan=False)


# The root file system.


def image_section(image: Image) -> dict[str, Any]:
    """The section `image` for a root file system."""
    return {
        "sha256": image.sha256,
        "size_bytes": image.size_bytes,
        "definition": image.definition,
        "suite": image.suite,
        "architecture": image.architecture,
        "packages": {
            _package_key(package, image.architecture): {
                "version": package.version,
                "architecture": package.architecture,
                "sha256": package.sha256,
                "size_bytes": package.size_bytes,
            }
            for package in image.packages
        },
        "wheels": {
            wheel.name: {
                "version": wheel.version,
                "file": wheel.file,
                "sha256": wheel.sha256,
                "size_bytes": wheel.size_bytes,
            }
            for wheel in image.wheels
        },
    }


def _package_key(package: Package, architecture: str) -> str:
    """The name; with its architecture where that is foreign, since both may be installed."""
    is_own = package.architecture in {architecture, "all"}
    return package.name if is_own else f"{package.name}:{package.architecture}"


def _image(section: Mapping[str, Any]) -> Image:
    return Image(
        sha256=section["sha256"],
        size_bytes=section["size_bytes"],
        definition=section["definition"],
        suite=section["suite"],
        architecture=section["architecture"],
        packages=tuple(
            sorted(
                Package(name=key.partition(":")[0], **row)
                for key, row in section["packages"].items()
            )
        ),
        wheels=tuple(sorted(Wheel(name=key, **row) for key, row in section["wheels"].items())),
    )
