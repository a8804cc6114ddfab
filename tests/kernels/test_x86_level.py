"""Kernels that ask the processor which of two ways to take get the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.byte_cases import with_pairs
from tests.support.compiled_program import KERNELS, program_output
from tests.support.kernel_harness import Case, check_kernels
from tests.support.platforms import PLATFORMS, runner_of
from tests.support.programs import MISSING, ROOT
from tests.support.window_cases import Windows, convolution_case, depthwise_case

_SOURCE = """\
#include "common/x86_level__avx2.h"
#include "platform.h"
void run_cases(void) {
  for (int i = 0; i < 2; ++i) {
    const uint8_t found = (uint8_t)anvil_x86_level();
    platform_write(&found, 1);
  }
}
"""
_BY_NAME = {platform.name: platform for platform in PLATFORMS}
_AVX2, _AVXVNNI, _AVX512VNNI = 1, 2, 3
_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"}


def _answers(platform: str, folder: Path) -> bytes:
    sources = [str(ROOT / "kernels" / "common" / "x86_level__avx2.c")]
    return program_output(_BY_NAME[platform], _SOURCE, folder, sources=sources)


def _true_level() -> int:
    flags = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    if flags >= _AVX512:
        return _AVX512VNNI
    return _AVXVNNI if "avx_vnni" in flags else _AVX2


def test_an_emulated_processor_has_avx2_alone(tmp_path: Path) -> None:
    # The kernels' tests on this platform take the ways without more, on every computer.
    assert _answers("x86-64-undefined", tmp_path) == bytes([_AVX2, _AVX2])


def test_the_processor_s_own_answer(tmp_path: Path) -> None:
    runner_of(_BY_NAME["x86-64"])
    level = _true_level()
    assert _answers("x86-64", tmp_path) == bytes([level, level])
    if level < _AVX512VNNI:
        # To be counted: the tests of kernels ran without its vpdpbusd.
        missing = "AVX-VNNI" if level < _AVXVNNI else "AVX-512"
        pytest.skip(f"{MISSING}{missing} in this processor")


def _cases() -> list[Case]:
    shapes = [
        Windows(image=image, filter=size, stride=(stride, stride))
        for image, size, stride in [
            ((1, 9), (1, 1), 1),
            ((5, 9), (3, 3), 1),
            ((5, 9), (3, 3), 2),
            ((40, 1), (5, 1), 1),
            ((40, 1), (5, 1), 2),
        ]
    ]
    cases = [fully_connected_case((2, 9), depth=9, units=n) for n in (9, 17, 70)]
    cases += [
        convolution_case(shape, input_channels=6, filter_channels=6, output_channels=n)
        for shape in shapes
        for n in (7, 33)
    ]
    cases += [
        depthwise_case(shape, input_channels=n, depth_multiplier=1)
        for shape in shapes
        for n in (7, 33)
    ]
    return cases + [with_pairs(case, 64) for case in cases]


def test_avx512_vnni_needs_no_avx_vnni(tmp_path: Path) -> None:
    # Some processors have the one and not the other, this one both: so what the other encodes is
    # replaced by an instruction that ends the program.
    if not set(Path("/proc/cpuinfo").read_text("utf-8").split()) >= _AVX512:
        pytest.skip(f"{MISSING}AVX-512 VNNI in this processor")
    header = Path("common") / "channel_blocks__avx2.h"
    text = (KERNELS / header).read_text(encoding="utf-8")
    instruction = "%{vex%} vpdpbusd %2, %1, %0"
    assert instruction in text
    (tmp_path / "common").mkdir()
    (tmp_path / header).write_text(text.replace(instruction, "ud2"), encoding="utf-8")
    platform = _BY_NAME["x86-64"]
    flags = (*platform.compile_flags, "-I", str(tmp_path))
    check_kernels(replace(platform, name="x86-64-evex", compile_flags=flags), _cases(), tmp_path)
