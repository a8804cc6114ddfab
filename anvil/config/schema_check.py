"""A document against its schema, mistakes in sentences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from anvil.config.wording import did_you_mean, found, listed, nearest
from anvil.core.units import parse_bytes, parse_hertz, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anvil.config.document import Document, YamlPath
    from anvil.config.schemas import Schema
    from anvil.core.diagnostics import Diagnostic

_PARSE_QUANTITY: Mapping[str, Callable[[object], int | float]] = {
    "bytes": parse_bytes,
    "hertz": parse_hertz,
    "seconds": parse_seconds,
}
_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    """A pattern as JSON Schema means it: `$` is the end, not also the line break before it."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def validate(document: Document, schema: Schema) -> tuple[Diagnostic, ...]:
    """Every way in which a document breaks its schema, by position."""
    errors = list(_Validator(schema.parse()).iter_errors(document.value))
    # A key that is only misspelt is not said to be missing as well.
    misspelt = {
        (*_path(error), nearest(name, _schema(error)["properties"]))
        for error in errors
        if error.validator == "additionalProperties"
        for name in _unknown_keys(error)
    }
    diagnostics = {
        (diagnostic.path, diagnostic.message): diagnostic
        for error in errors
        for diagnostic in _translate(error, document)
        if error.validator != "required"
    }
    for error in errors:
        if error.validator == "required":
            path = _path(error)
            present: Any = error.instance
            for name in _schema(error)["required"]:
                if name not in present and (*path, name) not in misspelt:
                    diagnostic = _missing_key(document, path, name, _schema(error))
                    diagnostics[diagnostic.path, diagnostic.message] = diagnostic
    return tuple(
        sorted(diagnostics.values(), key=lambda d: (d.line or 0, d.column or 0, d.path or ""))
    )


def _path(error: ValidationError) -> YamlPath:
    return tuple(error.absolute_path)


def _schema(error: ValidationError) -> Mapping[str, Any]:
    """The part of the schema that the keyword stands in."""
    assert isinstance(error.schema, dict)
    return error.schema


def _unknown_keys(error: ValidationError) -> list[str]:
    instance: Any = error.instance
    return [name for name in instance if name not in _schema(error)["properties"]]


def _missing_key(
    document: Document, path: YamlPath, name: str, schema: Mapping[str, Any]
) -> Diagnostic:
    meaning = schema.get("properties", {}).get(name, {}).get("description")
    message = f"the key {name!r} is missing"
    return document.error_at_key((*path, name), "config.missing-key", message, meaning)


def _translate(error: ValidationError, document: Document) -> list[Diagnostic]:
    """The sentences for one error of the validator; `required` has its own function."""
    path = _path(error)
    schema = _schema(error)
    value: Any = error.instance
    limit: Any = error.validator_value
    keyword = str(error.validator)
    if keyword == "additionalProperties":
        return [
            document.error_at_key(
                (*path, name),
                "config.unknown-key",
                f"unknown key {name!r}; allowed: {listed(schema['properties'])}",
                did_you_mean(name, schema["properties"]),
            )
            for name in _unknown_keys(error)
        ]
    if "x-unit" in schema:
        return [
            document.error_at_value(path, "config.unit", _unit_message(value, schema["x-unit"]))
        ]
    if keyword == "type":
        names = [limit] if isinstance(limit, str) else limit
        wanted = " or ".join(_TYPE_NAMES[name] for name in names)
        hint = _type_hint(names, value)
        message = f"expected {wanted}, found {found(value)}"
        return [document.error_at_value(path, "config.type", message, hint)]
    if keyword in {"enum", "const"}:
        allowed = limit if keyword == "enum" else [limit]
        hint = None
        if isinstance(value, str):
            hint = did_you_mean(value, [name for name in allowed if isinstance(name, str)])
            if value in {str(number) for number in allowed if not isinstance(number, str)}:
                hint = "write it without quotes"
        message = f"found {found(value)}; allowed: {listed(allowed)}"
        return [document.error_at_value(path, "config.value", message, hint)]
    if keyword == "pattern":
        message = f"found {found(value)}; allowed: {schema.get('patternErrorMessage', limit)}"
        # The names of keys are checked as values without a place of their own.
        if isinstance(document.value_at(path), dict) and not isinstance(value, dict):
            return [document.error_at_key((*path, value), "config.value", message)]
        return [document.error_at_value(path, "config.value", message)]
    sentence = _LIMITS.get(keyword)
    if sentence is not None:
        message = sentence.format(found=found(value), limit=limit)
        return [document.error_at_value(path, "config.value", message)]
    # A keyword that no schema here uses (tests/unit/test_config_schemas.py).
    return [document.error_at_value(path, "config.value", error.message)]


_LIMITS = {
    "minimum": "found {found}; allowed: at least {limit}",
    "maximum": "found {found}; allowed: at most {limit}",
    "minLength": "found an empty text, and at least {limit} character is needed",
    "maxLength": "found {found}; allowed: at most {limit} characters",
    "minItems": "found an empty list, and at least {limit} entry is needed",
    "maxItems": "the list is too long: allowed: at most {limit} entries",
    "minProperties": "found an empty mapping, and at least {limit} entry is needed",
    "uniqueItems": "the list has the same entry twice",
}


def _unit_message(value: object, unit: str) -> str:
    try:
        _PARSE_QUANTITY[unit](value)
    except ValueError as error:
        return str(error)
    return f"found {found(value)}, which is no number with a unit"


def _type_hint(names: list[str], value: object) -> str | None:
    if "object" in names and isinstance(value, list) and value and isinstance(value[0], str):
        return f"write each entry as a key of its own, such as `{value[0]}: {{}}`"
    if names == ["string"] and isinstance(value, (int, float)):
        return "put it into quotes"
    return None
