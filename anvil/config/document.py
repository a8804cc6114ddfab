"""A document with positions: what a YAML file says, and where it says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from anvil.core.diagnostics import Diagnostic

YamlPath = tuple[str | int, ...]  # keys and list indices from the top of the document


class Position(NamedTuple):
    """A place in a file, counted from 1; columns are characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One mapping with the place of each of its keys and values, by path."""

    file: str  # as messages name it
    value: dict[str, Any]  # texts, whole numbers, reals, booleans, None, lists, mappings
    keys: dict[YamlPath, Position]
    values: dict[YamlPath, Position]

    def key_position(self, path: YamlPath) -> Position:
        """Where the key at `path` stands; the nearest enclosing one where there is none."""
        while path and path not in self.keys:
            path = path[:-1]
        return self.keys.get(path, self.values[()])

    def value_position(self, path: YamlPath) -> Position:
        """Where the value at `path` stands; the nearest enclosing one where there is none."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def value_at(self, path: YamlPath) -> Any:  # noqa: ANN401  any plain value
        """The value at a path that the document has; None where it has none."""
        value: Any = self.value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def error_at_key(
        self, path: YamlPath, code: str, message: str, hint: str | None = None
    ) -> Diagnostic:
        """An error about a key."""
        return error_at(self.file, self.key_position(path), code, message, path=path, hint=hint)

    def error_at_value(
        self, path: YamlPath, code: str, message: str, hint: str | None = None
    ) -> Diagnostic:
        """An error about a value."""
        return error_at(self.file, self.value_position(path), code, message, path=path, hint=hint)

    def as_json(self) -> dict[str, Any]:
        """The document without its file's name, as JSON; `document_from_json` reads it."""
        return {
            "value": self.value,
            "keys": [[list(path), *position] for path, position in self.keys.items()],
            "values": [[list(path), *position] for path, position in self.values.items()],
        }


def document_from_json(value: dict[str, Any], file: str) -> Document:
    """The document that `as_json` gave; KeyError, TypeError or ValueError for another."""
    tables: list[dict[YamlPath, Position]] = []
    for name in ("keys", "values"):
        table = {}
        for path, line, column in value[name]:
            table[tuple(path)] = Position(int(line), int(column))
        tables.append(table)
    if not isinstance(value["value"], dict) or () not in tables[1]:
        msg = "a document is a mapping with a position"
        raise TypeError(msg)
    return Document(
        file=file,
        value=value["value"],
        keys=tables[0],
        values=tables[1],
    )


def path_text(path: YamlPath) -> str:
    """A path as messages show it.

    >>> path_text(("targets", "rpi4", "artifacts", 0))
    'targets.rpi4.artifacts[0]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def error_at(
    file: str,
    position: Position,
    code: str,
    message: str,
    *,
    path: YamlPath = (),
    hint: str | None = None,
) -> Diagnostic:
    """An error at a place of a file."""
    return Diagnostic(
        code=code,
        message=message,
        file=file,
        line=position.line,
        column=position.column,
        path=path_text(path) or None,
        hint=hint,
    )
