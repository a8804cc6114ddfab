"""The kernel variants that kernels.yaml files list."""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.plan import Variant
from anvil.plan.kernel_digest import kernel_digest
from anvil.plan.layouts.packing import LAYOUTS
from anvil.plan.overlap import TRAVERSALS
from anvil.plan.yaml_data import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_NAME = "kernels.yaml"
_TEXT_FIELDS = ("symbol", "source", "dtype", "when", "scratch_bytes")
_ALIGNMENTS = (1, 2, 4, 8, 16)  # the arena itself starts at 16


def load_variants(kernels: Mapping[str, bytes]) -> tuple[Variant, ...]:
    """Every variant, by folder and then in the order of its file, which is by preference.

    kernels: the files under one or more kernels/ folders, by path relative to it. Raises
    AnvilError that lists every mistake of every file.
    """
    variants: list[Variant] = []
    mistakes: list[Diagnostic] = []
    for path in sorted(kernels):
        if posixpath.basename(path) == _FILE_NAME:
            found, wrong = _variants_of(path, kernels)
            variants += found
            mistakes += wrong
    mistakes += _repeated(variants)
    if mistakes:
        raise AnvilError(*mistakes)
    return tuple(variants)


def _repeated(variants: list[Variant]) -> list[Diagnostic]:
    """One error for each symbol that two variants have: the linker would choose."""
    counts = Counter(variant.symbol for variant in variants)
    return [
        Diagnostic(
            code="kernels.invalid",
            message=f"{n_times} variants have the symbol {symbol}",
            hint="give each variant a name of its own",
        )
        for symbol, n_times in sorted(counts.items())
        if n_times > 1
    ]


def _variants_of(path: str, kernels: Mapping[str, bytes]) -> tuple[list[Variant], list[Diagnostic]]:
    import yaml  # noqa: PLC0415  only where something has to be planned

    display = f"kernels/{path}"

    def mistake(message: str, hint: str | None = None) -> Diagnostic:
        return Diagnostic(code="kernels.invalid", message=message, file=display, hint=hint)

    try:
        document = load_yaml(kernels[path])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [], [
            Diagnostic(
                code="kernels.invalid",
                message=f"this is not YAML: {getattr(error, 'problem', error)}",
                file=display,
                line=None if mark is None else mark.line + 1,
                column=None if mark is None else mark.column + 1,
            )
        ]
    folder = posixpath.dirname(path)
    if not isinstance(document, dict) or document.get("op") != folder:
        return [], [mistake(f"`op` is the folder's name {folder!r}")]
    headers = document.get("headers", [])
    entries = document.get("variants", [])
    if not isinstance(headers, list) or not isinstance(entries, list) or not entries:
        return [], [mistake("`headers` and `variants` are lists, and there is one variant or more")]
    wrong = [
        mistake(f"header {header!r} is not there", "paths are relative to kernels/")
        for header in headers
        if header not in kernels
    ]
    found = []
    for number, entry in enumerate(entries, start=1):
        problem = _problem_of(entry, folder, kernels)
        if problem:
            wrong.append(mistake(f"variant {number}: {problem}"))
            continue
        dtype = entry["dtype"]
        # A rendered project has what its kernels include and no more.
        included = (*headers, *entry.get("headers", []))
        found.append(
            Variant(
                op=folder,
                dtype=dtype,
                name=entry["symbol"].removeprefix(f"anvil_{folder}_{dtype}_"),
                symbol=entry["symbol"],
                source=entry["source"],
                headers=included,
                requires=tuple(entry["requires"]),
                when=entry["when"],
                scratch_bytes=entry["scratch_bytes"],
                digest=kernel_digest(
                    b"\n".join(
                        kernels[source] for source in (entry["source"], *entry.get("parts", ()))
                    ),
                    [kernels[header] for header in included if header in kernels],
                ),
                traversal=entry.get("traversal", ""),
                alignment_bytes=entry.get("alignment", 1),
                layout=entry.get("layout", {}).get("name", ""),
                layout_options=tuple(
                    (name, value)
                    for name, value in sorted(entry.get("layout", {}).items())
                    if name != "name"
                ),
                parameters_type=entry.get("parameters", ""),
                parts=tuple(entry.get("parts", ())),
                cost_terms=tuple(entry.get("cost_terms", ())),
            )
        )
    return found, wrong


def _problem_of(entry: Any, folder: str, kernels: Mapping[str, bytes]) -> str | None:  # noqa: ANN401
    if not isinstance(entry, dict):
        return "an entry is a mapping"
    for field in _TEXT_FIELDS:
        if not isinstance(entry.get(field), str):
            return f"`{field}` is text, found {entry.get(field)!r}"
    requires = entry.get("requires")
    if not isinstance(requires, list) or not all(isinstance(r, str) for r in requires):
        return f"`requires` is a list of ISA features, found {requires!r}"
    headers = entry.get("headers", [])
    if not isinstance(headers, list):
        return f"`headers` is a list of paths relative to kernels/, found {headers!r}"
    missing = [header for header in headers if header not in kernels]
    if missing:
        return f"header {missing[0]!r} is not there; paths are relative to kernels/"
    prefix = f"anvil_{folder}_{entry['dtype']}_"
    if not entry["symbol"].startswith(prefix) or "__" not in entry["symbol"][len(prefix) :]:
        return f"`symbol` reads {prefix}<variant>__<isa>, found {entry['symbol']!r}"
    if entry["source"] not in kernels:
        return f"source {entry['source']!r} is not there; paths are relative to kernels/"
    traversal = entry.get("traversal", TRAVERSALS[0])
    if traversal not in TRAVERSALS:
        return f"`traversal` is one of {', '.join(TRAVERSALS)}, or left out; found {traversal!r}"
    return _problem_of_extras(entry, kernels)


def _problem_of_extras(entry: dict[str, Any], kernels: Mapping[str, bytes]) -> str | None:
    """What is wrong with the fields that fast kernels have."""
    layout = entry.get("layout", {})
    if not isinstance(layout, dict) or (layout and layout.get("name") not in LAYOUTS):
        return f"`layout` has a `name`, one of {', '.join(LAYOUTS) or 'none'}; found {layout!r}"
    if not all(isinstance(value, int | str) for value in layout.values()):
        return f"the options of a `layout` are numbers or text, found {layout!r}"
    if not isinstance(entry.get("parameters", ""), str):
        return f"`parameters` is the name of a C struct, found {entry['parameters']!r}"
    for field in ("parts", "cost_terms"):
        values = entry.get(field, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            return f"`{field}` is a list of text, found {values!r}"
    absent = [part for part in entry.get("parts", ()) if part not in kernels]
    if absent:
        return f"part {absent[0]!r} is not there; paths are relative to kernels/"
    alignment = entry.get("alignment", 1)
    if alignment not in _ALIGNMENTS or isinstance(alignment, bool):
        return f"`alignment` is one of 1, 2, 4, 8 and 16 bytes; found {alignment!r}"
    return None
