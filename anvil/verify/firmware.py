"""What the emulator's and the board's runner share: is it our model, and what it counted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anvil.verify import protocol
from anvil.verify.invocation import RunResult
from anvil.verify.stream import built_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.verify.invocation import Invocation


def check_firmware(invocation: Invocation, info: protocol.Info) -> None:
    """AnvilError (`run.wrong-model`) where the firmware holds another model than was built."""
    header = built_file(invocation, f"{invocation.name}.h").read_text(encoding="utf-8")
    match = re.search(rf'{invocation.name.upper()}_MODEL_SHA256 "([0-9a-f]{{64}})"', header)
    if match is None or info.model_sha256 != match[1]:
        raise protocol.failure(
            invocation.target,
            "wrong-model",
            f"the firmware holds the model with SHA-256 {info.model_sha256}, and "
            f"{invocation.name}.h is of {match[1] if match else 'none'}",
            "build again and put the new firmware on the board",
        )
    expected = (
        tuple(port.n_bytes for port in invocation.inputs),
        tuple(port.n_bytes for port in invocation.outputs),
    )
    if (info.input_bytes, info.output_bytes) != expected:
        raise protocol.failure(
            invocation.target,
            "wrong-model",
            f"the firmware has inputs and outputs of {info.input_bytes} and {info.output_bytes} "
            f"bytes, and the plan {expected[0]} and {expected[1]}",
            "build again and put the new firmware on the board",
        )


def summarise(
    invocation: Invocation, info: protocol.Info, answers: Sequence[protocol.Answer]
) -> RunResult:
    """The answers, with the mean count and the highest stack use where they are wanted."""
    counted = invocation.count and bool(answers)
    mean = round(sum(answer.count for answer in answers) / len(answers)) if counted else None
    return RunResult(
        outputs=tuple(answer.outputs for answer in answers),
        instructions=mean if info.counter == protocol.Counter.INSTRUCTIONS else None,
        cycles=mean if info.counter == protocol.Counter.CYCLES else None,
        stack_bytes=max(answer.stack_bytes for answer in answers) if counted else None,
    )
