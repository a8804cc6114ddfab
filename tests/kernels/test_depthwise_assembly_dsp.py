"""The depthwise kernels' assembly keeps what the procedure call standard asks it to keep.

Every function is called with patterns in r4 to r11 and in s16 to s31, and the stack pointer is
compared. None of them calls another, so that the stack needs no alignment beyond that of a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.kernel_harness import PLATFORMS, program_output
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = ROOT / "kernels" / "depthwise_conv_2d"
_PROGRAM = """\
#include "platform.h"
#include "depthwise_conv_2d/planes__dsp.h"
#include "depthwise_conv_2d/row_of_windows__dsp.h"
#include "depthwise_conv_2d/three_by_three__dsp.h"

static int32_t planes[256];
static int32_t channel[32];
static int8_t output[1024];
static const int8_t pixels[256];

typedef void (*plain)(void);

uint32_t stack_before;

/* How many of the registers are not as they were after function(a, b, c, d). */
__attribute__((naked, noinline)) static uint32_t changed(const void *a, const void *b,
                                                         const void *c, const void *d,
                                                         plain function) {
  __asm__ volatile(
      "ldr r12, [sp]\\n"
      "push {r4-r11, lr}\\n"
      "vpush {s16-s31}\\n"
      "sub sp, #4\\n"
      ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\\n"
      "mov r\\\\n, #(0x11111111 + (\\\\n << 4) - (\\\\n << 4) + 0)\\n"
      "add r\\\\n, #\\\\n\\n"
      ".endr\\n"
      ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\\n"
      "vmov s\\\\n, r4\\n"
      "add r4, #1\\n"
      ".endr\\n"
      "mov r4, r5\\n"
      "sub r4, #1\\n"
      "push {r12}\\n"
      "ldr r12, =stack_before\\n"
      "str sp, [r12]\\n"
      "ldr r12, [sp]\\n"
      "blx r12\\n"
      "mov r0, #0\\n"
      "ldr r12, =stack_before\\n"
      "ldr r12, [r12]\\n"
      "cmp r12, sp\\n"
      "it ne\\n"
      "addne r0, #100\\n"
      "mov sp, r12\\n"
      "add sp, #4\\n"
      ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\\n"
      "mov r1, #0x11111111\\n"
      "add r1, #\\\\n\\n"
      "cmp r1, r\\\\n\\n"
      "it ne\\n"
      "addne r0, #1\\n"
      ".endr\\n"
      "mov r1, #0x11111111\\n"
      "add r1, #4\\n"
      ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\\n"
      "vmov r2, s\\\\n\\n"
      "cmp r1, r2\\n"
      "it ne\\n"
      "addne r0, #1\\n"
      "add r1, #1\\n"
      ".endr\\n"
      "add sp, #4\\n"
      "vpop {s16-s31}\\n"
      "pop {r4-r11, pc}\\n"
      ".ltorg\\n");
}

/* Changes r4, s20 and the stack pointer: what the test is there to find. */
__attribute__((naked, noinline)) static void careless(void) {
  __asm__ volatile("mov r4, #0\\n vmov s20, r4\\n push {r4}\\n bx lr\\n");
}

void run_cases(void) {
  anvil_three_by_three_strip strip = {{4, 8, 12, 16, 20}, 32, 3 * 16, 0};
  anvil_row_of_windows_channel row = {channel, 2, 3, 8, 4, 7};
  const anvil_spread_rows spread = {5, 8, 8, 64, 4};
  const uint8_t counts[] = {
      (uint8_t)changed(planes, output, channel, &strip, careless),
      (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride1_6),
      (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride1_5),
      (strip.plane_bytes = 3 * 40,
       (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride2_4)),
      (uint8_t)changed(planes, planes, output, &row, (plain)anvil_row_of_windows),
      (uint8_t)changed(pixels, pixels, planes, &spread, (plain)anvil_spread_columns),
  };
  platform_write(counts, sizeof counts);
}
"""


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    platform = next(p for p in PLATFORMS if p.name == "cortex-m4f")
    sources = [
        str(_FOLDER / f"{name}__dsp.S")
        for name in ("three_by_three", "row_of_windows", "spread_columns")
    ]

    counts = program_output(platform, _PROGRAM, tmp_path, sources=sources)
    assert list(counts) == [102, 0, 0, 0, 0, 0]
