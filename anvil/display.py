"""Progress on the terminal: a live table where there is one, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from anvil.pipeline.events import Event

# A quiet minute makes people think that a program hangs.
_REMIND_S = 10.0


class Silence:
    """No progress, for --quiet; and what the others share."""

    def __enter__(self) -> Self:
        """Nothing shows before the first event."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what shows."""

    def __call__(self, event: Event) -> None:
        """Tell of a step; an empty one ends its target's."""


class PlainLines(Silence):
    """One line when a step begins, and one every ten seconds while it lasts."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[str, float]] = {}
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __exit__(self, *_: object) -> None:
        """Stop the reminders."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def __call__(self, event: Event) -> None:
        """Tell of a step; an empty one ends its target's."""
        with self._lock:
            if event.is_note:
                self._say(event.target, event.step)
                return
            if not event.step:
                self._steps.pop(event.target, None)
                return
            self._steps[event.target] = (event.step, time.monotonic())
            self._say(event.target, event.step)
            if self._thread is None:
                self._thread = threading.Thread(target=self._remind, daemon=True)
                self._thread.start()

    def _say(self, target: str, text: str) -> None:
        self._stream.write(f"{target}: {text}\n" if target else f"{text}\n")
        self._stream.flush()

    def _remind(self) -> None:
        while not self._done.wait(_REMIND_S):
            now = time.monotonic()
            with self._lock:
                for target, (step, since) in self._steps.items():
                    if now - since >= _REMIND_S - 1:
                        self._say(target, f"still {step}, {now - since:.0f} s")


class LiveTable(Silence):
    """A line per target with a spinner, its step and the time it takes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._tasks: dict[str, Any] = {}  # rich's task numbers
        self._table: Any = None

    def __exit__(self, *_: object) -> None:
        """Remove the table."""
        if self._table is not None:
            self._table.stop()

    def __call__(self, event: Event) -> None:
        """Tell of a step; an empty one ends its target's."""
        with self._lock:
            if self._table is None:
                self._table = self._start()
            text = f"{event.target}: {event.step}" if event.target else event.step
            if event.is_note:
                self._table.console.print(text, markup=False, highlight=False)
                return
            if event.target in self._tasks:
                self._table.remove_task(self._tasks.pop(event.target))
            if event.step:
                self._tasks[event.target] = self._table.add_task(text, total=None)

    def _start(self) -> Any:  # noqa: ANN401  rich's Progress, imported late
        # A warm build tells nothing and never imports this.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        table = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        table.start()
        return table


def make_progress(stream: IO[str], *, quiet: bool) -> Silence:
    """The display that fits `stream`."""
    if quiet:
        return Silence()
    return LiveTable(stream) if stream.isatty() else PlainLines(stream)
