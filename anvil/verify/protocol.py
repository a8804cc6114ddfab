"""The framed console protocol, the host's side; templates/firmware/common/protocol.h has it all.

A frame's body is put into COBS between two zero bytes, so that after line noise or a frame
that was cut off the next zero starts afresh. A damaged frame is dropped by either side; the
host then asks again, a bounded number of times. Every attempt has a sequence number of its
own, so that a late answer is never taken for that of another request.
"""

from __future__ import annotations

import enum
import struct
import time
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSION = 1

_HEADER = struct.Struct("<BH")  # type, sequence
_CRC = struct.Struct("<I")
_INFO = struct.Struct("<BBBBI")  # version, counter kind, inputs, outputs, arena bytes
_RESULT = struct.Struct("<QI")  # count, stack bytes
_ERROR = struct.Struct("<III")  # code, expected, found
_FAULT = struct.Struct("<7I")  # exception, pc, lr, CFSR, HFSR, address, sp
_TRAP = struct.Struct("<6I")  # of RISC-V: mcause, mepc, ra, mtval, sp, bottom of the stack
_MODEL_DIGITS = 64
_MAX_BLOCK_BYTES = 254
_SEQUENCES = 1 << 16

_HELLO_ATTEMPTS = 4
_INVOKE_ATTEMPTS = 4
# What a board needs to answer besides the bytes on the line: USB bridges hold bytes back for
# some 16 ms, and a busy computer for longer.
_ANSWER_S = 1.0
_POLL_S = 0.1


class MessageType(enum.IntEnum):
    """The first byte of a frame's body."""

    HELLO = 0x01
    INVOKE = 0x02
    INFO = 0x81
    ACCEPTED = 0x82
    RESULT = 0x83
    ERROR = 0x84
    FAULT = 0x85


class Counter(enum.IntEnum):
    """What the firmware counts over NAME_run."""

    CYCLES = 1
    INSTRUCTIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One undamaged frame."""

    kind: int  # a MessageType, or something that a later firmware says
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a firmware says of itself."""

    version: int
    counter: Counter
    arena_bytes: int
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    model_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One inference's result."""

    count: int  # cycles or instructions, as Info.counter says
    stack_bytes: int  # high-water mark
    outputs: tuple[bytes, ...]


class Transport(Protocol):
    """A byte stream to a device."""

    @property
    def seconds_per_byte(self) -> float:
        """How long a byte takes on the line; 0 where that does not matter."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived; waits up to `timeout_s` for a first byte, then gives b""."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""


def failure(target: str, code: str, message: str, hint: str | None = None) -> AnvilError:
    """The error of a device or emulator that does not do what it should (exit 1)."""
    return AnvilError(
        Diagnostic(
            code=f"run.{code}",
            message=f"{target}: {message}",
            path=f"targets.{target}",
            hint=hint,
        ),
        exit_code=ExitCode.FAILED,
    )


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the wire, delimiters included.

    >>> encode(Frame(kind=1, sequence=2, payload=b"")).hex(" ")
    '00 03 01 02 05 a7 d1 b5 cc 00'
    """
    body = _HEADER.pack(frame.kind, frame.sequence) + frame.payload
    body += _CRC.pack(zlib.crc32(body))
    wire = bytearray(b"\0")
    for piece in body.split(b"\0"):
        start = 0
        while len(piece) - start >= _MAX_BLOCK_BYTES:
            wire.append(_MAX_BLOCK_BYTES + 1)
            wire += piece[start : start + _MAX_BLOCK_BYTES]
            start += _MAX_BLOCK_BYTES
        wire.append(len(piece) - start + 1)
        wire += piece[start:]
    wire.append(0)
    return bytes(wire)


def _decode(block: bytes) -> Frame | None:
    """The frame between two delimiters, or None where it is damaged."""
    body = bytearray()
    position = 0
    while position < len(block):
        code = block[position]
        end = position + code
        if end > len(block):
            return None
        body += block[position + 1 : end]
        if code <= _MAX_BLOCK_BYTES and end < len(block):
            body.append(0)
        position = end
    content, crc = bytes(body[: -_CRC.size]), bytes(body[-_CRC.size :])
    if len(content) < _HEADER.size or _CRC.pack(zlib.crc32(content)) != crc:
        return None
    kind, sequence = _HEADER.unpack_from(content)
    return Frame(kind=kind, sequence=sequence, payload=content[_HEADER.size :])


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.n_damaged = 0  # frames dropped so far, and stretches of noise

    def feed(self, data: bytes) -> list[Frame]:
        """The undamaged frames that `data` completes, in order."""
        self._pending += data
        if b"\0" not in data:
            return []
        *blocks, rest = bytes(self._pending).split(b"\0")
        self._pending = bytearray(rest)
        frames = []
        for block in blocks:
            if not block:
                continue
            frame = _decode(block)
            if frame is None:
                self.n_damaged += 1
            else:
                frames.append(frame)
        return frames


def parse_info(target: str, payload: bytes) -> Info:
    """The payload of INFO; AnvilError where it is another protocol's."""
    if len(payload) < _INFO.size:
        raise failure(target, "protocol", f"INFO has {len(payload)} bytes, too few to be one")
    version, counter, n_inputs, n_outputs, arena_bytes = _INFO.unpack_from(payload)
    if version != VERSION:
        raise failure(
            target,
            "protocol",
            f"the firmware speaks version {version} of the protocol, and Anvil speaks {VERSION}",
            "build and flash the firmware with this Anvil",
        )
    n_sizes = n_inputs + n_outputs
    expected = _INFO.size + 4 * n_sizes + _MODEL_DIGITS
    if len(payload) != expected or counter not in iter(Counter):
        raise failure(
            target,
            "protocol",
            f"INFO of {n_inputs} inputs and {n_outputs} outputs has {expected} bytes and a known "
            f"counter, found {len(payload)} bytes and counter {counter}",
        )
    sizes = struct.unpack_from(f"<{n_sizes}I", payload, _INFO.size)
    return Info(
        version=version,
        counter=Counter(counter),
        arena_bytes=arena_bytes,
        input_bytes=sizes[:n_inputs],
        output_bytes=sizes[n_inputs:],
        model_sha256=payload[-_MODEL_DIGITS:].decode("ascii", errors="replace"),
    )


def parse_result(target: str, payload: bytes, output_bytes: Sequence[int]) -> Answer:
    """The payload of RESULT; AnvilError (`run.wrong-size`) where its size is another."""
    expected = _RESULT.size + sum(output_bytes)
    if len(payload) != expected:
        raise failure(target, "wrong-size", f"a result has {expected} bytes, found {len(payload)}")
    count, stack_bytes = _RESULT.unpack_from(payload)
    outputs = []
    offset = _RESULT.size
    for size in output_bytes:
        outputs.append(payload[offset : offset + size])
        offset += size
    return Answer(count=count, stack_bytes=stack_bytes, outputs=tuple(outputs))


_EXCEPTIONS = {2: "NMI", 3: "hard fault", 4: "memory fault", 5: "bus fault", 6: "usage fault"}
# The RISC-V Instruction Set Manual, volume II: mcause.
_TRAPS = {
    0: "an instruction's misaligned address",
    1: "an instruction access fault",
    2: "an illegal instruction",
    3: "a breakpoint",
    4: "a load's misaligned address",
    5: "a load access fault",
    6: "a store's misaligned address",
    7: "a store access fault",
}


def device_failure(target: str, frame: Frame) -> AnvilError:
    """What an ERROR or FAULT frame says, as an error."""
    if frame.kind == MessageType.ERROR and len(frame.payload) == _ERROR.size:
        code, expected, found = _ERROR.unpack(frame.payload)
        what = {
            1: f"the firmware does not know message type {found}",
            2: f"the firmware takes {expected} bytes of input, and was given {found}",
        }.get(code, f"the firmware reports error {code} ({expected}, {found})")
        return failure(target, "rejected", what)
    if frame.kind == MessageType.FAULT and len(frame.payload) == _FAULT.size:
        number, pc, lr, cfsr, hfsr, address, sp = _FAULT.unpack(frame.payload)
        name = _EXCEPTIONS.get(number, f"exception {number}")
        place = f"at pc 0x{pc:08x}, lr 0x{lr:08x}" if pc else "after a stack overflow"
        return failure(
            target,
            "fault",
            f"the firmware stopped with a {name} {place} (sp 0x{sp:08x}, CFSR 0x{cfsr:08x}, "
            f"HFSR 0x{hfsr:08x}, BFAR 0x{address:08x})",
            "look the addresses up in the ELF file with addr2line or a debugger",
        )
    if frame.kind == MessageType.FAULT and len(frame.payload) == _TRAP.size:
        cause, pc, ra, value, sp, bottom = _TRAP.unpack(frame.payload)
        name = _TRAPS.get(cause, f"trap {cause:#x}") + " after a stack overflow" * (sp < bottom)
        return failure(
            target,
            "fault",
            f"the firmware stopped with {name} at pc 0x{pc:08x}, ra 0x{ra:08x} (sp 0x{sp:08x}, "
            f"mtval 0x{value:08x})",
            "look the addresses up in the ELF file with addr2line or a debugger",
        )
    return failure(target, "protocol", f"message {frame.kind:#x} of {len(frame.payload)} bytes")


class Dialogue:
    """Requests and answers over a line that may lose or damage bytes."""

    def __init__(
        self,
        target: str,
        transport: Transport,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` is called all the while and may raise, for instance KeyboardInterrupt."""
        self._target = target
        self._transport = transport
        self._check = check
        self._reader = FrameReader()
        self._arrived: deque[Frame] = deque()
        # Left over answers of an earlier program's requests hardly have these numbers.
        self._sequence = time.monotonic_ns() % _SEQUENCES

    def hello(self) -> Info:
        """What the firmware says of itself; AnvilError (`run.no-answer`) where nothing does."""
        sequences: set[int] = set()
        heard = False
        for _ in range(_HELLO_ATTEMPTS):
            sequences.add(self._send(MessageType.HELLO, b""))
            frame = self._wait({MessageType.INFO}, sequences, _ANSWER_S)
            if frame is not None:
                return parse_info(self._target, frame.payload)
            heard = heard or self._reader.n_damaged > 0
        if heard:
            raise failure(
                self._target,
                "no-answer",
                "something answers, but not in Anvil's protocol",
                "check that the board runs Anvil's firmware and that the baud rates are the same",
            )
        raise failure(
            self._target,
            "no-answer",
            f"no answer to {_HELLO_ATTEMPTS} greetings",
            "check that the port is the board's, that it is powered, and that Anvil's firmware "
            "is on it; pressing its reset button may help",
        )

    def invoke(self, inputs: Sequence[bytes], info: Info, timeout_s: float) -> Answer:
        """One inference. AnvilError: `run.rejected`, `run.fault`, `run.timeout`."""
        payload = b"".join(inputs)
        sequences: set[int] = set()
        line_s = self._transport.seconds_per_byte
        accept_s = _ANSWER_S + 1.1 * len(payload) * line_s
        result_s = _ANSWER_S + 1.1 * sum(info.output_bytes) * line_s
        answers = {MessageType.ACCEPTED, MessageType.RESULT}
        deadline = time.monotonic() + timeout_s + _INVOKE_ATTEMPTS * (accept_s + result_s)
        for _ in range(_INVOKE_ATTEMPTS):
            sequences.add(self._send(MessageType.INVOKE, payload))
            frame = self._wait(answers, sequences, accept_s)
            if frame is not None and frame.kind == MessageType.ACCEPTED:
                frame = self._wait_for_result(sequences, deadline, result_s)
            if frame is not None:
                return parse_result(self._target, frame.payload, info.output_bytes)
            if time.monotonic() > deadline:
                break
        raise failure(
            self._target,
            "timeout",
            f"no undamaged answer to an inference ({self._reader.n_damaged} damaged)",
            "check the cable, and that nothing else uses the port",
        )

    def _wait_for_result(
        self, sequences: set[int], deadline: float, result_s: float
    ) -> Frame | None:
        """The result, or None once one was damaged or the time is over."""
        n_damaged = self._reader.n_damaged
        while (left_s := deadline - time.monotonic()) > 0:
            frame = self._wait({MessageType.RESULT}, sequences, min(left_s, result_s))
            if frame is not None:
                return frame
            if self._reader.n_damaged > n_damaged:
                return None
        return None

    def _send(self, kind: MessageType, payload: bytes) -> int:
        self._sequence = (self._sequence + 1) % _SEQUENCES
        self._transport.write(encode(Frame(kind=kind, sequence=self._sequence, payload=payload)))
        return self._sequence

    def _wait(self, kinds: set[MessageType], sequences: set[int], timeout_s: float) -> Frame | None:
        """The first such answer within `timeout_s`; a fault or an error of ours raises."""
        deadline = time.monotonic() + timeout_s
        while True:
            while self._arrived:
                frame = self._arrived.popleft()
                if frame.kind == MessageType.FAULT or (
                    frame.kind == MessageType.ERROR and frame.sequence in sequences
                ):
                    raise device_failure(self._target, frame)
                if frame.kind in kinds and frame.sequence in sequences:
                    return frame
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            self._check()
            self._arrived += self._reader.feed(self._transport.read(min(left_s, _POLL_S)))
