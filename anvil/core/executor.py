"""What runs an action, and the conditions that its result must not depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anvil.core.action import Action, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The surroundings of a run, which a release varies to show that they do not matter.

    None leaves what the executor has by itself. Where an executor cannot vary one, such as the
    user without being root, it says so in `Executor.variable`.
    """

    folder: str | None = None  # absolute path, or for the host the name, of the work folder
    umask: int = 0o022
    locale: str | None = None  # LC_ALL and LANG, over what the action says
    time_zone: str | None = None  # TZ
    user: int | None = None  # uid and gid of the command
    clock_offset_s: int = 0  # what is added to the time of day


USUAL = Conditions()


class Executor(Protocol):
    """A place to run actions. One file of build/ each; all pass tests/contract/."""

    @property
    def name(self) -> str:
        """host, sandbox, docker."""

    @property
    def notice(self) -> str:
        """What people read when a build uses it: how far it is hermetic, and with what."""

    @property
    def variable(self) -> frozenset[str]:
        """The fields of Conditions that it can vary on this machine."""

    def check(self, action: Action) -> None:
        """Raise AnvilError (exit 1) where it lacks a tool that the action's key names."""

    def run(
        self,
        action: Action,
        *,
        conditions: Conditions = USUAL,
    ) -> Tree:
        """Run `action` and keep its outputs in the store that it was made with.

        Raises AnvilError (exit 1) where a tool is missing, the command fails, its time runs out
        or an output is not there, with its last lines; VanishedError where the store lacks an
        input; KeyboardInterrupt when cancelled. Never leaves a process or a folder behind.
        """
