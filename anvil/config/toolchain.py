"""The toolchain of a target: a profile's flags for its core, and the packages that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.library import unknown_profile
from anvil.config.reader import Reader
from anvil.config.wording import listed
from anvil.core.digest import key_of
from anvil.core.target import Toolchain

if TYPE_CHECKING:
    from anvil.config.document import Document, YamlPath
    from anvil.config.library import ProfileLibrary

# One wheel compiles for every core, so that zig's package is said once; Debian has other packages
# for each core, so that gcc's are said there.
_OF_ZIG = ("package", "version")
_OF_GCC = ("prefix", "release", "package", "version", "with")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainChoice:
    """A toolchain that anvil.yaml names instead of the profile's."""

    name: str
    document: Document
    path: YamlPath


def resolve_toolchain(
    library: ProfileLibrary, core: str | None, reader: Reader, choice: ToolchainChoice | None
) -> Toolchain | None:
    """The toolchain that `choice`, or else the board of `reader`, names, for one core.

    None where something is wrong with it or the core is not known; its mistakes go to `reader`.
    """
    name = choice.name if choice is not None else reader.text(("toolchain",))
    if name is None:
        return None
    read = library.read(f"toolchains/{name}")

    def refuse(message: str, hint: str | None = None) -> None:
        if choice is None:
            reader.error(("toolchain",), "config.toolchain", message, hint)
        else:
            reader.diagnostics.append(
                choice.document.error_at_value(choice.path, "config.toolchain", message, hint)
            )

    if read is None:
        refuse(*unknown_profile(library, "toolchains", name))
        return None
    reader.diagnostics.extend(read.diagnostics)
    if read.document is None or read.diagnostics or core is None:
        return None
    cores = read.document.value["cores"]
    if core not in cores:
        message = f"the toolchain {name!r} has no flags for the core {core!r}; it has: "
        refuse(message + listed(sorted(cores)), f"add them under `cores` in {read.document.file}")
        return None
    values = Reader([read.document])
    fields = _fields(values, name, core)
    reader.diagnostics.extend(values.sorted_diagnostics())
    if values.diagnostics:
        return None
    # Of what this core gets only: flags for another one change nothing here.
    return Toolchain(**fields, digest=key_of(fields))


def _fields(values: Reader, name: str, core: str) -> dict[str, Any]:
    """A toolchain's fields but its digest; what is missing is recorded in `values`."""
    at_core = ("cores", core)
    kind = values.need_text(("kind",))
    home = at_core if kind == "gcc" else ()
    strange = [(key,) for key in _OF_ZIG] if kind == "gcc" else [(*at_core, k) for k in _OF_GCC]
    for path in strange:
        if values.find(path) is not None:
            message = f"{path[-1]!r} does not stand here where `kind` is {kind}"
            hint = "say it for each core" if kind == "gcc" else "remove it"
            values.error(path, "config.toolchain", message, hint)
    fields: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "package": values.need_text((*home, "package")),
        "version": values.need_text((*home, "version")),
    }
    for key in ("compile_flags", "link_flags"):
        fields[key] = (*values.texts((key,)), *values.texts((*at_core, key)))
    fields["core_flags"] = values.texts((*at_core, "flags"))
    if kind == "gcc":
        fields["prefix"] = values.need_text((*at_core, "prefix"))
        fields["release"] = values.need_text((*at_core, "release"))
        others = values.find((*at_core, "with"))
        fields["others"] = tuple(sorted(others[0].items())) if others is not None else ()
    return fields
