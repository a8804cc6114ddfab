"""The docker executor: one locked-up container for each action, removed at its end."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.build import engine
from anvil.build.ending import SHORT_OF_MEMORY, describe
from anvil.build.isolated import HOST_NAME, Ended, IsolatedExecutor, Job
from anvil.build.root import INPUT, OUTPUT, PATH, PREPARED, TOOL_CACHE

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.build.root import Root
    from anvil.cache.store import Store
    from anvil.process import Cancellation

_POLL_MS = 50
_LOG_BYTES = 16 * 1024**2
_MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use at most."""

    memory_bytes: int = 4096 * _MIB  # with what lies in its folders in memory
    n_processes: int = 512


class DockerExecutor(IsolatedExecutor):
    """Runs actions in containers of an engine of this machine, over a root file system."""

    def __init__(
        self,
        *,
        store: Store,
        cancellation: Cancellation,
        root: Root,
        limits: Limits = Limits(),
    ) -> None:
        super().__init__(store=store, cancellation=cancellation, root=root)
        self._limits = limits
        self._lock = threading.Lock()
        self._image: str | None = None  # the engine's id of the root, once it was checked

    @property
    def name(self) -> str:
        """As `--executor` names it."""
        return "docker"

    @property
    def notice(self) -> str:
        """How far it is hermetic."""
        return f"containers of the root file system {self._root.image.sha256[:12]}, no network"

    def _start(self, job: Job) -> Ended:
        if self._cancellation.is_cancelled:
            raise KeyboardInterrupt
        client = engine.connect()
        # Named by us, so that it can be removed even where its making was interrupted.
        name = f"anvil-{secrets.token_hex(8)}"
        try:
            with engine.explained():
                client.create_container_from_config(
                    self._configuration(client, job, self._image_id(client)), name=name
                )
                client.start(name)
                timed_out = not self._wait(client, name, job.timeout_s)
                if timed_out:
                    client.kill(name)
                return self._ended(client, name, job, timed_out=timed_out)
        finally:
            # An engine that is gone has said so already; it is swept when it is back.
            with contextlib.suppress(Exception):
                engine.probe()
                engine.remove(client, name)
            client.close()

    def _image_id(self, client: Any) -> str:  # noqa: ANN401
        with self._lock:
            if self._image is None:
                engine.remove_orphans(client)
                self._image = engine.ensure_image(client, self._root)
            return self._image

    def _configuration(self, client: Any, job: Job, image: str) -> Any:  # noqa: ANN401
        from docker.types import LogConfig, Mount  # noqa: PLC0415

        in_memory = f"rw,exec,nosuid,nodev,mode=0755,uid={job.user},gid={job.user}"
        mounts = [
            Mount(INPUT, str(job.input), type="bind", read_only=True),
            Mount(OUTPUT, str(job.output), type="bind"),
        ]
        if job.prepared is not None:
            mounts.append(Mount(PREPARED, str(job.prepared), type="bind", read_only=True))
        return client.create_container_config(
            image,
            ["-c", job.script],
            # Whatever the engine's image of these layers would start.
            entrypoint=["/bin/sh"],
            hostname=HOST_NAME,
            user=f"{job.user}:{job.user}",
            environment={"PATH": PATH},
            working_dir="/",
            network_disabled=True,
            labels={engine.OWNER: engine.owner(), engine.REALM: engine.realm()},
            host_config=client.create_host_config(
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=self._limits.n_processes,
                mem_limit=self._limits.memory_bytes,
                memswap_limit=self._limits.memory_bytes,
                tmpfs={job.work: in_memory, TOOL_CACHE: in_memory},
                mounts=mounts,
                log_config=LogConfig(
                    type="json-file", config={"max-size": str(_LOG_BYTES), "max-file": "1"}
                ),
            ),
        )

    def _wait(self, client: Any, name: str, timeout_s: int) -> bool:  # noqa: ANN401
        """Whether the container ended in time. Raises KeyboardInterrupt when cancelled."""
        return finished(
            lambda: client.wait(name, timeout=timeout_s + 60), timeout_s, self._cancellation
        )

    def _ended(self, client: Any, name: str, job: Job, *, timed_out: bool) -> Ended:  # noqa: ANN401
        log = client.logs(name).decode(errors="replace")
        if timed_out:
            return Ended(log=log, problem=f"took longer than {job.timeout_s} s and was ended")
        state = client.inspect_container(name)["State"]
        exit_code = int(state["ExitCode"])
        if exit_code != 0 and state.get("OOMKilled"):
            memory = self._limits.memory_bytes // _MIB
            return Ended(
                log=log,
                problem=f"ran out of memory: a container has {memory} MiB",
                hint="choose --executor sandbox, which has no limit of its own",
            )
        problem = describe(exit_code)
        return Ended(log=log, problem=problem, hint=SHORT_OF_MEMORY, exit_code=exit_code)


def finished(work: Callable[[], object], timeout_s: float, cancellation: Cancellation) -> bool:
    """Whether `work`, in a thread of its own, ended in time.

    Raises what it raises, and KeyboardInterrupt when cancelled; then it is left alone. The wait is
    one for a pipe, whose timeout is a span: those of Python's locks are points of a clock, which
    never come under the faked clock of a release's second build.
    """
    reader, writer = os.pipe()
    problems: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  raised by the thread that is waited for
            problems.append(error)
        finally:
            os.close(writer)

    try:
        threading.Thread(target=run, daemon=True).start()
        closed = select.poll()
        closed.register(reader, select.POLLIN)
        deadline = time.monotonic() + timeout_s
        while not closed.poll(_POLL_MS):
            if cancellation.is_cancelled:
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                return False
    finally:
        os.close(reader)
    for problem in problems:
        raise problem
    return True


def check_docker() -> None:
    """Raise AnvilError (exit 1) where no engine of this machine can be used, with the reason."""
    engine.connect().close()
