"""image.json: an Image in canonical JSON, and back with every mistake named."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import Any

from anvil.core.digest import canonical_json
from anvil.core.image import Image, Package, Wheel

# Raise it when image.json, the store's folders or an export change their form.
FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What becomes part of a file's name or of a command line.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]*")


class DocumentError(ValueError):
    """What is wrong with an image.json, in a sentence's form."""


def image_document(image: Image) -> bytes:
    """The canonical JSON of an image."""
    return canonical_json({"format": FORMAT, **asdict(image)})


def read_image_document(content: bytes) -> Image:
    """The image that a document describes. Raises DocumentError."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = "is not JSON"
        raise DocumentError(msg) from error
    if not isinstance(value, dict):
        msg = "is no JSON object"
        raise DocumentError(msg)
    if value.get("format") != FORMAT:
        msg = f"has the format {value.get('format')!r}, and this Anvil reads format {FORMAT}"
        raise DocumentError(msg)
    del value["format"]
    image: Image = _read(Image, value, "it")
    if image_document(image) != content:
        msg = "is not in canonical form, so that it was not written by Anvil"
        raise DocumentError(msg)
    return image


def _read(kind: Any, value: object, name: str) -> Any:  # noqa: ANN401  of the kind given
    known = {field.name for field in fields(kind)}
    if not isinstance(value, dict) or set(value) != known:
        msg = f"says other things of {name} than {', '.join(sorted(known))}"
        raise DocumentError(msg)
    read: dict[str, Any] = {}
    for key, one in value.items():
        place = f"{name}'s {key}" if name != "it" else f"its {key}"
        if key in {"packages", "wheels"}:
            if not isinstance(one, list):
                msg = f"has no list as {place}"
                raise DocumentError(msg)
            inner = Package if key == "packages" else Wheel
            read[key] = tuple(_read(inner, item, f"{key}[{i}]") for i, item in enumerate(one))
            if list(read[key]) != sorted(set(read[key])):
                msg = f"lists {key} unsorted or twice"
                raise DocumentError(msg)
        elif key == "size_bytes":
            if not isinstance(one, int) or isinstance(one, bool) or one < 0:
                msg = f"has no size as {place}"
                raise DocumentError(msg)
            read[key] = one
        else:
            form = _SHA256 if key in {"sha256", "definition"} else _WORD
            if not isinstance(one, str) or not form.fullmatch(one):
                msg = f"has no {'sha256' if form is _SHA256 else 'plain word'} as {place}"
                raise DocumentError(msg)
            read[key] = one
    return kind(**read)
