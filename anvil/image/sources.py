"""Where Debian's packages come from: the host's own mirror, or one that was named.

Only Debian's own suites count: what else a host installs from has no place in the root, and
whatever a mirror sends has to be signed with Debian's keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.image.failure import failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_COMPONENT = "main"
_ORIGIN = "Debian"  # as its Release files say
_SUITE = re.compile(r"(?P<codename>[a-z]+)(?P<pocket>-updates|-security|/updates)?")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Source:
    """One suite of one mirror."""

    uri: str
    suite: str

    def line(self) -> str:
        """The line of a sources.list."""
        return f"deb [signed-by={KEYRING}] {self.uri} {self.suite} {_COMPONENT}"


def named_sources(mirrors: Sequence[str], suite: str) -> tuple[Source, ...]:
    """The suites of mirrors that --mirror named: a name that ends in `security` has that one.

    Raises AnvilError (exit 2) where one is no address.
    """
    found: list[Source] = []
    for mirror in mirrors:
        if not re.fullmatch(r"[a-z][a-z0-9+]*:/\S+", mirror):
            raise AnvilError(
                Diagnostic(
                    code="image.mirror",
                    message=f"--mirror takes an address, found {mirror!r}",
                    hint="write it as in a sources.list, such as https://HOST/debian or "
                    "file:///srv/debian",
                )
            )
        found += _suites(mirror.rstrip("/"), suite)
    return tuple(dict.fromkeys(found))


def host_sources(listing: str, suite: str, *, origins: str = "") -> tuple[Source, ...]:
    """The mirrors of the host's own configuration, those of Debian alone.

    listing: a line for each index of `apt-get indextargets`, with the repository's address,
    its suite and its component. On a host of another release of Debian the same mirror is asked
    for `suite`. origins: a line for each that is known, with the address and who signed it; others
    than Debian have folders and suites of these names, too. Raises AnvilError (exit 1) where
    there is none.
    """
    foreign = set()
    for line in origins.splitlines():
        uri, _, origin = line.partition(" ")
        if origin and origin != _ORIGIN:
            foreign.add(uri)
    uris: list[str] = []
    for line in listing.splitlines():
        match line.split():
            case [uri, release, component] if component == _COMPONENT and uri not in foreign:
                if _SUITE.fullmatch(release) and re.search(r"debian[^/]*(/|$)", uri):
                    uris.append(uri.rstrip("/"))
    found = [source for uri in dict.fromkeys(uris) for source in _suites(uri, suite)]
    if not found:
        raise failed(
            "no-mirror",
            f"this machine's apt configuration names no mirror of Debian {suite}",
            "name one: anvil image build --mirror https://HOST/debian "
            "--mirror https://HOST/debian-security",
        )
    return tuple(found)


def _suites(uri: str, suite: str) -> Iterable[Source]:
    if uri.endswith("security"):
        return (Source(uri=uri, suite=f"{suite}-security"),)
    return (Source(uri=uri, suite=suite), Source(uri=uri, suite=f"{suite}-updates"))
