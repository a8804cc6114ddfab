"""anvil cache: statistics, verification, garbage collection."""

from __future__ import annotations

from anvil.cache import collect
from anvil.cache.location import user_store
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.core.units import parse_bytes
from anvil.pipeline.events import Outcome


def statistics() -> Outcome:
    """What the cache holds."""
    store = user_store()
    usage = collect.usage(store)
    return Outcome(
        text=(
            f"folder    {store.root}",
            f"blobs     {usage.n_blobs:,}, {_size(usage.blob_bytes)}",
            f"results   {usage.n_results:,}",
            f"tools     {_size(usage.tool_bytes)}, what the compilers built for themselves",
        ),
        details={
            "cache": {
                "folder": str(store.root),
                "blobs": usage.n_blobs,
                "blob_bytes": usage.blob_bytes,
                "results": usage.n_results,
                "tool_bytes": usage.tool_bytes,
            }
        },
    )


def verify_blobs() -> Outcome:
    """Hash everything; damaged blobs are removed and reported, and the exit code is 1."""
    from anvil.image.store import damaged_parts, installed_images

    store = user_store()
    n_blobs, damaged = collect.verify(store)
    n_images, roots = len(installed_images(store)), damaged_parts(store)
    return Outcome(
        text=(
            f"{n_blobs:,} blobs, {len(damaged)} damaged",
            f"{n_images:,} root file systems, {len(roots)} damaged",
        ),
        diagnostics=(
            *(
                _damage(
                    f"blob {name} was damaged and is removed",
                    "it is made again when a build needs it; check the disk if this repeats",
                )
                for name in damaged
            ),
            *(
                _damage(
                    f"{path} is not what its image says",
                    "a tar: `anvil image remove` it, and build or import it again; a folder was "
                    "removed, and is unpacked again when a sandbox needs it",
                )
                for path in roots
            ),
        ),
        exit_codes=(ExitCode.FAILED,) if damaged or roots else (),
        details={
            "cache": {
                "blobs": n_blobs,
                "damaged": list(damaged),
                "images": n_images,
                "damaged_roots": list(roots),
            }
        },
    )


def _damage(message: str, hint: str) -> Diagnostic:
    return Diagnostic(code="cache.damaged", severity=Severity.WARNING, message=message, hint=hint)


def collect_garbage(max_size: str) -> Outcome:
    """Keep at most `max_size`, such as `5 GiB`. Raises AnvilError for another form."""
    try:
        max_bytes = parse_bytes(max_size)
    except ValueError as error:
        raise AnvilError(
            Diagnostic(
                code="cli.usage",
                message=f"--max-size: {error}",
                hint="write a number and a unit, such as `5 GiB`",
            )
        ) from error
    collected = collect.collect(user_store(), max_bytes)
    return Outcome(
        text=(
            (
                f"removed {collected.n_results:,} results and {collected.n_blobs:,} blobs, "
                f"{_size(collected.freed_bytes)}"
            ),
        ),
        details={
            "cache": {
                "removed_results": collected.n_results,
                "removed_blobs": collected.n_blobs,
                "freed_bytes": collected.freed_bytes,
            }
        },
    )


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
