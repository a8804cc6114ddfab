"""How a rendered PlatformIO project becomes artifacts: one `pio run` of both environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.build.compilers import environment_of
from anvil.build.warm_up import zig_links
from anvil.core.action import Action, Recipe

if TYPE_CHECKING:
    from anvil.core.action import Tree
    from anvil.core.target import Target

# The PyPI distributions that the action runs, besides the target's compiler.
TOOLS = (
    ("intelhex", "2.3.0"),
    ("platformio", "6.2.0"),
    ("pyelftools", "0.33"),
    ("scons", "4.11.1"),
)

_ENVIRONMENT = (
    ("CI", "true"),  # no hints for people
    ("LC_ALL", "C.UTF-8"),
    ("PLATFORMIO_CORE_DIR", "{work}/.pio/core"),
    ("PLATFORMIO_DISABLE_UPGRADE_CHECK", "true"),
    ("PLATFORMIO_SETTING_ENABLE_CACHE", "No"),
    ("PLATFORMIO_SETTING_ENABLE_TELEMETRY", "No"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONHASHSEED", "0"),
)

# A first link builds Zig's runtime, which takes half a minute on a slow machine.
_TIMEOUT_S = 900


def recipe(target: Target, name: str, project: Tree) -> Recipe:
    """Build `project` for the device and for the emulator.

    NAME.elf, NAME.hex, libNAME.a and NAME.h are the device's; emulator/NAME.elf comes with
    emulator/libNAME.a, which must equal the device's library.
    """
    artifacts = (
        (f".pio/build/device/{name}.elf", f"{name}.elf"),
        (f".pio/build/device/{name}.hex", f"{name}.hex"),
        (f".pio/build/device/lib{name}.a", f"lib{name}.a"),
        (f".pio/build/emulator/{name}.elf", f"emulator/{name}.elf"),
        (f".pio/build/emulator/lib{name}.a", f"emulator/lib{name}.a"),
        (f"library/include/{name}.h", f"{name}.h"),
    )
    action = Action(
        kind="build",
        argv=("{python}", "-m", "platformio", "run", "--jobs", "2"),
        environment=tuple(sorted((*_ENVIRONMENT, *environment_of(target.toolchain)))),
        inputs=project,
        tools=tuple(sorted((*TOOLS, *target.toolchain.tools))),
        outputs=tuple(sorted(output for output, _ in artifacts)),
        timeout_s=_TIMEOUT_S,
        warm_up=zig_links(target, (*target.toolchain.link_flags, "-Wl,-e,Reset_Handler")),
    )
    return Recipe(action=action, artifacts=artifacts)
