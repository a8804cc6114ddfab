"""A model of the nRF52840 around an emulated Cortex-M4: enough to run the device's program.

Register offsets, reset values and field positions are those of Nordic's nrf52840.h and
nrf52840_bitfields.h (MDK in nrfx 4.2.1), behaviour that of the nRF52840 Product Specification;
the core's registers are those of the ARMv7-M Architecture Reference Manual. A register that is
not here fails the test: whoever makes the firmware use another one says here how it behaves.

Time is counted in processor cycles, one for each halfword of code that runs. That is more than
one per instruction, as on the chip with its cache on, though not exact. Where the program polls
an event, time goes on to the next thing that happens.

The emulated core's FPU is always on: that the program turns it on is seen in CPACR alone.
"""

from __future__ import annotations

import importlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile

from anvil.core.target import Console
from tests.support.programs import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.target import Target

CLOCK_HZ = 64_000_000
PAGE = 0x1000

# What is received while no buffer is ready. The Product Specification counts on four bytes after
# STOPRX, Nordic's own driver on a FIFO of five (UARTE_HW_RX_FIFO_SIZE in nrfx_uarte.c).
RX_FIFO_BYTES = 4
# The crystal's typical start-up time, 0.36 ms.
HFXO_CYCLES = 23_000
NEVER = 1 << 62
# Polls that follow one another within so many cycles are a loop that waits.
WAIT_LOOP_CYCLES = 24
# No request of the tests keeps the chip busy for half a minute.
MAX_CYCLES = 30 * CLOCK_HZ

BAUD_OF_REGISTER = {
    0x00275000: 9598,
    0x01D60000: 115_108,
    0x03B00000: 231_884,
    0x04000000: 250_000,
    0x07400000: 457_143,
    0x0F000000: 941_176,
    0x10000000: 1_000_000,
}
# A receiver samples the stop bit right up to about half a bit in ten.
BAUD_TOLERANCE = 0.04

OVERRUN = 1 << 0
FRAMING = 1 << 2


class NotOnThisChipError(AssertionError):
    """The program did what the chip has not, or what its specification forbids."""


@dataclass
class Uarte:
    """UARTE0."""

    chip: Chip
    # What is written and read back; at reset the pins are not connected.
    registers: dict[int, int] = field(
        default_factory=lambda: {
            0x500: 0,  # ENABLE
            0x508: 0xFFFF_FFFF,  # PSEL.RTS
            0x50C: 0xFFFF_FFFF,  # PSEL.TXD
            0x510: 0xFFFF_FFFF,  # PSEL.CTS
            0x514: 0xFFFF_FFFF,  # PSEL.RXD
            0x524: 0x0400_0000,  # BAUDRATE
            0x534: 0,  # RXD.PTR
            0x538: 0,  # RXD.MAXCNT
            0x544: 0,  # TXD.PTR
            0x548: 0,  # TXD.MAXCNT
            0x56C: 0,  # CONFIG
        }
    )
    events: dict[int, int] = field(
        default_factory=lambda: {
            0x108: 0,  # EVENTS_RXDRDY
            0x110: 0,  # EVENTS_ENDRX
            0x11C: 0,  # EVENTS_TXDRDY
            0x120: 0,  # EVENTS_ENDTX
            0x124: 0,  # EVENTS_ERROR
            0x14C: 0,  # EVENTS_RXSTARTED
            0x150: 0,  # EVENTS_TXSTARTED
        }
    )
    errors: int = 0  # ERRORSRC
    receiving: bool = False
    fifo: deque[int] = field(default_factory=deque)
    buffer: tuple[int, int] | None = None  # where the next byte goes, how many are to come
    sending: tuple[int, int, bytes] | None = None  # when it ends, its address, what it was
    arriving: deque[tuple[int, int]] = field(default_factory=deque)  # when, which byte
    line_free_at: int = 0
    sent: bytearray = field(default_factory=bytearray)
    # For the tests to look at.
    n_lost: int = 0
    fifo_peak: int = 0
    ended_at: int | None = None  # when ENDRX came, until the receiver is armed again
    longest_gap: int = 0  # cycles from ENDRX to STARTRX

    @property
    def enabled(self) -> bool:
        return self.registers[0x500] == 8

    def byte_cycles(self) -> int:
        """Ten bits, as CONFIG 0 says: a start bit, eight data bits, a stop bit."""
        rate = BAUD_OF_REGISTER.get(self.registers[0x524])
        if rate is None or self.registers[0x56C] != 0:
            raise NotOnThisChipError(
                f"BAUDRATE {self.registers[0x524]:#x}, CONFIG {self.registers[0x56C]:#x}"
            )
        return CLOCK_HZ * 10 // rate

    def next_event(self) -> int:
        """When the next byte has arrived, or the last one is sent."""
        when = self.sending[0] if self.sending is not None else NEVER
        return min(when, self.arriving[0][0]) if self.arriving else when

    def advance(self) -> None:
        """Everything up to now, in order."""
        while (when := self.next_event()) <= self.chip.now:
            if self.sending is not None and self.sending[0] == when:
                self._end_sending(self.sending)
            else:
                self._arrive(*self.arriving.popleft())

    def read(self, offset: int) -> int:
        if offset in self.events:
            return self.events[offset]
        if offset == 0x480:
            return self.errors
        if offset not in self.registers:
            raise NotOnThisChipError(f"UARTE + {offset:#x} is read")
        return self.registers[offset]

    def write(self, offset: int, value: int) -> None:
        if offset in self.events:
            if value != 0:
                raise NotOnThisChipError(f"the event UARTE + {offset:#x} is set by hand")
            self.events[offset] = 0
        elif offset == 0x480:
            self.errors &= ~value
        elif offset in self.registers:
            if self.enabled and 0x508 <= offset <= 0x514:
                raise NotOnThisChipError("PSEL is written while the UARTE is enabled")
            self.registers[offset] = value
        elif offset in {0x000, 0x008} and value == 1 and self.enabled:
            (self._start_receiving if offset == 0x000 else self._start_sending)()
        else:
            raise NotOnThisChipError(f"UARTE + {offset:#x} = {value:#x}")

    def _in_ram(self, pointer: int, n_bytes: int) -> None:
        """EasyDMA elsewhere is a hard fault or a damaged RAM."""
        if n_bytes > 0xFFFF or not (
            self.chip.ram <= pointer <= pointer + n_bytes <= self.chip.ram_end
        ):
            raise NotOnThisChipError(f"EasyDMA of {n_bytes} bytes at {pointer:#x}")

    def _start_receiving(self) -> None:
        pointer, n_bytes = self.registers[0x534], self.registers[0x538]
        self._in_ram(pointer, n_bytes)
        if self.buffer is not None:
            raise NotOnThisChipError("STARTRX before ENDRX")
        if self.ended_at is not None:
            self.longest_gap = max(self.longest_gap, self.chip.now - self.ended_at)
        self.ended_at = None
        self.receiving = True
        self.buffer = (pointer, n_bytes)
        self.events[0x14C] = 1
        self._fill()

    def _arrive(self, when: int, byte: int) -> None:
        if not (self.receiving and self.registers[0x514] == self.chip.rx_pin):
            self.n_lost += 1
            return
        if abs(self.chip.line_byte_cycles / self.byte_cycles() - 1) > BAUD_TOLERANCE:
            self._error(FRAMING)
            byte ^= 0x5A
        if len(self.fifo) == RX_FIFO_BYTES:
            self._error(OVERRUN)
            self.n_lost += 1
            return
        self.fifo.append(byte)
        self.events[0x108] = 1
        self._fill(when)
        self.fifo_peak = max(self.fifo_peak, len(self.fifo))

    def _fill(self, when: int | None = None) -> None:
        while self.buffer is not None and self.fifo:
            pointer, n_left = self.buffer
            self.chip.store(pointer, bytes([self.fifo.popleft()]))
            self.buffer = (pointer + 1, n_left - 1)
            if n_left == 1:
                self.buffer = None
                self.events[0x110] = 1
                self.ended_at = self.chip.now if when is None else when

    def _error(self, source: int) -> None:
        self.errors |= source
        self.events[0x124] = 1

    def _start_sending(self) -> None:
        pointer, n_bytes = self.registers[0x544], self.registers[0x548]
        self._in_ram(pointer, n_bytes)
        if self.sending is not None:
            raise NotOnThisChipError("STARTTX before ENDTX")
        data = self.chip.load(pointer, n_bytes)
        self.sending = (self.chip.now + n_bytes * self.byte_cycles(), pointer, data)
        self.events[0x150] = 1

    def _end_sending(self, sending: tuple[int, int, bytes]) -> None:
        _, pointer, data = sending
        if self.chip.load(pointer, len(data)) != data:
            raise NotOnThisChipError("what is sent changed before ENDTX")
        self.sending = None
        self.events[0x11C] = 1
        self.events[0x120] = 1
        if self.registers[0x50C] == self.chip.tx_pin:
            self.sent += data


class Chip:
    """An nRF52840 after reset, and the serial line that its debugger forwards.

    As `anvil.verify.protocol.Transport` it is the host's end of that line: `write` puts bytes
    on it back to back, `read` lets the chip run until it waits for more.
    """

    seconds_per_byte = 0.0  # the chip's time is not the host's

    def __init__(self, elf: Path, target: Target, *, has_crystal: bool = True) -> None:
        # It has wheels for the usual machines; elsewhere the tests are left out, counted.
        unicorn = pytest.importorskip(
            "unicorn", reason=f"{MISSING}the Python package unicorn", exc_type=ImportError
        )
        self._unicorn = unicorn
        self._arm = arm = importlib.import_module("unicorn.arm_const")
        assert target.flash is not None
        assert target.ram is not None
        assert isinstance(target.console, Console)
        self.now = 0
        self.tx_pin = target.console.tx_pin
        self.rx_pin = target.console.rx_pin
        self.line_byte_cycles = CLOCK_HZ * 10 // target.console.baud
        self.ram = target.ram.origin
        self.ram_end = target.ram.origin + target.ram.size_bytes
        self.uarte = Uarte(self)
        self.core = {
            0xE000_1000: 0x4000_0000,  # DWT_CTRL: four comparators
            0xE000_ED08: 0,  # VTOR
            0xE000_ED28: 0,  # CFSR
            0xE000_ED2C: 0,  # HFSR
            0xE000_ED38: 0,  # BFAR
            0xE000_ED88: 0,  # CPACR
            0xE000_EDFC: 0,  # DEMCR
        }
        self.counted_from = 0
        self.has_crystal = has_crystal
        self.crystal_at = NEVER  # when it is stable
        self.crystal_started = 0  # EVENTS_HFCLKSTARTED
        self.cache = 0  # ICACHECNF
        self.pins: dict[int, int] = {}  # PIN_CNF
        self.levels: set[int] = set()  # OUT
        self.asleep = False
        self._idle = False
        self._polled = (0, 0)
        self._bad_address = 0
        self._refusal: NotOnThisChipError | None = None

        self._cpu: Any = unicorn.Uc(
            unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        )
        self._cpu.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        self._cpu.mem_map(
            target.flash.origin,
            target.flash.size_bytes,
            unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC,
        )
        self._cpu.mem_write(target.flash.origin, b"\xff" * target.flash.size_bytes)
        self._cpu.mem_map(
            self.ram, target.ram.size_bytes, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
        )
        # What nobody has initialised is anything.
        self.store(self.ram, random.Random(1).randbytes(target.ram.size_bytes))
        with elf.open("rb") as file:
            for segment in ELFFile(file).iter_segments("PT_LOAD"):
                self._cpu.mem_write(segment["p_paddr"], segment.data())
        for page, read, write in (
            (0x4000_0000, self._read_clock, self._write_clock),
            (target.console.base, self.uarte.read, self.uarte.write),
            (0x4001_E000, self._read_nvmc, self._write_nvmc),
            (0x5000_0000, self._read_gpio, self._write_gpio),
            (0xE000_1000, self._read_core(0xE000_1000), self._write_core(0xE000_1000)),
            (0xE000_E000, self._read_core(0xE000_E000), self._write_core(0xE000_E000)),
        ):
            self._map(page, read, write)
        self._cpu.hook_add(unicorn.UC_HOOK_BLOCK, self._count)
        self._cpu.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._note_address)
        stack, reset = (int.from_bytes(self.load(address, 4), "little") for address in (0, 4))
        assert reset % 2 == 1, "a Cortex-M4 runs Thumb code alone"
        self._cpu.reg_write(arm.UC_ARM_REG_MSP, stack)
        self._cpu.reg_write(arm.UC_ARM_REG_SP, stack)
        self._cpu.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFFF)
        self._cpu.reg_write(arm.UC_ARM_REG_PC, reset)

    def load(self, address: int, n_bytes: int) -> bytes:
        return bytes(self._cpu.mem_read(address, n_bytes))

    def store(self, address: int, data: bytes) -> None:
        self._cpu.mem_write(address, data)

    def write(self, data: bytes) -> None:
        """Put `data` on the line right after what is on it; the chip runs when it is read."""
        line = self.uarte
        when = max(self.now, line.line_free_at)
        for byte in data:
            when += self.line_byte_cycles
            line.arriving.append((when, byte))
        line.line_free_at = when

    def read(self, timeout_s: float) -> bytes:
        """What the chip sends until it waits for input, or sleeps."""
        del timeout_s
        if not self.asleep:
            self._run()
        data = bytes(self.uarte.sent)
        self.uarte.sent.clear()
        return data

    def _run(self) -> None:
        self._idle = False
        limit = self.now + MAX_CYCLES
        while not self._idle and not self.asleep:
            if self.now > limit:
                raise NotOnThisChipError("the program does not come to an end")
            program_counter = self._cpu.reg_read(self._arm.UC_ARM_REG_PC)
            try:
                self._cpu.emu_start(program_counter | 1, 0xFFFF_FFFE)
            except self._unicorn.UcError as error:
                self._hard_fault(error)
            else:
                self.asleep = not self._idle  # WFI
            if self._refusal is not None:
                raise self._refusal

    def _count(self, _cpu: object, _address: int, n_bytes: int, _data: object) -> None:
        self.now += n_bytes >> 1

    def _note_address(
        self, _cpu: object, _kind: int, address: int, _n: int, _value: int, _data: object
    ) -> bool:
        self._bad_address = address
        return False

    def _hard_fault(self, error: Any) -> None:  # noqa: ANN401  unicorn is not typed
        """Exception entry, B1.5.6 of the manual: the configurable faults are off, and escalate."""
        unicorn, arm = self._unicorn, self._arm
        bus = {
            unicorn.UC_ERR_READ_UNMAPPED,
            unicorn.UC_ERR_WRITE_UNMAPPED,
            unicorn.UC_ERR_WRITE_PROT,
        }
        if error.errno in bus:
            self.core[0xE000_ED28] = 1 << 15 | 1 << 9  # BFARVALID, PRECISERR
            self.core[0xE000_ED38] = self._bad_address
        elif error.errno in {unicorn.UC_ERR_EXCEPTION, unicorn.UC_ERR_INSN_INVALID}:
            self.core[0xE000_ED28] = 1 << 16  # UNDEFINSTR
        else:
            raise error
        self.core[0xE000_ED2C] = 1 << 30  # FORCED
        cpu = self._cpu
        stacked = [
            cpu.reg_read(register)
            for register in (
                arm.UC_ARM_REG_R0,
                arm.UC_ARM_REG_R1,
                arm.UC_ARM_REG_R2,
                arm.UC_ARM_REG_R3,
                arm.UC_ARM_REG_R12,
                arm.UC_ARM_REG_LR,
                arm.UC_ARM_REG_PC,
                arm.UC_ARM_REG_XPSR,
            )
        ]
        frame = (cpu.reg_read(arm.UC_ARM_REG_SP) - 32) & ~7
        if self.ram <= frame:  # else the stacking fails, too, and leaves nothing
            self.store(frame, b"".join(word.to_bytes(4, "little") for word in stacked))
        cpu.reg_write(arm.UC_ARM_REG_SP, frame)
        cpu.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFF9)
        cpu.reg_write(arm.UC_ARM_REG_IPSR, 3)
        vector = self.core[0xE000_ED08] + 4 * 3
        cpu.reg_write(arm.UC_ARM_REG_PC, int.from_bytes(self.load(vector, 4), "little"))

    def _map(
        self, page: int, read: Callable[[int], int], write: Callable[[int, int], None]
    ) -> None:
        # An exception cannot pass through the emulator's frames: `_run` raises it.
        def on_read(_cpu: object, offset: int, n_bytes: int, _data: object) -> int:
            try:
                self._check_access(page + offset, n_bytes)
                self.uarte.advance()
                value = read(offset)
                return read(offset) if value == 0 and self._waits(page + offset) else value
            except NotOnThisChipError as error:
                self._refuse(error)
                return 0

        def on_write(_cpu: object, offset: int, n_bytes: int, value: int, _data: object) -> None:
            try:
                self._check_access(page + offset, n_bytes)
                self.uarte.advance()
                write(offset, value)
            except NotOnThisChipError as error:
                self._refuse(error)

        self._cpu.mmio_map(page, PAGE, on_read, None, on_write, None)

    def _check_access(self, address: int, n_bytes: int) -> None:
        if n_bytes != 4 or address % 4 != 0:
            raise NotOnThisChipError(f"{n_bytes} bytes at {address:#x}, which is a register")

    def _refuse(self, error: NotOnThisChipError) -> None:
        self._refusal = self._refusal or error
        self._cpu.emu_stop()

    def _waits(self, address: int) -> bool:
        """Go on to the next event where the program does nothing but ask for it.

        Whether there was one; without, the program waits for the host, and stops.
        """
        last_address, last = self._polled
        self._polled = (address, self.now)
        if address != last_address or self.now - last > WAIT_LOOP_CYCLES:
            return False
        crystal = self.crystal_at if self.now < self.crystal_at else NEVER
        when = min(self.uarte.next_event(), crystal)
        if when == NEVER and address == 0x4000_0100:
            return False  # no crystal: this loop ends by itself
        if when == NEVER:
            self._idle = True
            self._cpu.emu_stop()
            return False
        self.now = when
        self._polled = (address, when)
        self.uarte.advance()
        return True

    def _read_clock(self, offset: int) -> int:
        if offset != 0x100:
            raise NotOnThisChipError(f"CLOCK + {offset:#x} is read")
        if self.now >= self.crystal_at:
            self.crystal_started = 1
        return self.crystal_started

    def _write_clock(self, offset: int, value: int) -> None:
        match offset, value:
            case 0x000, 1:  # TASKS_HFCLKSTART
                self.crystal_at = self.now + HFXO_CYCLES if self.has_crystal else NEVER
            case 0x100, 0:
                self.crystal_started = 0
            case _:
                raise NotOnThisChipError(f"CLOCK + {offset:#x} = {value:#x}")

    def _read_nvmc(self, offset: int) -> int:
        raise NotOnThisChipError(f"NVMC + {offset:#x} is read")

    def _write_nvmc(self, offset: int, value: int) -> None:
        if (offset, value) != (0x540, 1):
            raise NotOnThisChipError(f"NVMC + {offset:#x} = {value:#x}")
        self.cache = value

    def _read_gpio(self, offset: int) -> int:
        raise NotOnThisChipError(f"P0 + {offset:#x} is read")

    def _write_gpio(self, offset: int, value: int) -> None:
        # P1 begins 0x300 after P0, its first register after P0's last.
        port, register = (1, offset - 0x300) if offset >= 0x804 else (0, offset)
        if register == 0x508:  # OUTSET
            self.levels |= {32 * port + pin for pin in range(32) if value >> pin & 1}
        elif 0x700 <= register < 0x780:
            self.pins[32 * port + (register - 0x700) // 4] = value
        else:
            raise NotOnThisChipError(f"P0 + {offset:#x} = {value:#x}")

    def _read_core(self, page: int) -> Callable[[int], int]:
        def read(offset: int) -> int:
            address = page + offset
            if address == 0xE000_1004:  # DWT_CYCCNT
                counting = self.core[0xE000_EDFC] >> 24 & 1 and self.core[0xE000_1000] & 1
                if not counting:
                    raise NotOnThisChipError("the cycle counter is read while it is off")
                return (self.now - self.counted_from) & 0xFFFF_FFFF
            if address not in self.core:
                raise NotOnThisChipError(f"{address:#x} is read")
            return self.core[address]

        return read

    def _write_core(self, page: int) -> Callable[[int, int], None]:
        def write(offset: int, value: int) -> None:
            address = page + offset
            if address == 0xE000_1004:
                self.counted_from = self.now - value
            elif address in self.core:
                self.core[address] = value
            else:
                raise NotOnThisChipError(f"{address:#x} = {value:#x}")

        return write
