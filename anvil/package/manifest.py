"""manifest.json: every file of a build with its digest, and what it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil import __version__

if TYPE_CHECKING:
    from anvil.core.action import Tree
    from anvil.core.target import Target

MANIFEST_FORMAT = 1
_GENERATOR = "Anvil"


def manifest_document(
    target: Target, *, name: str, plan_digest: str, action_key: str, files: Tree
) -> dict[str, Any]:
    """The contents of manifest.json, which lists every file but itself."""
    return {
        "format": MANIFEST_FORMAT,
        "generator": f"{_GENERATOR} {__version__}",
        "name": name,
        "target": target.name,
        "target_digest": target.digest,
        "plan_digest": plan_digest,
        "action": action_key,
        "toolchain": {
            "name": target.toolchain.name,
            "package": target.toolchain.package,
            "version": target.toolchain.version,
            "digest": target.toolchain.digest,
        },
        "files": [
            {
                "path": node.path,
                "sha256": node.digest.sha256,
                "size_bytes": node.digest.size_bytes,
                "executable": node.executable,
            }
            for node in files.files
        ],
    }


def is_manifest_of(document: object, target: str) -> bool:
    """Whether a parsed JSON file is the manifest.json of a build of `target`, of any version."""
    return (
        isinstance(document, dict)
        and str(document.get("generator")).startswith(f"{_GENERATOR} ")
        and document.get("target") == target
        and isinstance(document.get("files"), list)
    )
