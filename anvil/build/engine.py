"""A Docker engine of this machine: found, old enough, and with our root file system as an image."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.build.root import Root

REPOSITORY = "anvil-root"
# Docker 19.03 of 2019: the oldest with all that a run is locked up by.
_NEEDED_API = (1, 40)
_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 5
# An engine answers only after it has unpacked all of it.
_IMPORT_TIMEOUT_S = 900
# Labels of our containers: whose they are, as /proc of which machine and namespace names it.
OWNER = "anvil.owner"
REALM = "anvil.realm"


def connect() -> Any:  # noqa: ANN401  docker.APIClient, imported only here
    """A client of the engine. Raises AnvilError (exit 1) with what is wrong, and what to do."""
    address = _address()
    _check_socket(address)
    import docker.constants  # noqa: PLC0415  a third of a second, which only a run pays

    with explained():
        client = docker.APIClient(base_url=address, version=_spoken(_NEEDED_API))
        try:
            found = str(client.version(api_version=False).get("ApiVersion", ""))
        finally:
            client.close()
        if _parsed(found) < _NEEDED_API:
            raise unusable(
                f"the Docker engine at {address} speaks version {found or 'unknown'} of its "
                f"interface, and {_spoken(_NEEDED_API)} is needed (Docker 19.03)",
                "update Docker, or choose --executor sandbox",
            )
        ours = _parsed(docker.constants.DEFAULT_DOCKER_API_VERSION)
        version = _spoken(min(ours, _parsed(found)))
        return docker.APIClient(base_url=address, version=version, timeout=_TIMEOUT_S)


def probe() -> None:
    """Raise OSError where no engine answers; a client leaves its socket open then.

    That somebody listens is not enough: an engine that was killed does, for a moment.
    """
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_CONNECT_TIMEOUT_S)
        asked.connect(_address().removeprefix("unix://"))
        asked.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        if not asked.recv(1):
            raise ConnectionResetError


def _address() -> str:
    named = os.environ.get("DOCKER_HOST")
    if named:
        return named
    places = [Path("/var/run/docker.sock")]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        places.append(Path(runtime) / "docker.sock")  # an engine without root
    found = next((place for place in places if place.exists()), places[0])
    return f"unix://{found}"


def _check_socket(address: str) -> None:
    """Ask the socket itself: its errors say more than a client's."""
    if not address.startswith("unix://"):
        raise unusable(
            f"DOCKER_HOST is {address}, and Anvil's containers need folders of this machine",
            "name an engine of this machine, such as unix:///var/run/docker.sock, or choose "
            "--executor sandbox",
        )
    path = address.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        try:
            probe.connect(path)
        except PermissionError:
            raise unusable(
                f"this user may not speak to the Docker engine at {path}",
                "have an administrator add you to the group docker (usermod -aG docker NAME, "
                "then log in again), or choose --executor sandbox",
            ) from None
        except OSError as error:
            raise unusable(
                f"no Docker engine answers at {path}: {error.strerror or error}",
                "start it (systemctl start docker), install it (apt-get install docker.io), name "
                "its socket in DOCKER_HOST, or choose --executor sandbox",
            ) from None


class explained:  # noqa: N801  read as `with explained():`
    """Turn what the client raises into an AnvilError (exit 1)."""

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise AnvilError for an engine that refuses or is gone."""
        if error is None or isinstance(error, AnvilError):
            return
        import docker  # noqa: PLC0415
        import requests  # noqa: PLC0415

        if isinstance(error, docker.errors.APIError):
            raise unusable(
                f"the Docker engine refuses: {error.explanation or error}",
                "see the engine's log (journalctl -u docker), or choose --executor sandbox",
            ) from error
        if isinstance(error, (requests.RequestException, docker.errors.DockerException, OSError)):
            raise unusable(
                "the Docker engine stopped answering",
                "start it again (systemctl start docker) and repeat the command, or choose "
                "--executor sandbox",
            ) from error


def ensure_image(client: Any, root: Root) -> str:  # noqa: ANN401
    """The id of the engine's image of `root`, imported where it is not there.

    An image is known by its one layer's content, never by its name: another one of that name is
    replaced. Raises AnvilError (exit 1) where the tar is not what its digest says.
    """
    import docker  # noqa: PLC0415

    tag = root.image.sha256
    name = f"{REPOSITORY}:{tag}"
    found = _image_of(client, name, tag)
    if found is not None:
        return found
    with explained():
        slow = docker.APIClient(
            base_url=_address(),
            version=client.api_version,
            timeout=_IMPORT_TIMEOUT_S,
        )
        try:
            slow.import_image(src=str(root.tar), repository=REPOSITORY, tag=tag)
            found = _image_of(client, name, tag)
            if found is None:
                client.remove_image(name, force=True)
        finally:
            slow.close()
    if found is None:
        raise AnvilError(
            Diagnostic(
                code="image.damaged",
                message=f"the root file system {root.tar} is not what its SHA-256 says",
                file=str(root.tar),
                hint=f"remove it (anvil image remove {tag[:12]}), and build or import it again",
            ),
            exit_code=ExitCode.FAILED,
        )
    return found


def _image_of(client: Any, name: str, sha256: str) -> str | None:  # noqa: ANN401
    import docker  # noqa: PLC0415

    with explained():
        try:
            found = client.inspect_image(name)
        except docker.errors.ImageNotFound:
            return None
    layers = found.get("RootFS", {}).get("Layers") or []
    return str(found["Id"]) if layers == [f"sha256:{sha256}"] else None


def remove_orphans(client: Any) -> None:  # noqa: ANN401
    """Remove containers of ours whose process is gone: it was killed, or the engine was."""
    with explained():
        for row in client.containers(all=True, filters={"label": f"{REALM}={realm()}"}):
            if row["Labels"].get(OWNER) not in _living():
                remove(client, row["Id"])


def remove(client: Any, container: str) -> None:  # noqa: ANN401
    """Kill and remove a container, which need not be there."""
    import docker  # noqa: PLC0415

    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        # Not there any more, or on its way.
        if error.status_code not in {404, 409}:
            raise


def owner() -> str:
    """Who we are: the process and when it began, since numbers are used again."""
    return _owner_of(Path("/proc/self/stat"))


def realm() -> str:
    """Where that is one process and no other: this start of the machine, this namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _living() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield _owner_of(path)
        except OSError:
            continue


def _owner_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    # After the name in parentheses, which may hold anything, the twentieth field is the start.
    return f"{text.split(' ', 1)[0]}-{text.rpartition(')')[2].split()[19]}"


def _parsed(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else (0,)


def _spoken(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def unusable(message: str, hint: str) -> AnvilError:
    """An engine that cannot be used (exit 1)."""
    return AnvilError(
        Diagnostic(code="docker.unusable", message=message, hint=hint), exit_code=ExitCode.FAILED
    )
