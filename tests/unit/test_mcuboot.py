"""Boards with MCUboot: the profile's checks, where firmware is linked, and the signed image."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from anvil.core.target import Mcuboot, Region
from anvil.package.mcuboot import firmware_binary, is_signed_image_of, signed_image
from tests.support import configuration

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.config.project import LoadedProject
    from anvil.core.target import Target

BOARD = """\
extends: boards/nrf52840
mcuboot:
  slot: {origin: 0x0000C000, size: 472 KiB}
  header: 512 B
  alignment: 4 B
  version: 1.2.3+45
  security_counter: 7
"""
CONFIG = configuration.VALID.replace("nrf52840: {}", "booted: {}")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FIRMWARE = bytes(range(256)) * 20


def load(board: str) -> LoadedProject:
    return configuration.load(CONFIG, profiles={"boards/booted.yaml": board}, targets=("booted",))


def booted(board: str = BOARD) -> Target:
    loaded = load(board)
    assert not loaded.failures, configuration.as_text(loaded.failures["booted"])
    return loaded.project.targets[0].target


def mcuboot() -> Mcuboot:
    found = booted().mcuboot
    assert found is not None
    return found


def test_firmware_gets_the_slot_without_what_mcuboot_needs() -> None:
    target = booted()
    found = mcuboot()
    assert found.slot == Region(origin=0xC000, size_bytes=472 * 1024)
    assert found.chip_flash == Region(origin=0, size_bytes=1024 * 1024)
    assert target.flash is not None
    assert target.flash.origin == 0xC200
    # 144 bytes of signature fields, 12 of the counter, and 128 sectors' status with four flags.
    overhead = 144 + 12 + (128 * 3 * 4 + 4 * 8 + 16)
    assert target.flash.size_bytes == 472 * 1024 - 512 - overhead


def test_the_largest_firmware_fits_the_slot_and_one_byte_more_does_not() -> None:
    target = booted()
    assert target.flash is not None
    image = signed_image(bytes(target.flash.size_bytes), mcuboot(), KEY)
    assert len(image) < mcuboot().slot.size_bytes
    with pytest.raises(ValueError, match="exceeds requested size"):
        signed_image(bytes(target.flash.size_bytes + 1), mcuboot(), KEY)


@pytest.mark.parametrize("counter", [None, 0, 9])
@pytest.mark.parametrize("alignment", [1, 8, 16, 32])
def test_what_mcuboot_needs_is_counted_as_imgtool_counts_it(
    alignment: int, counter: int | None
) -> None:
    found = replace(mcuboot(), alignment_bytes=alignment, security_counter=counter)
    most = found.slot.size_bytes - found.header_bytes - found.overhead_bytes
    signed_image(bytes(most), found, KEY)
    with pytest.raises(ValueError, match="exceeds requested size"):
        signed_image(bytes(most + 1), found, KEY)


def test_a_board_without_it_keeps_its_flash() -> None:
    loaded = configuration.load(targets=("nrf52840",))
    target = loaded.project.targets[0].target
    assert target.mcuboot is None
    assert target.flash == Region(origin=0, size_bytes=1024 * 1024)
    assert target.digest != booted().digest


@pytest.mark.parametrize(
    ("before", "after", "path", "words"),
    [
        ("0x0000C000", "0x000F0000", "mcuboot.slot", "not inside the flash"),
        ("472 KiB", "1 MiB", "mcuboot.slot", "not inside the flash"),
        ("472 KiB", "2 KiB", "mcuboot.slot.size", "leaves nothing for the firmware"),
        ("512 B", "16 B", "mcuboot.header", "from 32 to 65535 B"),
        ("512 B", "32 B", "mcuboot.header", "a multiple of 256 bytes"),
        ("512 B", "512", "mcuboot.header", "unit"),
        ("alignment: 4 B", "alignment: 3 B", "mcuboot.alignment", "1 B, 2 B, 4 B"),
        ("1.2.3+45", "1.2", "mcuboot.version", ""),
        ("1.2.3+45", "256.0.0", "mcuboot.version", "255.255.65535"),
        ("security_counter: 7", "security_counter: -1", "mcuboot.security_counter", ""),
        ("  version: 1.2.3+45\n", "", "mcuboot.version", "missing"),
    ],
)
def test_a_mistake_is_said_at_its_place(before: str, after: str, path: str, words: str) -> None:
    failures = load(BOARD.replace(before, after)).failures["booted"]
    assert [d.path for d in failures] == [path]
    (found,) = failures
    assert words in found.message
    assert (found.file, found.line is not None) == ("own/boards/booted.yaml", True)


def test_a_linux_program_has_no_bootloader() -> None:
    (found,) = load(BOARD.replace("boards/nrf52840", "boards/rpi4")).failures["booted"]
    assert (found.path, found.code) == ("mcuboot", "config.build")


def test_the_image_is_signed_over_every_byte_and_always_the_same() -> None:
    image = signed_image(FIRMWARE, mcuboot(), KEY)
    assert image == signed_image(FIRMWARE, mcuboot(), KEY)
    assert image[512 : 512 + len(FIRMWARE)] == FIRMWARE
    public = KEY.public_key()
    assert is_signed_image_of(image, FIRMWARE, mcuboot(), public)
    for at in (0, 20, 100, 511, 512, 600, len(image) - 70, len(image) - 1):
        changed = bytearray(image)
        changed[at] ^= 1
        assert not is_signed_image_of(bytes(changed), FIRMWARE, mcuboot(), public), at
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert not is_signed_image_of(image, FIRMWARE, mcuboot(), other.public_key())
    assert not is_signed_image_of(image, FIRMWARE, replace(mcuboot(), version="1.2.4"), public)
    for content in (b"", image[:40], image + b"\xff"):
        assert not is_signed_image_of(content, FIRMWARE, mcuboot(), public)


def test_imgtool_itself_accepts_the_image(tmp_path: Path) -> None:
    image, key = tmp_path / "image.bin", tmp_path / "key.pem"
    image.write_bytes(signed_image(FIRMWARE, mcuboot(), KEY))
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key.write_bytes(public)
    words = [sys.executable, "-m", "imgtool.main", "verify", "--key", str(key), str(image)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "Image version: 1.2.3+45" in ended.stdout


def test_signing_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    signed_image(FIRMWARE, mcuboot(), KEY)
    assert capsys.readouterr() == ("", "")


def test_gaps_of_a_hex_file_are_erased_flash() -> None:
    lines = (":0400100001020304E2", ":020018000506DB", ":00000001FF", "")
    assert firmware_binary("\n".join(lines).encode()) == b"\x01\x02\x03\x04\xff\xff\xff\xff\x05\x06"
