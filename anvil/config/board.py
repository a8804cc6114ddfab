"""One board to a target: what it extends, its core and its toolchain resolved.

A board's keys hold over those of the board that it extends; `memory` and `platformio` are
merged key by key; `console`, `emulator`, `mcuboot` and `artifacts` are replaced as a whole. Where a
board extends a board of its own name, it means the next root's: so a project changes one
key of a built-in board by

    # targets/boards/nrf52840.yaml
    extends: boards/nrf52840
    stack: 16 KiB
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.library import PROFILE_SUFFIX, unknown_profile
from anvil.config.mcuboot import MCUBOOT, firmware_flash, read_mcuboot
from anvil.config.reader import Reader
from anvil.config.toolchain import resolve_toolchain
from anvil.config.wording import listed
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.digest import key_of
from anvil.core.target import (
    ClockedConsole,
    Console,
    Core,
    Emulator,
    PlatformIO,
    Region,
    Target,
)

if TYPE_CHECKING:
    from anvil.config.document import Document, YamlPath
    from anvil.config.library import ProfileLibrary
    from anvil.config.toolchain import ToolchainChoice

_REPLACED_WHOLE = frozenset({"console", "emulator", MCUBOOT})
_EMULATOR_KEYS = {
    "qemu-system-arm": ("machine",),
    "qemu-system-riscv32": ("machine",),
    "qemu-user": ("program", "cpu"),
    "node": (),
    "native": (),
}
_CONSOLE_KEYS = {
    "uarte": ("tx", "rx"),
    "nrf-uart": ("tx", "rx"),
    "cmsdk-uart": ("clock",),
    "sifive-uart": ("clock",),
}
_REFERENCE = re.compile(r"(?:boards|cores)/[a-z0-9][a-z0-9_-]*")
_PIN = re.compile(r"P([0-9])\.([0-9]{1,2})")
_ADDRESS_SPACE = 1 << 32  # of a microcontroller
_STACK_ALIGNMENT = 8  # of the stack pointer at a public interface (AAPCS32, 6.2.1.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """What one kind of project can be for."""

    architectures: tuple[str, ...]
    emulators: tuple[str, ...]
    artifacts: tuple[str, ...]


_BUILDS = {
    "platformio": _Build(
        architectures=(
            *("armv6-m", "armv7-m", "armv7e-m", "armv8-m.main", "armv8.1-m.main"),
            "rv32imc",
        ),
        emulators=("qemu-system-arm", "qemu-system-riscv32"),
        artifacts=("elf", "hex", "library", "header"),
    ),
    "cmake": _Build(
        architectures=("armv8-a", "x86-64"),
        emulators=("qemu-user", "native"),
        artifacts=("program", "library", "header"),
    ),
    "web": _Build(
        architectures=("wasm32",),
        emulators=("node",),
        artifacts=("wasm", "module", "types", "package", "page"),
    ),
}


def resolve_target(
    library: ProfileLibrary, name: str, toolchain: ToolchainChoice | None = None
) -> Target:
    """The target of a profile under boards/, everything that it refers to resolved.

    `name` must be one of `library.names("boards")`. Raises AnvilError with every mistake
    in the board, the boards that it extends, its core and its toolchain.
    """
    chain = _follow(library, name)
    if not chain.documents:
        raise AnvilError(*chain.diagnostics)
    reader = Reader(chain.documents, chain.diagnostics, whole=_REPLACED_WHOLE)
    core = None if chain.core is None else _core(library, chain, reader)
    if chain.is_whole:
        _need_keys(reader)
    compiler = resolve_toolchain(library, chain.core, reader, toolchain)
    fields: dict[str, Any] = {
        "name": name,
        "board": reader.text(("board",)),
        "build": reader.text(("build",)),
        "artifacts": reader.texts(("artifacts",)),
        "accelerator": reader.text(("accelerator",)) or "none",
        "rtos": reader.text(("rtos",)) or "none",
        "mcu": reader.text(("mcu",)),
        "clock_hz": reader.hertz(("clock",)),
        "stack_bytes": reader.size_bytes(("stack",)),
        "n_interrupts": reader.integer(("interrupts",)) or 0,
        "flash": _region(reader, "flash"),
        "ram": _region(reader, "ram"),
        "console": _console(reader),
        "emulator": _emulator(reader),
        "platformio": _platformio(reader),
    }
    _check_memory(reader, fields["flash"], fields["ram"], fields["stack_bytes"])
    mcuboot = read_mcuboot(reader, fields["flash"], fields["n_interrupts"])
    if mcuboot is not None:
        # A board without a bootloader keeps the digest that it has without this key.
        fields |= {"mcuboot": mcuboot, "flash": firmware_flash(mcuboot)}
    _check_build(reader, core)
    if reader.diagnostics:
        raise AnvilError(*reader.sorted_diagnostics())
    assert core is not None
    assert compiler is not None
    digest = key_of(_plain({**fields, "core": core.digest, "toolchain": compiler.digest}))
    return Target(
        **fields,
        core=core,
        toolchain=compiler,
        flash_wait_states=reader.integer(("memory", "flash", "wait_states")),
        digest=digest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """A board and the boards that it extends, nearest first."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    core: str | None  # that the last of them extends

    @property
    def is_whole(self) -> bool:
        """Whether every board could be read, so that a key that is absent is missing."""
        return self.core is not None


def _follow(library: ProfileLibrary, name: str) -> _Chain:
    documents: list[Document] = []
    diagnostics: list[Diagnostic] = []
    core = None
    reference, first_root = f"boards/{name}", 0
    seen: list[tuple[int, str]] = []
    while True:
        read = library.read(reference, first_root)
        if read is None:
            _unknown_parent(library, documents[-1], reference, diagnostics)
            break
        if (read.root, reference) in seen:
            way = " > ".join(place[1] for place in [*seen, (read.root, reference)])
            message = f"the boards extend each other in a circle: {way}"
            diagnostics.append(documents[-1].error_at_value(("extends",), "config.cycle", message))
            break
        seen.append((read.root, reference))
        diagnostics.extend(read.diagnostics)
        if read.document is None:
            break
        documents.append(read.document)
        extends = read.document.value.get("extends")
        if not isinstance(extends, str) or _REFERENCE.fullmatch(extends) is None:
            break
        if extends.startswith("cores/"):
            core = extends.removeprefix("cores/")
            break
        first_root = read.root + 1 if extends == reference else 0
        reference = extends
    return _Chain(documents=tuple(documents), diagnostics=tuple(diagnostics), core=core)


def _unknown_parent(
    library: ProfileLibrary, document: Document, reference: str, diagnostics: list[Diagnostic]
) -> None:
    folder, _, name = reference.partition("/")
    message, hint = unknown_profile(library, folder, name)
    if library.read(reference) is not None:
        message, hint = (
            f"no later folder of profiles has {reference}{PROFILE_SUFFIX} to extend",
            None,
        )
    diagnostics.append(
        document.error_at_value(("extends",), "config.unknown-profile", message, hint)
    )


def _core(library: ProfileLibrary, chain: _Chain, reader: Reader) -> Core | None:
    """The core that the boards extend; its mistakes go to `reader`."""
    assert chain.core is not None
    read = library.read(f"cores/{chain.core}")
    if read is None:
        diagnostics: list[Diagnostic] = []
        _unknown_parent(library, chain.documents[-1], f"cores/{chain.core}", diagnostics)
        reader.diagnostics.extend(diagnostics)
        return None
    reader.diagnostics.extend(read.diagnostics)
    if read.document is None or read.diagnostics:
        return None
    values = Reader([read.document])
    architecture = values.need_text(("architecture",))
    features = tuple(sorted(values.texts(("features",))))
    return Core(
        name=chain.core,
        architecture=architecture,
        features=features,
        digest=key_of([chain.core, architecture, features]),
    )


def _need_keys(reader: Reader) -> None:
    """Record every key that none of the boards says and that the build needs."""
    keys: list[YamlPath] = [("board",), ("toolchain",), ("build",), ("emulator",), ("artifacts",)]
    if reader.text(("build",)) == "platformio":
        keys += [("mcu",), ("clock",), ("stack",), ("interrupts",)]
        keys += [("memory", r, k) for r in ("flash", "ram") for k in ("origin", "size")]
        keys += [("platformio", "board")]
    for key in keys:
        reader.need(key)


def _region(reader: Reader, name: str) -> Region | None:
    origin = reader.integer(("memory", name, "origin"))
    size_bytes = reader.size_bytes(("memory", name, "size"))
    if origin is None or size_bytes is None:
        return None
    if origin + size_bytes > _ADDRESS_SPACE:
        message = f"the region ends at {origin + size_bytes:#x}, and addresses have 32 bits"
        path = reader.first_said(("memory", name, "origin"), ("memory", name, "size"))
        reader.error(path, "config.memory", message)
    return Region(origin=origin, size_bytes=size_bytes)


def _check_memory(
    reader: Reader, flash: Region | None, ram: Region | None, stack_bytes: int | None
) -> None:
    if flash is not None and ram is not None:
        first, second = sorted([flash, ram], key=lambda region: region.origin)
        if first.origin + first.size_bytes > second.origin:
            message = (
                f"flash and RAM overlap: {first.origin:#x} and {first.size_bytes} bytes reach "
                f"past {second.origin:#x}"
            )
            places = [("memory", r, key) for r in ("ram", "flash") for key in ("origin", "size")]
            reader.error(reader.first_said(*places), "config.memory", message)
    if stack_bytes is not None and stack_bytes % _STACK_ALIGNMENT:
        message = f"a stack is a multiple of {_STACK_ALIGNMENT} bytes, found {stack_bytes}"
        reader.error(("stack",), "config.memory", message)
    if stack_bytes is not None and ram is not None and stack_bytes >= ram.size_bytes:
        message = f"a stack of {stack_bytes} bytes leaves nothing of {ram.size_bytes} bytes of RAM"
        reader.error(("stack",), "config.memory", message)


def _check_build(reader: Reader, core: Core | None) -> None:
    """Record what the kind of project cannot do: another core, emulator or artifact."""
    build = reader.text(("build",))
    if build not in _BUILDS:
        return
    able = _BUILDS[build]
    if core is not None and core.architecture not in able.architectures:
        message = (
            f"a {build} project is for {listed(able.architectures)}; "
            f"the core {core.name!r} is {core.architecture}"
        )
        reader.error(("build",), "config.build", message)
    if build != "platformio" and reader.find((MCUBOOT,)) is not None:
        message = f"MCUboot starts firmware, and this is a {build} project"
        reader.error((MCUBOOT,), "config.build", message, "remove it")
    emulator = reader.text(("emulator", "kind"))
    if emulator in _EMULATOR_KEYS and emulator not in able.emulators:
        message = f"found {emulator!r}; a {build} project runs on: {listed(able.emulators)}"
        reader.error(("emulator", "kind"), "config.build", message)
    for index, artifact in enumerate(reader.texts(("artifacts",))):
        if artifact not in able.artifacts:
            message = f"found {artifact!r}; a {build} project makes: {listed(able.artifacts)}"
            reader.error(("artifacts", index), "config.build", message)


def _console(reader: Reader) -> Console | ClockedConsole | None:
    kind = reader.text(("console", "kind"))
    base = reader.integer(("console", "base"))
    baud = reader.integer(("console", "baud"))
    tx_pin, rx_pin = _pin(reader, "tx"), _pin(reader, "rx")
    clock_hz = reader.hertz(("console", "clock"))
    if kind is None or base is None or baud is None or kind not in _CONSOLE_KEYS:
        return None  # absent, or the schema said what is wrong
    for key in sorted({key for keys in _CONSOLE_KEYS.values() for key in keys}):
        if key not in _CONSOLE_KEYS[kind] and reader.find(("console", key)) is not None:
            owner = next(owner for owner, keys in _CONSOLE_KEYS.items() if key in keys)
            message = f"{key!r} is a key of {owner}, and this console is {kind}"
            reader.error(("console", key), "config.console", message, "remove it")
    if "clock" in _CONSOLE_KEYS[kind]:
        if not clock_hz:
            return None
        return ClockedConsole(kind=kind, base=base, clock_hz=clock_hz, baud=baud)
    if tx_pin is None or rx_pin is None:
        return None
    if tx_pin == rx_pin:
        reader.error(("console", "rx"), "config.console", "rx is the same pin as tx")
    return Console(kind=kind, base=base, tx_pin=tx_pin, rx_pin=rx_pin, baud=baud)


def _pin(reader: Reader, key: str) -> int | None:
    match = _PIN.fullmatch(reader.text(("console", key)) or "")
    return int(match[1]) * 32 + int(match[2]) if match else None


def _emulator(reader: Reader) -> Emulator | None:
    kind = reader.text(("emulator", "kind"))
    if kind not in _EMULATOR_KEYS:
        return None
    values = {key: reader.text(("emulator", key)) for key in ("machine", "program", "cpu")}
    for key, value in values.items():
        if value is not None and key not in _EMULATOR_KEYS[kind]:
            owner = next(owner for owner, keys in _EMULATOR_KEYS.items() if key in keys)
            message = f"{key!r} is a key of {owner}, and this emulator is {kind}"
            reader.error(("emulator", key), "config.emulator", message, "remove it")
    return Emulator(kind=kind, **values)


def _platformio(reader: Reader) -> PlatformIO | None:
    board = reader.text(("platformio", "board"))
    platform = reader.text(("platformio", "registry_platform"))
    if board is None:
        return None
    return PlatformIO(board=board, registry_platform=platform)


def _plain(value: Any) -> Any:  # noqa: ANN401  dataclasses to any JSON value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value
