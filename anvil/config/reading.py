"""Files to valid documents, each file's work remembered by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.document import Document, document_from_json
from anvil.core.digest import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.config.schemas import Schema
    from anvil.core.diagnostics import Diagnostic

# Raise it when a document that was valid may not be any more, or is stored otherwise.
_MEMO_FORMAT = 1

# Documents as JSON by the key of their file's content and its schema. The pipeline keeps
# it between runs; it is a result that need not be computed again, never an input.
Memo = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file's bytes, and how messages name it."""

    file: str
    content: bytes


def memo_key(source: SourceFile, schema: Schema) -> str:
    """What a valid document is remembered under: its content and its schema's."""
    sha256 = hashlib.sha256(source.content).hexdigest()
    return key_of([_MEMO_FORMAT, sha256, schema.sha256])


def read_valid(
    source: SourceFile, schema: Schema, memo: Mapping[str, Any]
) -> tuple[Document | None, tuple[Diagnostic, ...], Memo]:
    """The document, every mistake in it, and what to remember where there is none.

    `memo` holds what earlier calls gave to remember, of any files and schemas; a document
    that is in it is neither parsed nor validated again. An entry that is not what this
    function gave is ignored.
    """
    key = memo_key(source, schema)
    if key in memo:
        try:
            return document_from_json(memo[key], source.file), (), {key: memo[key]}
        except (KeyError, TypeError, ValueError):
            pass  # damaged, or of another version: read the file instead
    # Imported here: 35 ms for the parser and 120 ms for the validator, which a run pays
    # only when the configuration is new or changed.
    from anvil.config.schema_check import validate  # noqa: PLC0415
    from anvil.config.yaml_source import read_yaml  # noqa: PLC0415

    document, diagnostics = read_yaml(source.content, source.file)
    if document is None:
        return None, diagnostics, {}
    # What YAML could not resolve reads as nothing, and is not said twice.
    refused = {diagnostic.path for diagnostic in diagnostics}
    broken = [d for d in validate(document, schema) if d.path not in refused]
    diagnostics = (*diagnostics, *broken)
    return document, diagnostics, {} if diagnostics else {key: document.as_json()}
