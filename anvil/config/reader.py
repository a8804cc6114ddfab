"""Typed access to what documents say, where several stand behind one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from anvil.config.document import path_text
from anvil.core.units import parse_bytes, parse_hertz, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.config.document import Document, YamlPath
    from anvil.core.diagnostics import Diagnostic

_Number = TypeVar("_Number", int, float)


class Reader:
    """The first document that has a value gives it; mistakes are collected.

    The schema's errors are among `diagnostics` from the start, and a place that has an
    error gets no second one. A value of the wrong type reads as absent: the schema said so.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        diagnostics: Sequence[Diagnostic] = (),
        *,
        whole: frozenset[str] = frozenset(),
    ) -> None:
        """`whole`: top-level keys whose mapping is one value, never merged key by key."""
        self.documents = tuple(documents)
        self._whole = whole
        self.diagnostics = list(diagnostics)

    def find(self, path: YamlPath) -> tuple[Any, Document] | None:
        """The value at a path, and the document that says it."""
        for document in self.documents:
            value = document.value_at(path)
            if value is not None:
                return value, document
            if path[0] in self._whole and path[0] in document.value:
                return None
        return None

    def text(self, path: YamlPath) -> str | None:
        """The text at a path, if there is one."""
        match self.find(path):
            case (str() as value, _):
                return value
        return None

    def integer(self, path: YamlPath) -> int | None:
        """The whole number at a path, if there is one."""
        match self.find(path):
            case (bool(), _):
                return None
            case (int() as value, _):
                return value
        return None

    def real(self, path: YamlPath) -> float | None:
        """The number at a path, if there is one."""
        match self.find(path):
            case (bool(), _):
                return None
            case (int() | float() as value, _):
                return float(value)
        return None

    def texts(self, path: YamlPath) -> tuple[str, ...]:
        """The list of texts at a path; empty where there is none."""
        match self.find(path):
            case (list() as values, _):
                return tuple(value for value in values if isinstance(value, str))
        return ()

    def size_bytes(self, path: YamlPath) -> int | None:
        """The size at a path, if there is one: above 0."""
        return self._quantity(path, parse_bytes)

    def hertz(self, path: YamlPath) -> int | None:
        """The frequency at a path, if there is one: above 0."""
        return self._quantity(path, parse_hertz)

    def seconds(self, path: YamlPath) -> float | None:
        """The time at a path, if there is one: above 0."""
        return self._quantity(path, parse_seconds)

    def _quantity(self, path: YamlPath, parse: Callable[[object], _Number]) -> _Number | None:
        place = self.find(path)
        if place is None:
            return None
        try:
            quantity = parse(place[0])
        except ValueError as error:
            self.error(path, "config.unit", str(error))
            return None
        if quantity <= 0:
            self.error(path, "config.value", f"found {place[0]}, which must be above 0")
            return None
        return quantity

    def need(self, path: YamlPath) -> None:
        """Record a mistake where nothing says what stands at a path."""
        if self.find(path) is not None:
            return
        key = path[-1]
        meant = f"did you mean {key!r}?"
        if not any(d.code == "config.unknown-key" and d.hint == meant for d in self.diagnostics):
            self.error(path, "config.missing-key", f"the key {key!r} is missing")

    def need_text(self, path: YamlPath) -> str:
        """The text at a path; empty, with a mistake recorded, where there is none."""
        self.need(path)
        return self.text(path) or ""

    def first_said(self, *paths: YamlPath) -> YamlPath:
        """Of places that contradict each other, the one in the nearest document."""
        places = {path: place[1] for path in paths if (place := self.find(path)) is not None}
        return min(places, key=lambda path: self.documents.index(places[path]))

    def sorted_diagnostics(self) -> list[Diagnostic]:
        """The mistakes by place, file by file in the order in which files came up."""
        files = list(dict.fromkeys(d.file for d in self.diagnostics))
        return sorted(
            self.diagnostics, key=lambda d: (files.index(d.file), d.line or 0, d.column or 0)
        )

    def error(self, path: YamlPath, code: str, message: str, hint: str | None = None) -> None:
        """Record a mistake about a value, at the document that says it."""
        place = self.find(path)
        document = self.documents[0] if place is None else place[1]
        text = path_text(path)
        if any(d.path == text and d.file == document.file for d in self.diagnostics):
            return
        self.diagnostics.append(document.error_at_value(path, code, message, hint))
