from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anvil.core.diagnostics import AnvilError
from anvil.verify import protocol
from anvil.verify.protocol import Counter, Frame, FrameReader, Info, MessageType, encode

# Zeros and runs of 254 are where COBS changes its mind.
PAYLOADS = st.one_of(
    st.binary(max_size=600),
    st.lists(
        st.sampled_from([b"\0", b"\0\0", b"\xff", b"a" * 253, b"b" * 254, b"c" * 255]), max_size=8
    ).map(b"".join),
)
FRAMES = st.builds(
    Frame,
    kind=st.integers(0, 255),
    sequence=st.integers(0, 65535),
    payload=PAYLOADS,
)


@given(frames=st.lists(FRAMES, max_size=5), cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_frames_arrive_whole_however_the_stream_is_cut(
    frames: list[Frame], cuts: list[int]
) -> None:
    wire = b"".join(encode(frame) for frame in frames)
    reader = FrameReader()
    arrived = []
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    for start, end in itertools.pairwise(edges):
        arrived += reader.feed(wire[start:end])
    assert arrived == frames
    assert reader.n_damaged == 0


@given(frame=FRAMES)
def test_a_frame_has_zeros_only_at_its_ends(frame: Frame) -> None:
    wire = encode(frame)
    assert wire[0] == wire[-1] == 0
    assert 0 not in wire[1:-1]
    # One code byte for each 254 bytes begun, and the two delimiters.
    n_body = 3 + len(frame.payload) + 4
    assert len(wire) <= n_body + n_body // 254 + 3


@given(frame=FRAMES, noise=st.binary(max_size=400), kept=st.integers(0, 700))
def test_noise_and_a_cut_off_frame_cost_no_frame_after_them(
    frame: Frame, noise: bytes, kept: int
) -> None:
    wire = encode(frame)
    reader = FrameReader()
    # Without its last delimiter alone a frame is still whole.
    arrived = reader.feed(noise + wire[: min(kept, len(wire) - 2)] + wire)
    assert arrived == [frame]


@given(frame=FRAMES, position=st.integers(0), change=st.integers(1, 255))
def test_a_changed_byte_never_makes_another_frame(frame: Frame, position: int, change: int) -> None:
    wire = bytearray(encode(frame))
    wire[position % len(wire)] ^= change
    arrived = FrameReader().feed(bytes(wire) + b"\0")
    assert arrived in ([], [frame])  # the frame itself where a delimiter changed


@given(n_inputs=st.lists(st.integers(0, 2**32 - 1), max_size=5), payload=st.binary(max_size=100))
def test_info_of_any_bytes_is_read_or_refused(n_inputs: list[int], payload: bytes) -> None:
    good = struct.pack("<BBBBI", protocol.VERSION, 1, len(n_inputs), 0, 7)
    good += struct.pack(f"<{len(n_inputs)}I", *n_inputs) + b"ab" * 32
    info = protocol.parse_info("board", good)
    assert info == Info(
        version=protocol.VERSION,
        counter=Counter.CYCLES,
        arena_bytes=7,
        input_bytes=tuple(n_inputs),
        output_bytes=(),
        model_sha256="ab" * 32,
    )
    with pytest.raises(AnvilError):
        protocol.parse_info("board", payload + good[1:])


@dataclass
class Recorded:
    """A transport that answers each request with the next of some prepared byte strings.

    The real firmware answers in tests/e2e/firmware; this is for answers that it never gives.
    """

    answers: list[bytes]
    sent: list[Frame] = field(default_factory=list)
    arrived: bytes = b""
    seconds_per_byte: float = 0.0

    def read(self, timeout_s: float) -> bytes:
        assert timeout_s >= 0
        data, self.arrived = self.arrived, b""
        return data

    def write(self, data: bytes) -> None:
        (frame,) = FrameReader().feed(data)
        self.sent.append(frame)
        self.arrived += self.answers.pop(0)


def answer(sequence: int, kind: MessageType, payload: bytes) -> bytes:
    return encode(Frame(kind=kind, sequence=sequence % 65536, payload=payload))


INFO = Info(
    version=1,
    counter=Counter.CYCLES,
    arena_bytes=4,
    input_bytes=(1,),
    output_bytes=(2,),
    model_sha256="00" * 32,
)


def test_an_answer_to_an_earlier_request_is_not_taken() -> None:
    line = Recorded(answers=[])
    dialogue = protocol.Dialogue("board", line)
    first = dialogue._sequence + 1
    right = struct.pack("<QI", 10, 20) + b"ok"
    wrong = struct.pack("<QI", 10, 20) + b"no"
    line.answers.append(
        answer(first - 1, MessageType.RESULT, wrong)
        + answer(first, MessageType.ACCEPTED, b"")
        + answer(first + 1, MessageType.RESULT, wrong)
        + answer(first, MessageType.RESULT, right)
    )
    result = dialogue.invoke([b"x"], INFO, timeout_s=5)
    assert result == protocol.Answer(count=10, stack_bytes=20, outputs=(b"ok",))
    assert [frame.payload for frame in line.sent] == [b"x"]


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        (MessageType.ERROR, struct.pack("<III", 1, 2, 9), "does not know message type 9"),
        (
            MessageType.ERROR,
            struct.pack("<III", 2, 8, 9),
            "takes 8 bytes of input, and was given 9",
        ),
        (MessageType.ERROR, struct.pack("<III", 77, 8, 9), "reports error 77"),
        (MessageType.ERROR, b"?", "message 0x84 of 1 bytes"),
        (
            MessageType.FAULT,
            struct.pack("<7I", 3, 0x1234, 0, 0, 0, 0, 0),
            "hard fault at pc 0x00001234",
        ),
        (
            MessageType.FAULT,
            struct.pack("<7I", 5, 0, 0, 0, 0, 0, 0),
            "bus fault after a stack overflow",
        ),
        (MessageType.FAULT, struct.pack("<7I", 20, 8, 0, 0, 0, 0, 0), "exception 20"),
    ],
)
def test_what_the_firmware_complains_of_is_said(
    kind: MessageType, payload: bytes, message: str
) -> None:
    line = Recorded(answers=[])
    dialogue = protocol.Dialogue("board", line)
    line.answers.append(answer(dialogue._sequence + 1, kind, payload))
    with pytest.raises(AnvilError, match=message):
        dialogue.invoke([b"x"], INFO, timeout_s=5)


def test_a_result_of_another_size_is_refused() -> None:
    with pytest.raises(AnvilError, match="a result has 14 bytes, found 13"):
        protocol.parse_result("board", bytes(13), [2])


def test_another_version_of_the_protocol_is_refused() -> None:
    with pytest.raises(AnvilError, match="speaks version 2 of the protocol"):
        protocol.parse_info("board", struct.pack("<BBBBI", 2, 1, 0, 0, 0) + b"0" * 64)
