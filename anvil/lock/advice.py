"""What to do about a difference: how to get what the lock says, or have it say what is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.lock.compare import shown

if TYPE_CHECKING:
    from anvil.lock.compare import Difference

_WAYS = {
    "kernels": "restore kernels/, or use the Anvil that wrote the lock",
    "data": "restore the data",
    "models": "restore the model and quantized/",
    "targets": "restore anvil.yaml and targets/",
    # What is compared is what a root is made from, and another Anvil's cannot be made here.
    "image": "use the Anvil that wrote the lock",
}


def message(difference: Difference) -> str:
    """The difference in words; its name is its place."""
    return f"the lock says {shown(difference.locked)}, found {shown(difference.found)}"


def advice(difference: Difference) -> str:
    """The ways out: the lock's state first, then the lock itself."""
    update = f"`anvil lock --update {difference.entry}` takes over what is found"
    way = _way(difference)
    return f"{way}; or {update}" if way else update


def _way(difference: Difference) -> str | None:
    section = difference.path[0]
    is_version = difference.path[-1] == "version" and difference.locked is not None
    if section == "anvil":
        if is_version:
            return f"python3 -m pip install anvil-build=={difference.locked}"
        return "use the Anvil that wrote the lock"
    if section in {"wheels", "quantizers"} and is_version:
        return f"python3 -m pip install {difference.path[1]}=={difference.locked}"
    if section == "toolchains":
        return "restore the toolchain's profile, or use the Anvil that wrote the lock"
    if section in {"wheels", "quantizers"}:
        return "use the Anvil that wrote the lock"
    return _WAYS.get(section)
