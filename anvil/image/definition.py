"""What the root file system is made of: images/root.yaml and images/wheels.txt as values."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.digest import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# Raise it when the way of making a root changes what comes out of the same lists.
MAKING_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Multilibs:
    """Libraries for several kinds of processors below one folder, and those to keep."""

    under: str  # the folder, relative to the root
    of: tuple[str, ...]  # the folders in it that hold one kind each, at any depth
    keep: tuple[str, ...]  # relative to `under`


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """How to make a root file system. Paths are relative to it, without a leading slash."""

    suite: str  # Debian's release: bookworm
    architecture: str  # amd64
    time_s: int  # of every file, in seconds since 1970
    packages: tuple[str, ...]  # Debian's names, sorted; their dependencies come with them
    requirements: str  # the wheels, as pip reads them, every one with its hashes
    site_packages: str  # where wheels go
    python: str  # the interpreter that compiles the bytecode
    bytecode: tuple[str, ...]  # folders whose modules are compiled
    links: tuple[tuple[str, str], ...]  # (path, target), sorted
    folders: tuple[str, ...]  # empty ones
    files: tuple[tuple[str, str], ...]  # (path, text), sorted
    multilibs: tuple[Multilibs, ...]
    leave_out: tuple[str, ...]  # patterns of paths
    digest: str  # of all this, and of the way of making it

    @property
    def wheel_names(self) -> tuple[str, ...]:
        """The wheels' names, as they are written."""
        found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", self.requirements, re.MULTILINE)
        return tuple(found)


def read_definition(root_yaml: bytes, wheels_txt: bytes) -> Definition:
    """The definition that two files of Anvil's own give.

    They are checked by schemas/image.schema.json in the tests, since they come with Anvil and
    no user writes them.
    """
    import yaml  # noqa: PLC0415  only where an image is asked for

    value = yaml.safe_load(root_yaml)
    time = dt.datetime.combine(value["time"], dt.time(), dt.UTC)
    return Definition(
        suite=value["suite"],
        architecture=value["architecture"],
        time_s=int(time.timestamp()),
        packages=tuple(sorted(value["packages"])),
        requirements=wheels_txt.decode(),
        site_packages=value["site_packages"],
        python=value["python"],
        bytecode=tuple(value["bytecode"]),
        links=_pairs(value["links"]),
        folders=tuple(sorted(value["folders"])),
        files=_pairs(value["files"]),
        multilibs=tuple(
            Multilibs(under=one["under"], of=tuple(one["of"]), keep=tuple(one["keep"]))
            for one in value["multilibs"]
        ),
        leave_out=tuple(value["leave_out"]),
        digest=key_of(
            {
                "format": MAKING_FORMAT,
                "root": hashlib.sha256(root_yaml).hexdigest(),
                "wheels": hashlib.sha256(wheels_txt).hexdigest(),
            }
        ),
    )


def _pairs(mapping: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(mapping.items()))
