from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile
from intelhex import IntelHex

from anvil.core.diagnostics import AnvilError
from anvil.verify import linked_library
from tests.support import echo_firmware as echo
from tests.support.programs import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.firmware.conftest import Built

ARTIFACTS = {
    "device/echo.elf": "echo.elf",
    "device/echo.hex": "echo.hex",
    "device/libecho.a": "libecho.a",
    "emulator/echo.elf": "emulator/echo.elf",
    "emulator/libecho.a": "emulator/libecho.a",
}


def offline() -> list[str]:
    """What comes before a command that must not see a network; else the test is left out."""
    for unshare in (["unshare", "-n"], ["unshare", "-rn"]):
        try:
            subprocess.run([*unshare, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return unshare
    pytest.skip(f"{MISSING}the right to unshare the network")


def test_the_project_builds_alone_offline_and_elsewhere_to_the_same_bytes(
    built: Built, tmp_path: Path
) -> None:
    folder = tmp_path / "another folder" / "project"
    for path, content in echo.project(built.target).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    home = tmp_path / "home"
    home.mkdir()
    completed = subprocess.run(
        [*offline(), sys.executable, "-m", "platformio", "run"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "zig"),
        },
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout.decode() + completed.stderr.decode()
    for output, artifact in ARTIFACTS.items():
        content = (folder / ".pio" / "build" / output).read_bytes()
        assert content == (built.folder / artifact).read_bytes(), artifact
        assert str(tmp_path).encode() not in content
        assert os.path.dirname(os.__file__).encode() not in content  # noqa: PTH120


def test_both_programs_link_the_same_library(built: Built) -> None:
    assert linked_library.check(built.folder, echo.NAME, built.target.name) >= 6


def copy_with(built: Built, folder: Path, artifact: str, content: bytes) -> None:
    for name in ARTIFACTS.values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((built.folder / name).read_bytes())
    (folder / artifact).write_bytes(content)


@pytest.mark.parametrize("artifact", ["echo.elf", "emulator/echo.elf"])
def test_one_changed_instruction_is_found(built: Built, tmp_path: Path, artifact: str) -> None:
    content = bytearray((built.folder / artifact).read_bytes())
    elf: Any = ELFFile(io.BytesIO(content))
    symbol = elf.get_section_by_name(".symtab").get_symbol_by_name("work_run")[0]
    section = elf.get_section(symbol["st_shndx"])
    start = section["sh_offset"] + symbol["st_value"] - 1 - section["sh_addr"]
    udf = content.index(b"\x00\xde", start)  # the instruction of UNDEFINED_INSTRUCTION
    assert udf < start + symbol["st_size"]
    content[udf] = 1
    copy_with(built, tmp_path, artifact, bytes(content))
    with pytest.raises(AnvilError) as caught:
        linked_library.check(tmp_path, echo.NAME, "nrf52840")
    messages = [d.message for d in caught.value.diagnostics]
    assert messages == [f"nrf52840: {artifact}: work_run is not the one of libecho.a"]


def test_a_different_archive_is_found(built: Built, tmp_path: Path) -> None:
    content = (built.folder / "emulator/libecho.a").read_bytes()
    copy_with(built, tmp_path, "emulator/libecho.a", content + b"\n")
    with pytest.raises(AnvilError, match="are not the same bytes"):
        linked_library.check(tmp_path, echo.NAME, "nrf52840")


def test_the_device_starts_from_flash(built: Built) -> None:
    """The Intel HEX has the vector table at 0: the stack's top in RAM, an odd reset address."""
    image = IntelHex(str(built.folder / "echo.hex"))
    assert image.minaddr() == 0
    stack_top = int.from_bytes(image.tobinstr(0, size=4), "little")
    reset = int.from_bytes(image.tobinstr(4, size=4), "little")
    assert built.target.ram is not None
    assert built.target.stack_bytes is not None
    assert stack_top == built.target.ram.origin + built.target.stack_bytes
    assert reset % 2 == 1
    assert reset <= image.maxaddr()
