"""The files of a release: their names, their bytes, and which names are allowed."""

from __future__ import annotations

from dataclasses import dataclass

PROVENANCE = "provenance.intoto.jsonl"
CHECKSUMS = "SHA256SUMS"
SBOM = "sbom.cdx.json"
LOCK = "anvil.lock"
SOURCE = "source"  # a folder: what configures a rebuild
MANIFEST = "manifest.json"  # in a target's folder
PLAN = "plan.json"  # likewise
CANDIDATE = "model.tflite"  # likewise
VERIFICATION = "verify.json"  # likewise, beside what the manifest lists
SIGNED_SUFFIX = ".signed.bin"  # likewise

_MAX_PATH_BYTES = 1024
_MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """A file of a release by its bytes."""

    content: bytes
    executable: bool = False


def reason_against(path: str) -> str | None:
    """Why `path` cannot be a file's in a release; None where it can.

    A path comes out of a signed list, but the one who checks does not trust its signer with
    the rest of the file system: it stays below the folder on every system, and prints as
    one line.

    >>> reason_against("nrf52840/digits.elf") is None
    True
    >>> reason_against("../digits.elf")
    'it has .. in it'
    """
    parts = path.split("/")
    if not path.isprintable():
        return "it has characters that do not print"
    if "\\" in path:
        return "it has a backslash"
    if path.startswith("/") or path[1:2] == ":":
        return "it is absolute"
    if ".." in parts:
        return "it has .. in it"
    if "" in parts or "." in parts:
        return "it has an empty part or . in it"
    encoded = path.encode()
    if len(encoded) > _MAX_PATH_BYTES or any(len(p.encode()) > _MAX_NAME_BYTES for p in parts):
        return f"it is longer than {_MAX_PATH_BYTES} bytes, or a part than {_MAX_NAME_BYTES}"
    return None


def shown(text: str) -> str:
    r"""A text from a release on one line, whatever is in it.

    >>> shown("a\nb")
    'a\\nb'
    """
    return text if text.isprintable() else text.encode("unicode_escape").decode()
