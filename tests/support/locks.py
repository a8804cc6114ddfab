"""Locks as values, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

from anvil.core.image import Image, Package, Wheel
from anvil.lock.document import Lock, image_section


def sha(number: int) -> str:
    """A SHA-256 that is easy to tell from others."""
    return f"{number:064x}"


IMAGE = Image(
    sha256=sha(1),
    size_bytes=400_000_000,
    definition=sha(2),
    suite="bookworm",
    architecture="amd64",
    packages=(
        Package(name="gcc-12-base", version="12.2.0-14", architecture="amd64", sha256=sha(3),
                size_bytes=37_500),
        Package(name="libc6", version="2.36-9", architecture="amd64", sha256=sha(4),
                size_bytes=2_700_000),
        Package(name="libc6", version="2.36-9", architecture="i386", sha256=sha(5),
                size_bytes=2_600_000),
        Package(name="tzdata", version="2024a-0", architecture="all", sha256=sha(6),
                size_bytes=300_000),
    ),
    wheels=(
        Wheel(name="ziglang", version="0.17.1", file="ziglang-0.17.1-py3-none-any.whl",
              sha256=sha(7), size_bytes=101_000_000),
    ),
)  # fmt: skip


def sections(image: Image | None = IMAGE) -> dict[str, Any]:
    """The sections of a lock with two targets."""

    def target(profile: int, candidate: str) -> dict[str, Any]:
        return {
            "profile": sha(profile),
            "toolchain": "zig",
            "costs": None,
            "candidate": candidate,
            "request": {"optimize": ["flash", "latency"], "max_accuracy_drop": 0.01},
        }

    def wheel(version: str, *hashes: int) -> dict[str, Any]:
        return {"version": version, "sha256": [sha(number) for number in hashes]}

    return {
        "anvil": {"version": "0.1.0", "planner": sha(10), "templates": sha(11)},
        "kernels": {"built_in": sha(12), "own": None},
        "toolchains": {
            "zig": {
                "kind": "zig",
                "cores": {"cortex-m4f": sha(13), "cortex-a72": sha(13)},
                "packages": {"ziglang": wheel("0.17.1", 14, 15)},
            }
        },
        "quantizers": {"ai-edge-litert": wheel("2.3.0", 16)},
        "data": {"calibration": sha(17), "evaluation": None, "metric": None},
        "models": {"source": sha(18), "int8": sha(19), "mixed@rpi4": sha(20)},
        "targets": {"nrf52840": target(21, "int8"), "rpi4": target(22, "mixed@rpi4")},
        "wheels": {"cmake": wheel("4.4.4", 23), "numpy": wheel("2.4.6", 24, 25)},
        "image": None if image is None else image_section(image),
    }


def lock(image: Image | None = IMAGE) -> Lock:
    """A lock with two targets."""
    return Lock(sections=sections(image))


def changed(path: str, value: object, image: Image | None = IMAGE) -> Lock:
    """That lock with one value changed; `path` is words with slashes. None takes a member out."""
    values = sections(image)
    *parents, last = path.split("/")
    inner = values
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return Lock(sections=values)
