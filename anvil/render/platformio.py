"""The microcontroller project: the library, a firmware around it, and PlatformIO files.

All numbers are computed here; the templates only place them. Beside the project's own
files it holds the development platform and the SCons package that PlatformIO asks for, so
that `pio run` needs no registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil import __version__
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.target import Console
from anvil.render.consoles import console_files, console_problems, console_values
from anvil.render.environment import jinja_environment, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Plan
    from anvil.core.target import Mcuboot, Region, Target, Toolchain

# What PlatformIO 6.2.0 asks for: its package tool-scons 4.41101 stands for SCons 4.11.1.
PLATFORMIO_VERSION = "6.2.0"
SCONS_VERSION = "4.11.1"
_TOOL_SCONS_VERSION = "4.41101.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """What counts time in one of QEMU's machines."""

    counter: str  # plain file under templates/ that reads it
    timer_base: int = 0  # address
    instructions_per_tick: int = 1  # nanoseconds per tick, under `-icount shift=0`
    soc: str = "firmware/emulator/soc_emulator.c"


_CMSDK_TIMER = _Machine(  # 25 MHz
    counter="firmware/emulator/counter_instructions.c",
    timer_base=0x40000000,
    instructions_per_tick=40,
)
_MACHINES = {
    "mps2-an385": _CMSDK_TIMER,
    "mps2-an386": _CMSDK_TIMER,
    "mps2-an500": _CMSDK_TIMER,
    "mps3-an547": _Machine(  # 20 MHz
        counter="firmware/emulator/counter_fpgaio.c",
        timer_base=0x59302000,
        instructions_per_tick=50,
    ),
    "microbit": _Machine(  # 16 MHz, halved since a tick would be 62.5 ns
        counter="firmware/emulator/counter_timer.c",
        timer_base=0x40008000,
        instructions_per_tick=125,
    ),
    "virt": _Machine(
        counter="firmware/emulator/counter_minstret.c", soc="firmware/emulator/soc_virt.c"
    ),
}

_MAX_PORTS = 255

# Path in the project -> plain file under templates/, which gets a first line that names it.
_PLAIN_FILES = {
    "firmware/common/device.h": "firmware/common/device.h",
    "firmware/common/main.c": "firmware/common/main.c",
    "firmware/common/protocol.c": "firmware/common/protocol.c",
    "firmware/common/protocol.h": "firmware/common/protocol.h",
    "firmware/common/stack.c": "firmware/common/stack.c",
    "firmware/common/stack.h": "firmware/common/stack.h",
    "firmware/emulator/console_semihosting.c": "firmware/emulator/console_semihosting.c",
    "platformio/packages/tool-scons/scons.py": "platformio/scons.py",
    "platformio/platforms/anvil/builder/main.py": "platformio/builder.py",
}

_EMULATOR_SCRIPT = "firmware/emulator/memory.ld"

_TEMPLATES = {
    "README.md": "platformio/README.md.j2",
    "platformio.ini": "platformio/platformio.ini.j2",
    "firmware/memory.ld": "firmware/memory.ld.j2",
    "firmware/common/interrupts.h": "firmware/common/interrupts.h.j2",
    "firmware/common/model.h": "firmware/common/model.h.j2",
    "firmware/device/board.h": "firmware/device/board.h.j2",
    "firmware/emulator/machine.h": "firmware/emulator/machine.h.j2",
    "platformio/platforms/anvil/platform.json": "platformio/platform.json.j2",
}


def render_platformio(
    plan: Plan, *, plan_digest: str, library: Mapping[str, bytes], templates: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The whole project by path, `library/` included.

    library: what render_library gives; templates: every file under templates/ by path
    relative to it. AnvilError lists everything of the target's profile that a
    microcontroller needs and that is missing or not supported.
    """
    values = _values(plan, plan_digest)
    environment = jinja_environment(templates)
    files = {path: render(environment, template, **values) for path, template in _TEMPLATES.items()}
    files[f"platformio/platforms/anvil/boards/{values['board_id']}.json"] = render(
        environment, "platformio/board.json.j2", **values
    )
    if plan.target.mcuboot is not None:
        # The emulator has no bootloader: there the firmware begins where the chip's flash does.
        files[_EMULATOR_SCRIPT] = render(
            environment,
            "firmware/memory.ld.j2",
            **values | _flash_values(plan.target.mcuboot.chip_flash),
        )
    tool_scons = {"package": "tool-scons", "version": _TOOL_SCONS_VERSION}
    files["platformio/packages/tool-scons/package.json"] = render(
        environment, "platformio/tool-scons.json.j2", **values | tool_scons
    )
    # Without the owner PlatformIO takes the package for another one and asks its registry.
    files["platformio/packages/tool-scons/.piopm"] = render(
        environment, "platformio/piopm.json.j2", type="tool", owner="platformio", **tool_scons
    )
    files["platformio/platforms/anvil/.piopm"] = render(
        environment,
        "platformio/piopm.json.j2",
        type="platform",
        package="anvil",
        version=__version__,
        owner=None,
    )
    plain = _PLAIN_FILES | _chosen_files(plan.target)
    for path, template in plain.items():
        files[path] = _banner(path, template, plan_digest) + templates[template]
    return dict(sorted((files | dict(library)).items()))


def _chosen_files(target: Target) -> dict[str, str]:
    """Path in the project -> plain file, of those that depend on the board and the emulator."""
    assert target.console is not None
    assert target.emulator.machine is not None
    machine = _MACHINES[target.emulator.machine]
    start_up = "startup_riscv.c" if _is_riscv(target) else "startup.c"
    return {
        "firmware/common/startup.c": f"firmware/common/{start_up}",
        machine.counter: machine.counter,
        machine.soc: machine.soc,
        **console_files(target.console),
    }


def _is_riscv(target: Target) -> bool:
    return target.core.architecture.startswith("rv32")


def _banner(path: str, template: str, plan_digest: str) -> bytes:
    text = f"From templates/{template} by Anvil {__version__}, plan {plan_digest}."
    return (f"# {text}\n" if path.endswith(".py") else f"/* {text} */\n").encode()


def _values(plan: Plan, plan_digest: str) -> dict[str, Any]:
    """Template values; AnvilError with everything that the profile lacks."""
    target = plan.target
    console = target.console
    machine = target.emulator.machine
    problems = _problems(target) + _port_problems(plan)
    if (
        problems
        or console is None
        or target.flash is None
        or target.ram is None
        or target.platformio is None
        or machine is None
    ):
        raise AnvilError(*problems)
    counter = _MACHINES[machine]
    mcu = target.mcu or target.core.name
    return {
        "plan_digest": plan_digest,
        "version": __version__,
        "name": plan.name,
        "prefix": plan.name.upper(),
        "target": target.name,
        "board": target.board,
        "board_id": target.platformio.board,
        "vendor": target.board.split()[0],
        "mcu": mcu,
        "mcu_lower": mcu.lower(),
        # Where nothing is flash, nothing is flashed.
        "pyocd_target": mcu.lower() if isinstance(console, Console) else "",
        "core": target.core.name,
        "clock_hz": target.clock_hz or 0,
        "n_interrupts": target.n_interrupts,
        "stack_bytes": target.stack_bytes,
        "machine": machine,
        "is_riscv": _is_riscv(target),
        "timer_base": f"0x{counter.timer_base:08X}",
        "instructions_per_tick": counter.instructions_per_tick,
        "platformio_version": PLATFORMIO_VERSION,
        "scons_version": SCONS_VERSION,
        "compiler": _compiler(target.toolchain),
        "core_flags": list(target.toolchain.core_flags),
        "compile_flags": list(target.toolchain.compile_flags),
        "link_flags": list(target.toolchain.link_flags),
        **_memory_values(target.flash, target.ram),
        **_mcuboot_values(target.mcuboot),
        **console_values(console),
    }


def _compiler(toolchain: Toolchain) -> dict[str, Any]:
    """What the build files say of the compiler's origin."""
    compiler: dict[str, Any] = {
        "kind": toolchain.kind,
        "package": toolchain.package,
        "version": toolchain.version,
    }
    if toolchain.kind == "gcc":
        compiler["prefix"] = toolchain.prefix
        compiler["release"] = toolchain.release
        compiler["packages"] = [list(row) for row in toolchain.packages]
    return compiler


def _port_problems(plan: Plan) -> list[Diagnostic]:
    """The firmware's protocol counts inputs and outputs in one byte each."""
    return [
        Diagnostic(
            code="render.too-many-tensors",
            message=(
                f"the model has {len(tensors)} {role}, and firmware for {plan.target.name} has "
                f"{_MAX_PORTS} at most"
            ),
            hint="join some of them, such as by CONCATENATION",
        )
        for role, tensors in (("inputs", plan.graph.inputs), ("outputs", plan.graph.outputs))
        if len(tensors) > _MAX_PORTS
    ]


def _memory_values(flash: Region, ram: Region) -> dict[str, Any]:
    return _flash_values(flash) | {
        "ram_origin": f"0x{ram.origin:08X}",
        "ram_bytes": ram.size_bytes,
    }


def _flash_values(flash: Region) -> dict[str, Any]:
    return {"flash_origin": f"0x{flash.origin:08X}", "flash_bytes": flash.size_bytes}


def _mcuboot_values(mcuboot: Mcuboot | None) -> dict[str, Any]:
    if mcuboot is None:
        return {"has_mcuboot": False}
    return {
        "has_mcuboot": True,
        "emulator_script": _EMULATOR_SCRIPT,
        "slot_origin": f"0x{mcuboot.slot.origin:08X}",
    }


def _problems(target: Target) -> list[Diagnostic]:
    missing = [
        what
        for what, is_missing in (
            ("memory.flash", target.flash is None),
            ("memory.ram", target.ram is None),
            ("stack", not target.stack_bytes),
            ("interrupts", target.n_interrupts < 1),
            ("console", target.console is None),
            ("platformio", target.platformio is None),
        )
        if is_missing
    ]
    problems = [
        Diagnostic(
            code="target.incomplete",
            message=f"target {target.name} is built by platformio and its profile has no {what}",
            path=what,
            hint="add it to the profile; targets/boards/nrf52840.yaml shows all of them",
        )
        for what in missing
    ]
    if target.console is not None:
        problems += console_problems(target.name, target.console)
    if target.emulator.machine not in _MACHINES:
        problems.append(
            Diagnostic(
                code="target.machine",
                message=(
                    f"target {target.name}: the emulator's firmware does not know QEMU's machine "
                    f"{target.emulator.machine!r}"
                ),
                path="emulator.machine",
                hint=f"choose one of {', '.join(sorted(_MACHINES))}",
            )
        )
    return problems
