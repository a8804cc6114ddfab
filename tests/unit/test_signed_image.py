"""An image for MCUboot, made by imgtool: every changed byte and every other key is found."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from anvil.core.target import Mcuboot, Region
from anvil.package.mcuboot import signed_image
from anvil.release.assemble import assemble
from anvil.release.check import check_release
from anvil.release.files import ReleaseFile
from anvil.release.signed_image import signed_image_mistake
from tests.support.releases import DESCRIPTION, built_files, signing_key

MCUBOOT = Mcuboot(
    slot=Region(origin=0xC000, size_bytes=0x10000),
    header_bytes=0x200,
    alignment_bytes=4,
    version="1.2.3",
    security_counter=None,
    chip_flash=Region(origin=0, size_bytes=1 << 20),
)
FIRMWARE = bytes(range(256)) * 3
IMAGE = signed_image(FIRMWARE, MCUBOOT, signing_key().private)
COUNTED = signed_image(FIRMWARE, replace(MCUBOOT, security_counter=7), signing_key().private)
PUBLIC = signing_key().public.public
PATH = "nrf52840/digits.signed.bin"


@pytest.mark.parametrize("image", [IMAGE, COUNTED], ids=["plain", "with a security counter"])
def test_an_image_is_right_and_no_byte_of_it_can_change(image: bytes) -> None:
    assert signed_image_mistake(image, PUBLIC) is None
    for at in range(len(image)):
        changed = image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]
        assert signed_image_mistake(changed, PUBLIC) is not None, at
    for end in range(len(image)):
        assert signed_image_mistake(image[:end], PUBLIC) is not None
    assert signed_image_mistake(image + b"\xff", PUBLIC) == "has 1 bytes behind its end"


def test_an_image_of_another_key_is_told() -> None:
    other = signing_key(2).public.public
    assert signed_image_mistake(IMAGE, other) == "is not signed with the release's key"


def test_an_image_without_a_signature_is_told() -> None:
    fields = IMAGE.index(struct.pack("<H", 0x6907), 0x200 + len(FIRMWARE))
    digest = IMAGE[fields + 4 : fields + 4 + 36]
    bare = IMAGE[:fields] + struct.pack("<HH", 0x6907, 4 + len(digest)) + digest
    mistake = signed_image_mistake(bare, PUBLIC)
    assert mistake == "has other fields than a hash, a key's hash and one ed25519 signature"


@pytest.mark.parametrize(
    ("seed", "codes"), [(1, []), (2, [("release.contradiction", PATH)])], ids=["own", "other"]
)
def test_a_release_has_images_of_its_own_key(seed: int, codes: list[tuple[str, str]]) -> None:
    image = signed_image(FIRMWARE, MCUBOOT, signing_key(seed).private)
    files = {**built_files(), PATH: ReleaseFile(content=image)}
    mistakes = check_release(assemble(files, DESCRIPTION, signing_key()), signing_key().public)
    assert [(one.code, one.file) for one in mistakes] == codes
