"""A kernel may have parts in assembly, in every kind of project whose core has some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT, require_program

if TYPE_CHECKING:
    from pathlib import Path

_MODEL = ROOT / "quantized" / "int8.tflite"
_FOLDER = "depthwise_conv_2d"
_KERNEL = f"{_FOLDER}/depthwise_conv_2d_int8_direct__scalar.c"
_PART = "common/sum.S"
_EMULATORS = {"nrf52840": "qemu-system-arm", "rpi4": "qemu-aarch64", "linux-x86_64": None}
# The sum of two integers, as each core's procedure call standard passes them.
_SUM = """\
#if defined(__arm__)
  .syntax unified
  .thumb
  .thumb_func
#define BODY adds r0, r0, r1; bx lr
#elif defined(__aarch64__)
#define BODY add w0, w0, w1; ret
#else
#define BODY lea (%rdi, %rsi), %eax; ret
#endif
  .text
  .globl anvil_sum
  .type anvil_sum, %function
anvil_sum:
  BODY
  .size anvil_sum, . - anvil_sum
#if defined(__linux__) || defined(__x86_64__)
  .section .note.GNU-stack, "", %progbits
#endif
"""


@pytest.mark.parametrize("target", sorted(_EMULATORS))
def test_a_part_in_assembly_is_built_and_right(tmp_path: Path, target: str) -> None:
    program = _EMULATORS[target]
    if program is not None:
        require_program(program)
    project = write_project(tmp_path, _MODEL, name="digits", targets=f"{{{target}: {{}}}}")
    listed = yaml.safe_load((ROOT / "kernels" / _FOLDER / "kernels.yaml").read_text())
    scalar = next(v for v in listed["variants"] if v["source"] == _KERNEL)
    listed["variants"] = [scalar | {"parts": [_PART]}]
    source = (ROOT / "kernels" / _KERNEL).read_text()
    changed = source.replace("p.output_zero_point", "anvil_sum(p.output_zero_point, {})")
    assert changed != source
    for folder in (_FOLDER, "common"):
        (project / "kernels" / folder).mkdir(parents=True)
    (project / "kernels" / _FOLDER / "kernels.yaml").write_text(yaml.safe_dump(listed))
    (project / "kernels" / _PART).write_text(_SUM)
    for added, status in ((0, "passed"), (9, "failed")):
        text = "#include <stdint.h>\nint32_t anvil_sum(int32_t, int32_t);\n"
        (project / "kernels" / _KERNEL).write_text(text + changed.replace("{}", str(added)))
        ended = anvil("verify", "--json", "--project", project)
        assert ended.statuses() == {target: status}, ended.stderr
