"""Toolchains of several packages: GCC, whose packages differ from core to core."""

from __future__ import annotations

import pytest

from anvil.build.tools import check_versions
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.image import Image, Package, Wheel
from tests.support.configuration import VALID, as_text, load

GCC = """\
kind: gcc
compile_flags: [-O2]
link_flags: [-s]
cores:
  cortex-m4f:
    prefix: arm-none-eabi-
    release: 12.2.1
    package: gcc-arm-none-eabi
    version: "15:12.2.rel1-1"
    with: {binutils-arm-none-eabi: 2.40-2+18+b1}
    flags: [-mcpu=cortex-m4]
    compile_flags: [-g]
    link_flags: [-nostartfiles]
"""


def choose(target: str = "nrf52840", name: str = "own") -> str:
    return VALID.partition("targets:")[0] + f"targets:\n  {target}: {{toolchain: {name}}}\n"


def mistakes(toolchain: str) -> str:
    loaded = load(choose(), profiles={"toolchains/own.yaml": toolchain})
    return as_text(loaded.failures["nrf52840"])


def test_a_core_has_packages_and_flags_of_its_own() -> None:
    loaded = load(choose(), profiles={"toolchains/own.yaml": GCC})
    toolchain = loaded.project.targets[0].target.toolchain
    assert toolchain.kind == "gcc"
    assert (toolchain.prefix, toolchain.release) == ("arm-none-eabi-", "12.2.1")
    assert toolchain.compile_flags == ("-O2", "-g")
    assert toolchain.link_flags == ("-s", "-nostartfiles")
    assert toolchain.tools == (
        ("debian:binutils-arm-none-eabi", "2.40-2+18+b1"),
        ("debian:gcc-arm-none-eabi", "15:12.2.rel1-1"),
    )


def test_another_version_of_any_package_is_another_toolchain() -> None:
    digests = set()
    for text in (GCC, GCC.replace("rel1-1", "rel1-2"), GCC.replace("+b1", "+b2")):
        loaded = load(choose(), profiles={"toolchains/own.yaml": text})
        digests.add(loaded.project.targets[0].target.digest)
    assert len(digests) == 3


@pytest.mark.parametrize(("target", "package"), [
    ("nrf52840", "debian:gcc-arm-none-eabi"), ("rpi4", "debian:gcc-12-aarch64-linux-gnu"),
    ("rpi5", "debian:gcc-12-aarch64-linux-gnu"),
])  # fmt: skip
def test_the_built_in_gcc(target: str, package: str) -> None:
    loaded = load(choose(target, "gcc"))
    toolchain = loaded.project.targets[0].target.toolchain
    assert package in dict(toolchain.tools)
    assert "-ffp-contract=off" in toolchain.compile_flags


@pytest.mark.parametrize("target", ["browser", "linux-x86_64"])
def test_cores_that_the_built_in_gcc_lacks(target: str) -> None:
    text = as_text(load(choose(target, "gcc")).failures[target])
    assert "it has: cortex-a72, cortex-a76, cortex-m0, cortex-m4f" in text


def test_what_is_missing_or_at_the_wrong_place_is_named() -> None:
    text = GCC.replace("    prefix: arm-none-eabi-\n", "").replace(
        "    package: gcc-arm-none-eabi\n", ""
    )
    text = text.replace("kind: gcc\n", "kind: gcc\npackage: gcc-arm-none-eabi\n")
    found = mistakes(text)
    assert "own/toolchains/own.yaml:2:10" in found
    assert "'package' does not stand here where `kind` is gcc" in found
    assert "the key 'package' is missing" in found
    assert "the key 'prefix' is missing" in found


def test_zig_has_one_package_for_all_cores() -> None:
    text = GCC.replace("kind: gcc", "kind: zig\npackage: ziglang\nversion: 0.17.1")
    found = mistakes(text)
    for key in ("prefix", "release", "package", "version", "with"):
        assert f"{key!r} does not stand here where `kind` is zig" in found


def test_the_host_refuses_debian_packages_once_and_says_who_takes_them() -> None:
    rows = (("debian:gcc-arm-none-eabi", "15:12.2.rel1-1"), ("debian:binutils-x", "2.40-2"))
    with pytest.raises(AnvilError) as raised:
        check_versions(rows)
    (diagnostic,) = raised.value.diagnostics
    assert raised.value.exit_code is ExitCode.FAILED
    assert "gcc-arm-none-eabi 15:12.2.rel1-1, binutils-x 2.40-2" in diagnostic.message
    assert "--executor docker or --executor sandbox" in (diagnostic.hint or "")


def test_an_image_keeps_wheels_and_debian_packages_apart() -> None:
    digest = "0" * 64
    image = Image(
        sha256=digest,
        size_bytes=1,
        definition=digest,
        suite="bookworm",
        architecture="amd64",
        packages=(
            Package(
                name="ninja", version="1.11", architecture="amd64", sha256=digest, size_bytes=1
            ),
        ),
        wheels=(Wheel(name="ninja", version="1.13.2", file="n.whl", sha256=digest, size_bytes=1),),
    )
    assert image.version_of("ninja") == "1.13.2"
    assert image.version_of("debian:ninja") == "1.11"
    assert image.version_of("debian:gcc") is None
    assert image.version_of("gcc") is None
