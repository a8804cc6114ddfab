"""The files of a user's metric: its module, and what that imports of the project's own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.pipeline.workspace import Workspace


def metric_files(workspace: Workspace, metric: str) -> dict[str, bytes]:
    """The source files that `module:function` may import, by path relative to anvil.yaml.

    A module is a file or a package beside anvil.yaml; what lies elsewhere is installed. An
    import that is made by other means than an import statement is not seen. Raises AnvilError
    (exit 2) where the module itself is not there.
    """
    module, _, _ = metric.partition(":")
    files: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for path in _paths(workspace.folder, name):
            relative = path.relative_to(workspace.folder).as_posix()
            if relative not in files:
                files[relative] = _read(path)
                package = name if path.name == "__init__.py" else name.rpartition(".")[0]
                waiting += _imports(files[relative], package)
    if not _is_there(workspace.folder, module):
        raise _missing(workspace, module)
    return files


def _paths(folder: Path, module: str) -> Iterator[Path]:
    """The file of a module, and those of the packages around it."""
    words = module.split(".")
    for n in range(1, len(words) + 1):
        base = folder.joinpath(*words[:n])
        candidates = [base / "__init__.py"]
        if n == len(words):
            candidates.append(base.with_name(f"{base.name}.py"))
        yield from (path for path in candidates if path.is_file())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="metric.missing",
                message=f"cannot read it: {error.strerror or error}",
                file=str(path),
                hint="the metric imports this file: check it",
            )
        ) from error


def _is_there(folder: Path, module: str) -> bool:
    base = folder.joinpath(*module.split("."))
    return (base / "__init__.py").is_file() or base.with_name(f"{base.name}.py").is_file()


def _imports(source: bytes, package: str) -> list[str]:
    """Every module that the source may import; [] where it cannot be parsed: the worker says."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            words = package.split(".")
            around = ".".join(words[: len(words) + 1 - node.level]) if node.level else ""
            base = ".".join(part for part in (around, node.module or "") if part)
            # `from a import b` may import the module a.b.
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name for name in names if name]


def _missing(workspace: Workspace, module: str) -> AnvilError:
    project = workspace.project
    positions = () if project.data is None else project.data.positions
    line, column = next(((r[1], r[2]) for r in positions if r[0] == "metric"), (None, None))
    path = f"{module.replace('.', '/')}.py"
    return AnvilError(
        Diagnostic(
            code="metric.missing",
            message=f"there is no {path} beside anvil.yaml",
            file=project.file,
            line=line,
            column=column,
            path="data.metric",
            hint="module:function names a function of a Python file in the project's folder",
        )
    )
