"""The program that goes onto the board, run by a modelled nRF52840."""

from __future__ import annotations

import dataclasses
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from anvil.core.diagnostics import AnvilError
from anvil.core.target import Console
from anvil.verify import litert_worker, protocol
from anvil.verify.reference import decode
from tests.support import echo_firmware as echo
from tests.support.nrf52840 import OVERRUN, RX_FIFO_BYTES, Chip, NotOnThisChipError
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from tests.e2e.firmware.conftest import Built

TIMEOUT_S = 60
DIGITS = ROOT / "examples" / "digits"
# A picture of 96 x 96 pixels in three colours: the largest input of the models in use.
N_ECHO_BYTES = 27_648


@pytest.fixture(scope="module")
def digits_elf(built_example: Path) -> Path:
    return built_example / "nrf52840" / "digits.elf"


@pytest.fixture
def digits(digits_elf: Path) -> Chip:
    return started(Chip(digits_elf, echo.nrf52840()))


@pytest.fixture(scope="module")
def echo_elf(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(echo, "N_DATA_BYTES", N_ECHO_BYTES)
        echo.build(built.target, built.cache, folder)
    return folder / "echo.elf"


@pytest.fixture
def echoing(echo_elf: Path) -> Chip:
    return started(Chip(echo_elf, echo.nrf52840()))


def started(chip: Chip) -> Chip:
    """The chip, waiting for a first byte; it says nothing of its own accord."""
    assert chip.read(0) == b""
    return chip


def images(n: int) -> list[bytes]:
    with np.load(DIGITS / "evaluation.npz") as data:
        x = data["x"][:n]
    return [image.tobytes() for image in (np.round(x * 255) - 128).astype(np.int8)]


def check_digits(chip: Chip, n: int = 2) -> None:
    """Greets the chip, and compares what it makes of `n` images with LiteRT."""
    inputs = images(n)
    model = (ROOT / "quantized" / "int8.tflite").read_bytes()
    expected = decode(litert_worker.run(model, b"".join(inputs), layers=False)).values
    dialogue = protocol.Dialogue("nrf52840", chip)
    info = dialogue.hello()
    answers = [dialogue.invoke([image], info, TIMEOUT_S) for image in inputs]
    assert [answer.outputs for answer in answers] == [tuple(outputs) for outputs in expected]


def request(kind: protocol.MessageType, sequence: int, payload: bytes = b"") -> bytes:
    return protocol.encode(protocol.Frame(kind=kind, sequence=sequence, payload=payload))


def answers(chip: Chip) -> list[tuple[int, int]]:
    """The kinds and sequence numbers of what the chip sends next."""
    return [(frame.kind, frame.sequence) for frame in protocol.FrameReader().feed(chip.read(0))]


def test_the_start_sets_the_chip_up_as_its_profile_says(digits: Chip) -> None:
    console = echo.nrf52840().console
    assert isinstance(console, Console)
    assert (console.tx_pin, console.rx_pin, console.baud) == (6, 8, 115200)
    registers = digits.uarte.registers
    assert registers[0x50C] == 6
    assert registers[0x514] == 8
    assert registers[0x508] == registers[0x510] == 0xFFFF_FFFF  # no flow control
    assert registers[0x524] == 0x01D6_0000  # Baud115200 of nrf52840_bitfields.h
    assert registers[0x56C] == 0  # 8N1
    assert registers[0x500] == 8
    assert digits.pins == {6: 0b0011, 8: 0b1100}  # an output; an input that is pulled up
    assert digits.levels == {6}  # an idle line is high
    assert digits.crystal_started
    assert digits.cache == 1
    assert digits.core[0xE000_ED88] == 0xF << 20  # CPACR: the FPU
    assert digits.core[0xE000_EDFC] == 1 << 24  # DEMCR: the cycle counter's block
    assert digits.core[0xE000_1000] & 1  # DWT_CTRL: the counter


def test_the_example_computes_what_litert_computes(digits: Chip) -> None:
    check_digits(digits, 8)
    assert digits.uarte.n_lost == 0


def test_without_a_crystal_it_goes_on(digits_elf: Path) -> None:
    chip = started(Chip(digits_elf, echo.nrf52840(), has_crystal=False))
    assert not chip.crystal_started
    check_digits(chip, 1)


def test_bytes_that_come_before_the_receiver_is_ready_do_no_harm(digits_elf: Path) -> None:
    chip = Chip(digits_elf, echo.nrf52840())
    chip.write(request(protocol.MessageType.HELLO, 1) * 30)
    assert chip.read(0) != b""
    assert chip.uarte.n_lost > 0
    check_digits(chip, 1)


def test_noise_and_a_cut_off_frame_come_before_the_requests(digits: Chip) -> None:
    digits.write(random.Random(3).randbytes(300))
    digits.write(request(protocol.MessageType.INVOKE, 1, images(1)[0])[:40])
    assert digits.read(0) == b""
    check_digits(digits)
    assert digits.uarte.n_lost == 0


def test_a_damaged_request_is_not_answered_and_the_next_is(digits: Chip) -> None:
    whole = request(protocol.MessageType.INVOKE, 1, images(1)[0])
    for damaged in (whole[:20] + whole[21:], whole[:30] + b"\x01" + whole[31:]):
        digits.write(damaged)
        assert answers(digits) == []
    check_digits(digits)


def test_an_overrun_costs_frames_and_nothing_else(digits: Chip) -> None:
    """Requests that do not wait for their answers: the FIFO alone takes them while it sends."""
    digits.write(request(protocol.MessageType.HELLO, 0x101) * 20)
    said = answers(digits)
    assert said[0] == (protocol.MessageType.INFO, 0x101)
    assert len(said) < 20
    assert digits.uarte.events[0x124] == 1  # EVENTS_ERROR
    assert digits.uarte.fifo_peak == RX_FIFO_BYTES
    assert digits.uarte.n_lost > 0
    check_digits(digits)
    assert digits.uarte.errors & OVERRUN == 0


def test_initialised_data_is_copied_from_flash(echo_elf: Path) -> None:
    """There is some: what comes back is then right only if the start copied it."""
    with echo_elf.open("rb") as file:
        elf: Any = ELFFile(file)
        assert elf.get_section_by_name(".data")["sh_size"] > 0


def test_a_long_input_without_gaps_is_taken_at_the_line_s_rate(echoing: Chip) -> None:
    generator = random.Random(5)
    dialogue = protocol.Dialogue("nrf52840", echoing)
    info = dialogue.hello()
    assert info.counter == protocol.Counter.CYCLES
    assert info.input_bytes == (N_ECHO_BYTES, echo.N_CONTROL_BYTES)
    counts = []
    for n_loops in (10_000, 260_000):
        data = generator.randbytes(N_ECHO_BYTES)
        answer = dialogue.invoke([data, echo.control(n_loops=n_loops)], info, TIMEOUT_S)
        assert answer.outputs == (echo.expected(data),)
        assert echo.FRAME_BYTES < answer.stack_bytes < echo.FRAME_BYTES + 256
        counts.append(answer.count)
    # The model takes one cycle for each of the loop's instructions, which are all short.
    assert counts[1] - counts[0] == pytest.approx(250_000 * echo.INSTRUCTIONS_PER_LOOP, rel=0.001)
    uarte = echoing.uarte
    assert uarte.n_lost == 0
    assert uarte.fifo_peak <= 1
    assert 0 < uarte.longest_gap < echoing.line_byte_cycles / 10


def test_payloads_around_a_block_of_cobs_are_counted_right(digits: Chip) -> None:
    for n_bytes in (0, 1, 246, 247, 248, 500, 501, 502):
        digits.write(request(protocol.MessageType.INVOKE, n_bytes, b"\x07" * n_bytes))
        (frame,) = protocol.FrameReader().feed(digits.read(0))
        assert (frame.kind, frame.sequence) == (protocol.MessageType.ERROR, n_bytes)
        assert struct.unpack("<III", frame.payload) == (2, 64, n_bytes)


def fault(chip: Chip, mode: int) -> str:
    dialogue = protocol.Dialogue("nrf52840", chip)
    info = dialogue.hello()
    with pytest.raises(AnvilError) as caught:
        dialogue.invoke([bytes(N_ECHO_BYTES), echo.control(mode)], info, TIMEOUT_S)
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    assert chip.asleep
    return caught.value.diagnostics[0].message


def test_an_undefined_instruction_is_reported_with_its_address(
    echoing: Chip, echo_elf: Path
) -> None:
    message = fault(echoing, echo.UNDEFINED_INSTRUCTION)
    assert "CFSR 0x00010000, HFSR 0x40000000" in message
    address = int(message.partition("hard fault at pc ")[2][:10], 16)
    with echo_elf.open("rb") as file:
        elf: Any = ELFFile(file)
        symbol = elf.get_section_by_name(".symtab").get_symbol_by_name("work_run")[0]
    assert 0 <= address - (symbol["st_value"] & ~1) < symbol["st_size"]
    assert echoing.load(address, 2) == b"\x00\xde"


def test_a_stack_overflow_is_reported_and_leaves_the_arena_alone(echoing: Chip) -> None:
    message = fault(echoing, echo.STACK_OVERFLOW)
    assert "hard fault after a stack overflow" in message
    sp = int(message.partition("sp ")[2][:10], 16)
    assert sp < echoing.ram


def test_the_model_refuses_what_the_chip_has_not(digits_elf: Path) -> None:
    chip = Chip(digits_elf, echo.nrf52840())
    del chip.uarte.registers[0x524]
    with pytest.raises(NotOnThisChipError, match=r"UARTE \+ 0x524 = 0x1d60000"):
        chip.read(0)
    ready = started(Chip(digits_elf, echo.nrf52840()))
    ready.uarte.registers[0x544] = 0  # flash
    ready.uarte.registers[0x548] = 1
    with pytest.raises(NotOnThisChipError, match="EasyDMA of 1 bytes at 0x0"):
        ready.uarte.write(0x008, 1)


@pytest.mark.parametrize("change", [{"tx_pin": 7}, {"rx_pin": 9}, {"baud": 9600}])
def test_a_line_on_other_pins_or_at_another_rate_hears_nothing(
    digits_elf: Path, change: dict[str, Any]
) -> None:
    target = echo.nrf52840()
    assert isinstance(target.console, Console)
    other = dataclasses.replace(target, console=dataclasses.replace(target.console, **change))
    chip = started(Chip(digits_elf, other))
    chip.write(request(protocol.MessageType.HELLO, 1))
    assert chip.read(0) == b""
