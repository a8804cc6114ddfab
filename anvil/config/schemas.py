"""The JSON Schemas under schemas/: what editors and `load_project` check files against.

A file names its schema in a first line such as
`# yaml-language-server: $schema=../../schemas/target.schema.json`, and an editor with a
YAML language server then completes keys and explains them. The schemas are data: this
stage is given their bytes by file name.

Beside the standard keywords they hold two: `patternErrorMessage`, which says in words what
a pattern allows (editors show it too), and `x-unit`, which names the kind of quantity that
a text must be (bytes, hertz, seconds).
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class SchemaKind(enum.StrEnum):
    """What a schema describes."""

    ANVIL = "anvil"
    TARGET = "target"
    CORE = "core"
    TOOLCHAIN = "toolchain"
    LOCK = "lock"

    @property
    def file_name(self) -> str:
        """The schema's file under schemas/."""
        return f"{self.value}.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One JSON Schema, draft 2020-12."""

    kind: SchemaKind
    content: bytes
    sha256: str

    def parse(self) -> dict[str, Any]:
        """The schema as a value."""
        parsed: dict[str, Any] = json.loads(self.content)
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """One schema of each kind."""

    by_kind: Mapping[SchemaKind, Schema]

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Schemas:
        """The schemas from bytes by file name; KeyError names a file that is missing."""
        return cls(
            by_kind={
                kind: Schema(
                    kind=kind,
                    content=files[kind.file_name],
                    sha256=hashlib.sha256(files[kind.file_name]).hexdigest(),
                )
                for kind in SchemaKind
            }
        )

    def __getitem__(self, kind: SchemaKind) -> Schema:
        return self.by_kind[kind]
