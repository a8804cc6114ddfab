"""Debian's packages into the pool: resolved and downloaded by apt, its signatures checked.

apt works with a state of its own: what this host has installed or would rather install has no
say. Of the host's configuration only how to download is kept.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.core.image import Package
from anvil.image.failure import check, failed
from anvil.image.parts import deb_name
from anvil.image.pool import Pool
from anvil.image.sources import KEYRING, host_sources, named_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.image.definition import Definition
    from anvil.image.sources import Source

_TIMEOUT_S = 3600.0
_MACHINES = {"amd64": {"x86_64", "AMD64"}}
_MIRROR_HINT = (
    "check the network and the mirror of this machine's apt configuration, or name another "
    "with --mirror; an image from another machine needs neither: anvil image import FILE"
)
_URI_LINE = re.compile(r"'[^']*' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """apt-get with private folders below `folder`."""

    folder: Path
    cancellation: process.Cancellation

    @property
    def archives(self) -> Path:
        """Where packages are downloaded to."""
        return self.folder / "cache" / "archives"

    def run(self, *words: str, configuration: bool = True) -> process.Completed:
        """Run apt-get, with our own configuration or, to ask for it, the host's."""
        environment = dict(os.environ) | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        if configuration:
            environment["APT_CONFIG"] = str(self.folder / "apt.conf")
        try:
            return process.run(
                words,
                cwd=self.folder,
                environment=environment,
                timeout_s=_TIMEOUT_S,
                cancellation=self.cancellation,
            )
        except OSError as error:
            raise failed(
                "no-apt",
                f"an image is made with {words[0]}, which this machine lacks",
                "on Debian and Ubuntu: apt-get install apt mmdebstrap debian-archive-keyring; "
                "elsewhere: anvil image import FILE",
            ) from error

    def index_targets(self, form: str, *options: str) -> str:
        """A line of `form` for each list of packages that the host's apt knows of."""
        words = ("apt-get", *options, "indextargets", "--format", form, "Created-By: Packages")
        return self.run(*words, configuration=False).stdout.decode(errors="replace")

    def set_up(self, architecture: str) -> None:
        """Make the folders, with how the host downloads and nothing else of it.

        The host's other settings are left out: hooks that clean its cache, pins, recommended
        packages.
        """
        for name in ("state/lists/partial", "cache/archives/partial", "none"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").write_bytes(b"")
        (self.folder / "sources.list").write_bytes(b"")
        dumped = self.run("apt-config", "dump", configuration=False)
        check(dumped, "apt-config dump", code="apt", where=str(self.folder), hint=_MIRROR_HINT)
        kept = [
            line
            for line in dumped.stdout.decode(errors="replace").splitlines()
            if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")
        ]
        own = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Install-Recommends": "false",
            # The folders are ours alone, where apt's own user cannot go.
            "APT::Sandbox::User": "root",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::ForceHash": "SHA256",
            "Acquire::Languages": "none",
            "Dir::Cache": f"{self.folder}/cache",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": f"{self.folder}/none",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": f"{self.folder}/none",
            "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
            "Dir::Etc::sourceparts": f"{self.folder}/none",
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": f"{self.folder}/status",
        }
        lines = [*kept, *(f'{name} "{value}";' for name, value in own.items())]
        (self.folder / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def update(self, sources: Sequence[Source]) -> None:
        """Read the lists of packages. Raises AnvilError (exit 1) with apt's own words."""
        text = "".join(f"{source.line()}\n" for source in sources)
        (self.folder / "sources.list").write_text(text, encoding="utf-8")
        # Without this option a list that could not be read is a warning, and an older one is used.
        completed = self.run("apt-get", "-q", "-oAPT::Update::Error-Mode=any", "update")
        where = ", ".join(dict.fromkeys(source.uri for source in sources))
        check(
            completed,
            f"reading Debian's package lists from {where}",
            code="mirror",
            where=str(self.folder),
            hint=_MIRROR_HINT,
        )

    def resolve(self, words: Sequence[str]) -> tuple[Package, ...]:
        """What installing packages, `NAME` or `NAME=VERSION`, brings; sorted."""
        completed = self.run("apt-get", "install", "--print-uris", "-qq", "--yes", *words)
        check(
            completed,
            "choosing Debian's packages",
            code="packages",
            where=str(self.folder),
            hint="the mirror may lack a suite, or be another Debian's: name one with --mirror",
        )
        found = []
        for line in completed.stdout.decode().splitlines():
            match = _URI_LINE.fullmatch(line.strip())
            if match is None:
                continue
            name, version, architecture = match["file"].removesuffix(".deb").split("_")
            found.append(
                Package(
                    name=name,
                    version=urllib.parse.unquote(version),
                    architecture=architecture,
                    sha256=match["sha256"],
                    size_bytes=int(match["size"]),
                )
            )
        return tuple(sorted(found))

    def fetch(self, packages: Sequence[Package]) -> None:
        """Download packages of exactly these versions. Raises AnvilError (exit 1)."""
        words = [f"{package.name}={package.version}" for package in packages]
        # Each by itself: what it depends on is among the others, or in the pool.
        completed = self.run("apt-get", "download", "-q", *words)
        check(
            completed,
            f"downloading {len(packages)} Debian packages",
            code="download",
            where=str(self.folder),
            hint=_MIRROR_HINT,
        )


def find_apt_sources(
    apt: Apt, definition: Definition, mirrors: Sequence[str]
) -> tuple[Source, ...]:
    """The mirrors that were named, or those of the host."""
    if not KEYRING.exists():
        raise failed(
            "no-keyring",
            f"Debian's keys are not at {KEYRING}, so that nothing from a mirror can be checked",
            "apt-get install debian-archive-keyring",
        )
    if mirrors:
        return named_sources(mirrors, definition.suite)
    # What is configured, also where its lists were never downloaded, as in a fresh container.
    listing = apt.index_targets("$(REPO_URI) $(RELEASE) $(COMPONENT)", "--no-release-info")
    # Whose it is says only a list that is there.
    origins = apt.index_targets("$(REPO_URI) $(ORIGIN)")
    return host_sources(listing, definition.suite, origins=origins)


def get_packages(
    definition: Definition,
    pool: Pool,
    *,
    pinned: tuple[Package, ...] | None,
    mirrors: Sequence[str],
    folder: Path,
    cancellation: process.Cancellation,
    tell: Callable[[str], None],
) -> tuple[Package, ...]:
    """The packages of the root, all of them in the pool afterwards.

    pinned: those of a lock, which are taken and no others; what the pool has of them needs no
    mirror. Raises AnvilError (exit 1) where the mirror fails, and names every package that
    neither the pool nor the mirror has.
    """
    if pinned is not None:
        missing = [package for package in pinned if pool.find(package.sha256) is None]
        if not missing:
            return pinned
    apt = Apt(folder=folder, cancellation=cancellation)
    apt.set_up(definition.architecture)
    tell("reading Debian's package lists")
    apt.update(find_apt_sources(apt, definition, mirrors))
    if pinned is None:
        packages = apt.resolve(definition.packages)
        missing = [package for package in packages if pool.find(package.sha256) is None]
    else:
        packages = pinned
        _check_offered(apt, missing)
    if missing:
        megabytes = sum(package.size_bytes for package in missing) / 1e6
        tell(f"downloading {len(missing)} Debian packages, {megabytes:.0f} MB")
        apt.fetch(missing)
    for package in missing:
        path = apt.folder / deb_name(package)
        sha256 = pool.keep(path)
        if sha256 != package.sha256:
            raise failed(
                "download",
                f"{path.name} has the sha256 {sha256}, and {package.sha256} is needed",
                _MIRROR_HINT,
            )
        path.unlink()
    return packages


def _check_offered(apt: Apt, packages: Sequence[Package]) -> None:
    """Refuse versions that the mirror has not, all at once."""
    names = [package.name for package in packages]
    shown = apt.run("apt-cache", "show", "--all-versions", *names).stdout.decode(errors="replace")
    offered = set()
    for block in shown.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)$", block, re.MULTILINE))
        offered.add((fields.get("Package"), fields.get("Version"), fields.get("SHA256")))
    gone = [p for p in packages if (p.name, p.version, p.sha256) not in offered]
    if gone:
        listed = ", ".join(f"{package.name} {package.version}" for package in gone)
        raise failed(
            "superseded",
            f"neither the pool nor the mirror has {listed}",
            "import an export that carries them (anvil image import FILE, or build --pool FILE), "
            "or take the mirror's versions: anvil lock --update image",
        )


def require_here(definition: Definition) -> None:
    """Refuse to begin what cannot be finished on this machine (exit 1)."""
    if platform.machine() not in _MACHINES[definition.architecture]:
        raise failed(
            "architecture",
            f"an image's programs are for {definition.architecture}, and this machine is "
            f"{platform.machine()}",
            "make it where they run, and bring it here: anvil image import FILE",
        )
    if shutil.which("mmdebstrap") is None:
        raise failed(
            "no-mmdebstrap",
            "an image is made with mmdebstrap, which this machine lacks",
            "on Debian and Ubuntu: apt-get install mmdebstrap; elsewhere: anvil image import FILE",
        )
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        raise failed(
            "no-uidmap",
            "another user than root makes an image with newuidmap, which this machine lacks",
            "on Debian and Ubuntu: apt-get install uidmap; or build as root",
        )
