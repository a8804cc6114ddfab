"""The Linux project: the library, a program around it, and CMake files that build both."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from anvil import __version__
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.render.environment import jinja_environment, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from anvil.core.plan import Plan
    from anvil.core.target import Toolchain
    from anvil.core.tensor import Tensor

# Core architecture -> the processor as Linux and CMake name it, and every name of it that
# CMake may report for a host.
_PROCESSORS = {"armv8-a": ("aarch64", "aarch64|arm64"), "x86-64": ("x86_64", "x86_64|AMD64")}

# Both processors have 64-bit addresses.
_POINTER_BYTES = 8

_PLAIN = frozenset(string.ascii_letters + string.digits + " !#&'()*+,-./:;<=>@[]^_`{|}~")


def c_string(text: str) -> str:
    r"""A C string literal of the UTF-8 of `text`; octal, since a hex escape has no end.

    >>> c_string('scale "1"?')
    '"scale \\0421\\042\\077"'
    """
    return (
        '"'
        + "".join(
            chr(byte) if chr(byte) in _PLAIN else "\\n" if byte == ord("\n") else f"\\{byte:03o}"
            for byte in text.encode()
        )
        + '"'
    )


def cmake_words(flags: Sequence[str]) -> str:
    """Flags as the text of a quoted CMake argument, which a shell will split again.

    A flag with a space, a quote or a semicolon would change its meaning on the way:
    ValueError.
    """
    for flag in flags:
        if not flag or set(flag) & set(" \t\n\"'\\;$`"):
            msg = f"a compiler flag is one plain word, found {flag!r}"
            raise ValueError(msg)
    return " ".join(flags)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _real_value(tensor: Tensor) -> str:
    if tensor.quantization is None or tensor.quantization.is_per_channel:
        return "as stored"
    quantization = tensor.quantization
    return f"{quantization.scale!r} * (q - {quantization.zero_point})"


def _markdown(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-.!|" else c for c in text)


def describe_ports(plan: Plan) -> list[dict[str, Any]]:
    """Role, index, name, dtype, shape, bytes and real value of each input and output."""
    return [
        {
            "role": role,
            "index": index,
            "name": _plain(tensor.name),
            "label": _markdown(_plain(tensor.name)),
            "dtype": tensor.dtype.value,
            "shape": "x".join(map(str, tensor.shape)) or "scalar",
            "n_bytes": tensor.n_bytes,
            "real": _real_value(tensor),
        }
        for role, tensors in (("input", plan.graph.inputs), ("output", plan.graph.outputs))
        for index, tensor in enumerate(plan.graph.tensors[number] for number in tensors)
    ]


def toolchain_values(plan: Plan, *, processor: str, pointer_bytes: int) -> dict[str, Any]:
    """What the build files of every CMake project say of the target's compiler."""
    toolchain = plan.target.toolchain
    return {
        "processor": processor,
        "pointer_bytes": pointer_bytes,
        "kind": toolchain.kind,
        "package": toolchain.package,
        "version": toolchain.version,
        "prefix": toolchain.prefix,
        "release": toolchain.release,
        "packages": toolchain.packages,
        "core_flags": cmake_words(toolchain.core_flags),
        "compile_flags": cmake_words(toolchain.compile_flags),
        "link_flags": cmake_words(toolchain.link_flags),
    }


def toolchain_file(toolchain: Toolchain) -> dict[str, str]:
    """CMake's toolchain file in the project -> its template; the preset has the same name."""
    return {f"cmake/{toolchain.kind}.cmake": f"cmake/{toolchain.kind}.cmake.j2"}


def library_sources(library: Mapping[str, bytes]) -> list[str]:
    """The sources among the library's files, sorted, relative to the project."""
    return sorted(path for path in library if path.endswith((".c", ".S")))


def render_files(
    environment: jinja2.Environment, templates: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, bytes]:
    """One file per entry of `templates`: path in the project -> template."""
    return {path: render(environment, template, **values) for path, template in templates.items()}


def render_cmake(
    plan: Plan, *, plan_digest: str, library: Mapping[str, bytes], templates: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The whole project by path, `library/` included.

    library: what render_library gives; templates: every file under templates/ by path
    relative to it. AnvilError where there is no Linux program for the target's core.
    """
    architecture = plan.target.core.architecture
    if architecture not in _PROCESSORS:
        raise AnvilError(
            Diagnostic(
                code="render.unsupported-architecture",
                message=(
                    f"target {plan.target.name} has a core of architecture {architecture}, and "
                    f"Linux programs are made for {', '.join(sorted(_PROCESSORS))}"
                ),
                hint="give the target another core, or another kind of build",
            )
        )
    processor, pattern = _PROCESSORS[architecture]
    ports = describe_ports(plan)
    values: dict[str, Any] = {
        "plan_digest": plan_digest,
        "name": plan.name,
        "upper": plan.name.upper(),
        "board": plan.target.board,
        "arena_bytes": plan.arena_bytes,
        "processor_pattern": pattern,
        "host_preset": True,
        "needs_avx2": "avx2" in plan.target.core.features,
        "library_sources": library_sources(library),
        "assembly_sources": [p for p in library_sources(library) if p.endswith(".S")],
        "ports": ports,
        "version_lines": [
            c_string(f"{plan.name}, by Anvil {__version__}, model {plan.model_sha256}\n")
        ],
        "info_lines": _info_lines(plan, ports),
    } | toolchain_values(plan, processor=processor, pointer_bytes=_POINTER_BYTES)
    files = render_files(
        jinja_environment(templates),
        {
            "CMakeLists.txt": "cmake/CMakeLists.txt.j2",
            "CMakePresets.json": "cmake/CMakePresets.json.j2",
            "README.md": "cmake/README.md.j2",
            **toolchain_file(plan.target.toolchain),
            "src/main.c": "cmake/main.c.j2",
            "src/memory.c": "cmake/memory.c.j2",
            "src/system.c": "cmake/system.c.j2",
            "src/system.h": "cmake/system.h.j2",
        },
        values,
    )
    return dict(sorted((files | dict(library)).items()))


def _info_lines(plan: Plan, ports: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"name {plan.name}",
        f"target {plan.target.name}",
        f"model_sha256 {plan.model_sha256}",
        f"arena_bytes {plan.arena_bytes}",
        f"weight_bytes {plan.weight_bytes}",
        *(
            f"{port['role']} {port['index']}: {port['name']}, {port['dtype']}, {port['shape']}, "
            f"{port['n_bytes']} bytes, real value {port['real']}"
            for port in ports
        ),
    ]
    return [c_string(line + "\n") for line in lines]
