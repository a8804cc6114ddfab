"""Targets as values: what a profile under targets/ says, units resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from anvil.core.action import DEBIAN_TOOL
from anvil.core.release import ReleaseFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One memory region of a microcontroller."""

    origin: int  # address
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """A processor core, from targets/cores/."""

    name: str  # file name without suffix: cortex-m4f
    architecture: str  # armv7e-m, rv32imc, armv8-a, x86-64, wasm32
    features: tuple[str, ...]  # ISA features that kernel variants may require, sorted
    digest: str  # SHA-256 of the profile's values, positions and comments left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A compiler with its flags, from targets/toolchains/."""

    name: str
    kind: str  # zig, gcc
    package: str  # that carries it: of PyPI for zig, of Debian for gcc
    version: str
    compile_flags: tuple[str, ...]  # for every C source, in order
    link_flags: tuple[str, ...]  # for every link
    core_flags: tuple[str, ...]  # compile and link, for the target's core
    prefix: str | None = None  # of gcc's programs: arm-none-eabi-
    release: str | None = None  # what gcc calls itself: 12.2.1
    others: tuple[tuple[str, str], ...] = ()  # packages besides it that shape the result, sorted
    digest: str  # SHA-256 of the profile's values

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """Name and version of everything that it comes in, sorted."""
        return tuple(sorted(((self.package, self.version), *self.others)))

    @property
    def tools(self) -> tuple[tuple[str, str], ...]:
        """Name and version of its packages as an action names them, sorted.

        (("ziglang", "0.17.1"),) or (("debian:binutils-arm-none-eabi", "2.40-2"), ...).
        """
        origin = DEBIAN_TOOL if self.kind == "gcc" else ""
        return tuple((f"{origin}{name}", version) for name, version in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """How the firmware speaks the framed protocol on the device."""

    kind: str  # uarte, nrf-uart
    base: int  # address of the peripheral
    tx_pin: int  # port * 32 + pin
    rx_pin: int
    baud: int  # bits per second


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockedConsole:
    """The same on a UART whose pins are fixed and whose rate is a fraction of its clock."""

    kind: str  # cmsdk-uart, sifive-uart
    base: int  # address of the peripheral
    clock_hz: int  # of the peripheral: a divider makes the rate from it
    baud: int  # bits per second


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """What runs the built artifact on the desk."""

    kind: str  # qemu-system-arm, qemu-system-riscv32, qemu-user, node, native
    machine: str | None = None  # of qemu-system-arm and qemu-system-riscv32
    cpu: str | None = None  # of qemu-user
    program: str | None = None  # of qemu-user: qemu-aarch64


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformIO:
    """What PlatformIO's users know the board as."""

    board: str  # nrf52840_dk
    registry_platform: str | None = None  # nordicnrf52, where the registry knows the board


@dataclass(frozen=True, slots=True, kw_only=True)
class Mcuboot:
    """How the bootloader MCUboot finds, checks and starts the firmware."""

    slot: Region  # where it keeps the image: header, firmware, signature, trailer
    header_bytes: int  # in front of the firmware's vector table
    alignment_bytes: int  # the smallest write of the flash
    version: str  # MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD
    security_counter: int | None  # an image with a smaller one than was started before is refused
    chip_flash: Region  # all of the flash; the target's `flash` is what the firmware may fill

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the slot behind the firmware: signature, and the state of an update.

        As imgtool 2.5 counts them for an Ed25519 signature and an update that swaps slots.
        """
        largest = max(_MAX_ALIGNMENT, self.alignment_bytes)
        status = _MAX_SECTORS * 3 * self.alignment_bytes
        magic = -(-_MAGIC_BYTES // largest) * largest
        counter = 0 if self.security_counter is None else _COUNTER_BYTES
        return _SIGNATURE_BYTES + counter + status + 4 * largest + magic


_MAX_ALIGNMENT = 8  # to which MCUboot aligns its own flags, at least
_MAX_SECTORS = 128  # of a slot, by default
_MAGIC_BYTES = 16
# A field has 4 bytes in front, and so has a list of fields.
_SIGNATURE_BYTES = 4 + (4 + 32) + (4 + 32) + (4 + 64)  # SHA-256, hash of the key, signature
_COUNTER_BYTES = 4 + (4 + 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device: a profile from targets/boards/ with its core and toolchain resolved."""

    name: str
    board: str  # the board's name for people
    core: Core
    toolchain: Toolchain
    build: str  # platformio, cmake, web
    artifacts: tuple[str, ...]  # elf, hex, program, library, wasm, ...
    emulator: Emulator
    accelerator: str = "none"
    rtos: str = "none"
    mcu: str | None = None
    clock_hz: int | None = None
    flash: Region | None = (
        None  # what firmware may fill; None where an operating system gives memory
    )
    ram: Region | None = None
    # That a read of data from flash adds; None where nobody has said. Nothing built depends on it.
    flash_wait_states: int | None = None
    stack_bytes: int | None = None  # reserved for the stack on a microcontroller
    n_interrupts: int = 0  # external interrupts in the vector table
    console: Console | ClockedConsole | None = None
    platformio: PlatformIO | None = None
    mcuboot: Mcuboot | None = None  # the bootloader that starts the firmware, if one does
    digest: str  # SHA-256 of the profile's values, core and toolchain included


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What the user asks of one target; None where nothing is asked."""

    max_accuracy_drop: float | None = None  # fraction of the metric
    max_latency_s: float | None = None
    max_ram_bytes: int | None = None
    max_flash_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRequest:
    """One entry of anvil.yaml's `targets`, with its profile and effective requirements."""

    target: Target
    requirements: Requirements
    candidates: tuple[str, ...] = ()  # the quantizations allowed; empty for all


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFiles:
    """anvil.yaml's `data`, paths resolved against the project folder."""

    calibration: str | None = None
    evaluation: str | None = None
    keys_x: tuple[str, ...] = ()  # one per input, in the model's order; empty for the default
    keys_by_input: tuple[tuple[str, str], ...] = ()  # (input's name, key); instead of keys_x
    key_y: str = "y"
    scale: tuple[float, float] | None = None  # what the range of 8- and 16-bit values becomes
    metric: str | None = None  # given where `evaluation` is
    higher_is_better: bool = True  # of a metric of the user's own
    # (key, line, column) of `calibration`, `evaluation` and `metric`, for messages.
    positions: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A checked anvil.yaml."""

    name: str  # [a-z][a-z0-9_]*: prefixes C symbols and file names
    file: str  # anvil.yaml, as named on the command line
    model: str  # path, resolved against the project folder
    model_position: tuple[int, int]  # line, column of `model` in the file, for messages
    data: DataFiles | None
    optimize: tuple[str, ...]  # criteria of core/decision.py, the first one first
    targets: tuple[TargetRequest, ...]  # those asked for, in the order asked
    release: ReleaseFacts = field(default_factory=ReleaseFacts)
