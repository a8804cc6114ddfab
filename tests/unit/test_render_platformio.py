from __future__ import annotations

import configparser
import dataclasses
import json
import re
from typing import TYPE_CHECKING

import pytest

from anvil import __version__
from anvil.core.diagnostics import AnvilError
from anvil.core.target import ClockedConsole, Console, Emulator
from anvil.render.platformio import render_platformio
from tests.support import echo_firmware as echo
from tests.support.networks import Network
from tests.support.projects import plan_of

if TYPE_CHECKING:
    from anvil.core.target import Target


@pytest.fixture(scope="module")
def target() -> Target:
    return echo.nrf52840()


@pytest.fixture(scope="module")
def files(target: Target) -> dict[str, bytes]:
    return echo.project(target)


def test_the_same_plan_renders_the_same_files(target: Target, files: dict[str, bytes]) -> None:
    assert echo.project(target) == files
    assert list(files) == sorted(files)


def test_every_file_says_what_it_comes_from(files: dict[str, bytes]) -> None:
    unnamed = [
        path
        for path, content in files.items()
        if not (
            re.search(rb"templates/\S+ by Anvil " + __version__.encode(), content)
            and b"plan " + b"0" * 64 in content
        )
    ]
    # The library has its own template; JSON without a free text field has no place for it.
    assert [path for path in unnamed if not path.startswith("library/")] == [
        "platformio/packages/tool-scons/.piopm",
        "platformio/platforms/anvil/.piopm",
        "platformio/platforms/anvil/boards/nrf52840_dk.json",
    ]


def test_the_memory_map_is_the_profiles(target: Target, files: dict[str, bytes]) -> None:
    assert target.flash is not None
    assert target.ram is not None
    script = files["firmware/memory.ld"].decode()
    regions = re.findall(r"(FLASH|RAM) +\(\w+\) +: ORIGIN = (\w+), LENGTH = (\d+)", script)
    assert [(name, int(origin, 16), int(length)) for name, origin, length in regions] == [
        ("FLASH", target.flash.origin, target.flash.size_bytes),
        ("RAM", target.ram.origin, target.ram.size_bytes),
    ]
    assert f". = . + {target.stack_bytes};" in script


def test_the_compiler_and_its_flags_reach_the_build(
    target: Target, files: dict[str, bytes]
) -> None:
    board = json.loads(files["platformio/platforms/anvil/boards/nrf52840_dk.json"])
    assert board["build"]["anvil"] == {
        "name": "echo",
        "compiler": {
            "kind": "zig",
            "package": target.toolchain.package,
            "version": target.toolchain.version,
        },
        "core_flags": list(target.toolchain.core_flags),
        "compile_flags": list(target.toolchain.compile_flags),
        "link_flags": list(target.toolchain.link_flags),
    }
    for path, content in files.items():
        if path.endswith((".json", ".piopm")):
            json.loads(content)


def test_platformio_looks_inside_the_project_only(files: dict[str, bytes]) -> None:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(files["platformio.ini"].decode())
    folders = {key: value for key, value in ini["platformio"].items() if "${" in value}
    assert set(folders) == {"core_dir", "platforms_dir", "packages_dir"}
    assert all(value.startswith("${PROJECT_DIR}/") for value in folders.values())
    assert ini["env"]["platform"] == "anvil"
    assert ini["env"]["lib_ldf_mode"] == "off"


def test_everything_that_a_profile_lacks_is_said_at_once(target: Target) -> None:
    bare = dataclasses.replace(
        target,
        flash=None,
        stack_bytes=None,
        platformio=None,
        n_interrupts=0,
        console=Console(kind="usb", base=0, tx_pin=0, rx_pin=0, baud=12345),
        emulator=Emulator(kind="qemu-system-arm", machine="netduino2"),
    )
    with pytest.raises(AnvilError) as caught:
        echo.project(bare)
    assert [d.path for d in caught.value.diagnostics] == [
        "memory.flash",
        "stack",
        "interrupts",
        "platformio",
        "console.kind",
        "console.baud",
        "emulator.machine",
    ]
    assert all(d.hint for d in caught.value.diagnostics)


def test_more_tensors_than_the_protocol_counts_are_refused() -> None:
    net = Network(seed=1)
    outputs = [net.op("RELU", [net.input((1, 2))]) for _ in range(256)]
    plan = plan_of(net.graph(*outputs), "nrf52840")
    with pytest.raises(AnvilError) as caught:
        render_platformio(plan, plan_digest="00", library={}, templates={})
    messages = [diagnostic.message for diagnostic in caught.value.diagnostics]
    assert [message.split(",")[0] for message in messages] == [
        "the model has 256 inputs",
        "the model has 256 outputs",
    ]


def test_a_board_without_flash_is_loaded_not_flashed() -> None:
    files = echo.project(echo.built_in_target("corstone300"))
    assert "firmware/device/console_cmsdk.c" in files
    assert "firmware/device/console_uarte.c" not in files
    assert b"pyocd" not in files["README.md"]
    assert b"upload_command" not in files["platformio.ini"]
    board = files["firmware/device/board.h"].decode()
    assert "#define CONSOLE_DIVIDER 217u /* 115200 baud */" in board  # 25 MHz / 115200 = 217.01


def test_risc_v_has_a_start_up_and_counters_of_its_own() -> None:
    files = echo.project(echo.built_in_target("hifive1-revb"))
    assert b"startup_riscv.c" in files["firmware/common/startup.c"].splitlines()[0]
    assert {"firmware/device/console_sifive.c", "firmware/emulator/soc_virt.c"} <= files.keys()
    assert "firmware/emulator/soc_emulator.c" not in files
    board = files["firmware/device/board.h"].decode()
    assert "#define CONSOLE_DIVIDER 139u /* 115200 baud */" in board  # 16 MHz / 115200 = 138.9
    assert b"qemu-system-arm" not in files["README.md"]


@pytest.mark.parametrize(
    ("clock_hz", "baud"),
    [(1_000_000, 115200), (1_900_000, 115200), (25_000_000, 20)],
)
def test_rates_that_no_divider_makes_are_refused(clock_hz: int, baud: int) -> None:
    """A divider of 9 is too small, 16.5 is 3 % off, and 1,250,000 has too many bits."""
    target = echo.built_in_target("corstone300")
    console = ClockedConsole(kind="cmsdk-uart", base=0, clock_hz=clock_hz, baud=baud)
    with pytest.raises(AnvilError) as caught:
        echo.project(dataclasses.replace(target, console=console))
    assert [d.path for d in caught.value.diagnostics] == ["console.baud"]
