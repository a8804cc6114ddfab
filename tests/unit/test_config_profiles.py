"""Profiles: the built-in ones, and what a project's own do to them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from anvil.config.profiles import LoadedTargets, SourceFile, load_targets
from anvil.core.diagnostics import AnvilError
from anvil.core.target import Region, Target
from tests.support.configuration import VALID, as_text, built_in, load, own_root, schemas
from tests.support.golden import Golden

OWN = "extends: boards/nrf52840\n"
BUILT_IN = [
    *("browser", "corstone300", "hifive1-revb", "linux-x86_64"),
    *("microbit", "nrf52840", "rpi4", "rpi5"),
]


def target_of(profiles: dict[str, str], name: str = "mine") -> Target:
    loaded = load(profiles=profiles, targets=[name])
    assert not loaded.failures, as_text(loaded.failures[name])
    return loaded.project.targets[0].target


def own(text: str, **others: str) -> Target:
    return target_of({"boards/mine.yaml": text, **others})


def listing(profiles: dict[str, str]) -> LoadedTargets:
    return load_targets([own_root(profiles), built_in()], schemas=schemas())


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_targets(name: str, golden: Golden) -> None:
    target = target_of({}, name)
    golden.check(
        f"config/{name}.json",
        json.dumps(dataclasses.asdict(target), indent=2, sort_keys=True) + "\n",
    )


def test_all_targets_are_listed_by_name() -> None:
    listings = listing({}).listings
    assert [entry.name for entry in listings] == BUILT_IN
    assert [entry.target and entry.target.name for entry in listings] == BUILT_IN
    assert listings[0].file == "targets/boards/browser.yaml"


def test_a_broken_profile_is_listed_and_the_others_stay() -> None:
    listings = listing({"boards/broken.yaml": "extends: [\n"}).listings
    by_name = {entry.name: entry for entry in listings}
    assert by_name["broken"].target is None
    assert by_name["broken"].file == "own/boards/broken.yaml"
    assert [d.code for d in by_name["broken"].diagnostics] == ["yaml.syntax"]
    assert all(by_name[name].target is not None for name in BUILT_IN)


def test_a_board_changes_some_keys_of_another() -> None:
    target = own(OWN + "board: Mine\nmemory: {ram: {size: 64 KiB}}\n")
    parent = target_of({}, "nrf52840")
    assert target.board == "Mine"
    assert target.ram == Region(origin=0x20000000, size_bytes=65536)
    assert target.flash == parent.flash
    assert (target.core, target.toolchain) == (parent.core, parent.toolchain)
    assert target.digest != parent.digest


def test_a_chain_of_boards_nearest_first() -> None:
    target = own(
        "extends: boards/second\nclock: 32 MHz\n",
        **{"boards/second.yaml": OWN + "clock: 48 MHz\nstack: 16 KiB\n"},
    )
    assert (target.clock_hz, target.stack_bytes, target.n_interrupts) == (32_000_000, 16_384, 48)


def test_an_emulator_is_replaced_as_a_whole() -> None:
    target = own("extends: boards/rpi4\nemulator: {kind: native}\n")
    assert target.emulator.kind == "native"
    assert (target.emulator.program, target.emulator.cpu) == (None, None)


def test_a_board_of_the_same_name_extends_the_built_in_one() -> None:
    target = target_of({"boards/nrf52840.yaml": OWN + "stack: 16 KiB\n"}, "nrf52840")
    assert target.stack_bytes == 16_384
    assert target.board == "Nordic nRF52840 DK"


def test_a_core_of_the_same_name_replaces_the_built_in_one() -> None:
    profiles = {"cores/cortex-m4f.yaml": "architecture: armv7e-m\nfeatures: [z, a]\n"}
    assert target_of(profiles, "nrf52840").core.features == ("a", "z")


def test_an_own_toolchain_by_profile_and_by_anvil_yaml() -> None:
    zig = built_in()["toolchains/zig.yaml"].content.decode()
    profiles = {"toolchains/own.yaml": zig.replace("-O2", "-O3"), "boards/mine.yaml": OWN}
    text = VALID.replace("rpi4:", "rpi4: {toolchain: own}")
    rpi4 = load(text, profiles=profiles, targets=["rpi4"]).project.targets[0].target
    assert rpi4.toolchain.name == "own"
    assert rpi4.toolchain.compile_flags[-1] == "-O3"
    assert rpi4.toolchain.core_flags == target_of({}, "rpi4").toolchain.core_flags
    assert rpi4.digest != target_of({}, "rpi4").digest
    profiles["boards/mine.yaml"] += "toolchain: own\n"
    assert target_of(profiles).toolchain.name == "own"


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (
            "boards/nrf52840.yaml",
            "mcu: nRF52840\nclock: 64 MHz",
            "clock: 64000000 Hz\nmcu: nRF52840",
        ),
        ("boards/nrf52840.yaml", "256 KiB", "262144 B"),
        ("boards/nrf52840.yaml", "0x20000000", "536870912"),
        ("boards/nrf52840.yaml", "stack: 8 KiB", "# why\n\ndescription: a kit\nstack: 8 KiB"),
        ("boards/nrf52840.yaml", "accelerator: none\n", ""),
        ("cores/cortex-m4f.yaml", "description: ", "description: Another "),
        ("cores/cortex-m4f.yaml", "[dsp, fpv4-sp]", "[fpv4-sp, dsp]"),
        ("toolchains/zig.yaml", "-mcpu=cortex_a72", "-mcpu=cortex_a53"),
    ],
)
def test_a_digest_covers_values_and_nothing_else(path: str, before: str, after: str) -> None:
    text = built_in()[path].content.decode()
    assert before in text
    changed = target_of({path: text.replace(before, after)}, "nrf52840")
    assert changed == target_of({}, "nrf52840")


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("boards/nrf52840.yaml", "64 MHz", "65 MHz"),
        ("boards/nrf52840.yaml", "0x20000000", "0x20000100"),
        ("boards/nrf52840.yaml", "stack: 8 KiB", "stack: 9 KiB"),
        ("boards/nrf52840.yaml", "interrupts: 48", "interrupts: 47"),
        ("boards/nrf52840.yaml", "tx: P0.06", "tx: P1.06"),
        ("boards/nrf52840.yaml", "mps2-an386", "mps2-an385"),
        ("boards/nrf52840.yaml", "nrf52840_dk", "nano33ble"),
        ("boards/nrf52840.yaml", "[elf, hex,", "[elf,"),
        ("cores/cortex-m4f.yaml", "[dsp, fpv4-sp]", "[dsp]"),
        ("toolchains/zig.yaml", "0.17.1", "0.17.2"),
        ("toolchains/zig.yaml", "-Wextra", "-Weverything"),
        ("toolchains/zig.yaml", "-Os", "-Oz"),
        ("toolchains/zig.yaml", "cortex_m4+vfp4d16sp", "cortex_m4"),
        ("toolchains/zig.yaml", "--gc-sections", "--no-gc-sections"),
    ],
)
def test_a_digest_changes_with_every_value(path: str, before: str, after: str) -> None:
    text = built_in()[path].content.decode()
    assert before in text
    changed = target_of({path: text.replace(before, after)}, "nrf52840")
    assert changed.digest != target_of({}, "nrf52840").digest


def test_only_yaml_files_with_plain_names_are_profiles() -> None:
    profiles = {
        "boards/notes.md": "x",
        "boards/deep/er.yaml": OWN,
        "boards/Big.yaml": OWN,
        "boards/.yaml": OWN,
        "README.yaml": OWN,
    }
    assert [entry.name for entry in listing(profiles).listings] == BUILT_IN


def test_no_profiles_at_all() -> None:
    assert load_targets([], schemas=schemas()).listings == ()


def test_a_target_of_an_earlier_memo_is_the_same() -> None:
    first = listing({})
    second = load_targets([built_in()], schemas=schemas(), memo=first.memo)
    assert second == first


def test_bytes_that_are_no_text_fail_their_target_alone() -> None:
    root = {"boards/mine.yaml": SourceFile(file="mine.yaml", content=b"\xff\xfe\x00")}
    listings = load_targets([root, built_in()], schemas=schemas()).listings
    assert [entry.name for entry in listings if entry.target is None] == ["mine"]


def test_the_flags_of_every_core_are_there() -> None:
    with pytest.raises(AnvilError, match="unknown target"):
        load(targets=["nowhere"])
    for name in BUILT_IN:
        toolchain = target_of({}, name).toolchain
        assert "-ffp-contract=off" in toolchain.compile_flags
        assert toolchain.core_flags[0] == "-target"
