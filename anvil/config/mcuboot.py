"""A board's `mcuboot`: where the bootloader keeps the image, and what is left for firmware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.target import Mcuboot, Region

if TYPE_CHECKING:
    from anvil.config.reader import Reader

MCUBOOT = "mcuboot"

_HEADER = 32  # bytes of MCUboot's own header
_MAX_HEADER = 0xFFFF  # the header's size stands in 16 bits
_ALIGNMENTS = (1, 2, 4, 8, 16, 32)
# A vector table lies at a multiple of its size, rounded up to a power of two (ARMv7-M, B1.5.3).
_LEAST_TABLE = 128
_SYSTEM_EXCEPTIONS = 16
_MAX_VERSION = (0xFF, 0xFF, 0xFFFF, 0xFFFF_FFFF)


def read_mcuboot(reader: Reader, flash: Region | None, n_interrupts: int) -> Mcuboot | None:
    """What the profile says of MCUboot; None where it says nothing, or what is wrong.

    flash: of the chip. Mistakes go to `reader`.
    """
    origin = reader.integer((MCUBOOT, "slot", "origin"))
    size_bytes = reader.size_bytes((MCUBOOT, "slot", "size"))
    header_bytes = reader.size_bytes((MCUBOOT, "header"))
    alignment_bytes = reader.size_bytes((MCUBOOT, "alignment"))
    version = reader.text((MCUBOOT, "version"))
    if (
        origin is None
        or size_bytes is None
        or header_bytes is None
        or alignment_bytes is None
        or version is None
        or flash is None
    ):
        return None  # absent, or the schema said what is missing
    found = Mcuboot(
        slot=Region(origin=origin, size_bytes=size_bytes),
        header_bytes=header_bytes,
        alignment_bytes=alignment_bytes,
        version=version,
        security_counter=reader.integer((MCUBOOT, "security_counter")),
        chip_flash=flash,
    )
    _check(reader, found, n_interrupts)
    return found


def firmware_flash(mcuboot: Mcuboot) -> Region:
    """What firmware may fill: the slot without header, signature and the update's state."""
    used = mcuboot.header_bytes + mcuboot.overhead_bytes
    return Region(
        origin=mcuboot.slot.origin + mcuboot.header_bytes,
        size_bytes=max(0, mcuboot.slot.size_bytes - used),
    )


def _check(reader: Reader, found: Mcuboot, n_interrupts: int) -> None:
    def wrong(keys: tuple[str, ...], message: str, hint: str | None = None) -> None:
        reader.error((MCUBOOT, *keys), "config.mcuboot", message, hint)

    slot, chip = found.slot, found.chip_flash
    if slot.origin < chip.origin or (slot.origin + slot.size_bytes > chip.origin + chip.size_bytes):
        wrong(
            ("slot",),
            f"the slot, {slot.origin:#x} and {slot.size_bytes} bytes, is not inside the flash, "
            f"{chip.origin:#x} and {chip.size_bytes} bytes",
        )
    if found.alignment_bytes not in _ALIGNMENTS:
        listed = ", ".join(f"{n} B" for n in _ALIGNMENTS)
        wrong(("alignment",), f"found {found.alignment_bytes} B; MCUboot takes {listed}")
    table = _LEAST_TABLE
    while table < 4 * (_SYSTEM_EXCEPTIONS + n_interrupts):
        table *= 2
    if not _HEADER <= found.header_bytes <= _MAX_HEADER:
        wrong(
            ("header",),
            f"found {found.header_bytes} B; a header has from {_HEADER} to {_MAX_HEADER} B",
        )
    elif (slot.origin + found.header_bytes) % table:
        wrong(
            ("header",),
            f"the vector table behind the header would lie at "
            f"{slot.origin + found.header_bytes:#x}, and one of {n_interrupts} interrupts lies "
            f"at a multiple of {table} bytes",
            "a header of 512 B suits most chips",
        )
    elif firmware_flash(found).size_bytes <= 0:
        wrong(
            ("slot", "size"),
            f"a slot of {slot.size_bytes} bytes leaves nothing for the firmware: the header takes "
            f"{found.header_bytes} B, signature and update {found.overhead_bytes} B",
        )
    numbers = [int(word) for word in found.version.replace("+", ".").split(".")]
    if any(n > limit for n, limit in zip(numbers, _MAX_VERSION, strict=False)):
        limits = "255.255.65535+4294967295"
        wrong(("version",), f"found {found.version}; the largest that the header holds is {limits}")
