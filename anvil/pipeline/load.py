"""Stage 1 for every command: find anvil.yaml and the profiles, check them, read the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.cache.location import user_store
from anvil.cache.results import read_result, write_result
from anvil.config.profiles import SourceFile, load_targets
from anvil.config.project import load_project
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import digest_of, key_of
from anvil.core.executor_names import AUTO
from anvil.pipeline.built_in_schemas import read_schemas
from anvil.pipeline.events import TargetOutcome, failed
from anvil.pipeline.executors import Executors
from anvil.pipeline.workspace import Options, Workspace, read_model
from anvil.resources import built_in, code_digest, read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anvil.cache.store import Store
    from anvil.config.profiles import LoadedTargets
    from anvil.config.project import LoadedProject
    from anvil.core.target import Target
    from anvil.process import Cancellation

CONFIG_FILE = "anvil.yaml"
_MEMO_FILE = "memo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A workspace for the targets whose profiles are right, and the outcomes of the others."""

    workspace: Workspace
    failures: tuple[TargetOutcome, ...]


def load_workspace(
    *,
    project: Path,
    out: Path | None,
    names: Sequence[str] | None,
    cancellation: Cancellation,
    options: Options | None = None,
    executor: str = AUTO,
) -> Loaded:
    """Raises AnvilError (exit 2) where anvil.yaml or the model cannot be used at all.

    executor: one of executors.NAMES; nothing is asked of it before something has to run.
    """
    store = user_store()
    loaded = load_config(store, project, names)
    return Loaded(
        workspace=Workspace(
            project=loaded.project,
            folder=project,
            out=out_folder(project, out),
            model=read_model(loaded.project),
            store=store,
            cancellation=cancellation,
            executors=Executors(
                wanted=executor, store=store, cancellation=cancellation, project=project
            ),
            options=options or Options(),
        ),
        failures=_failures(loaded),
    )


def load_config(
    store: Store,
    project: Path,
    names: Sequence[str] | None = None,
    *,
    code: str | None = None,
) -> LoadedProject:
    """anvil.yaml and its targets, without the model. Raises AnvilError (exit 2).

    code: the digest of Anvil's code, where it is known already.
    """
    source = _read_config(project)
    # The memo is only as good as the code that wrote it.
    key = key_of(["config", code or code_digest(), digest_of(source.content).sha256])
    memo = _read_memo(store, key)
    loaded = load_project(
        source, roots=_roots(project), schemas=read_schemas(), targets=names, memo=memo
    )
    if loaded.memo != memo:
        # In the order of the file, which is the order of its targets.
        memo_file = json.dumps(loaded.memo).encode()
        node = store.put_tree({_MEMO_FILE: memo_file}, frozenset())
        write_result(store, key, node)
    return loaded


def load_target(*, project: Path, name: str) -> Target:
    """One target as anvil.yaml has it. Raises AnvilError (exit 2)."""
    loaded = load_config(user_store(), project, (name,))
    for outcome in _failures(loaded):
        raise AnvilError(*outcome.diagnostics, exit_code=outcome.exit_code)
    return loaded.project.targets[0].target


def all_targets(project: Path) -> LoadedTargets:
    """Every profile of the project's targets/ and the built-in ones."""
    return load_targets(_roots(project), schemas=read_schemas())


def out_folder(project: Path, out: Path | None) -> Path:
    """Where targets go: --out, or build/ in the project."""
    return project / "build" if out is None else out


def _failures(loaded: LoadedProject) -> tuple[TargetOutcome, ...]:
    return tuple(
        failed(name, diagnostics, ExitCode.BAD_INPUT)
        for name, diagnostics in loaded.failures.items()
    )


def _read_memo(store: Store, key: str) -> dict[str, Any]:
    tree = read_result(store, key)
    files = None if tree is None else store.get_tree(tree)
    if files is None:
        return {}
    memo: dict[str, Any] = json.loads(files[_MEMO_FILE])
    return memo


def _read_config(project: Path) -> SourceFile:
    path = project / CONFIG_FILE

    def wrong(message: str, hint: str) -> AnvilError:
        return AnvilError(
            Diagnostic(code="config.unreadable", message=message, file=str(path), hint=hint)
        )

    try:
        return SourceFile(file=str(path), content=path.read_bytes())
    except FileNotFoundError:
        raise wrong(
            f"there is no {CONFIG_FILE} in {project.absolute()}",
            "run anvil in the project's folder, or name it with --project",
        ) from None
    except NotADirectoryError:
        raise wrong(f"{project} is not a folder", "name the folder of anvil.yaml") from None
    except OSError as error:
        raise wrong(f"cannot read it: {error.strerror}", "check the file") from None


def _roots(project: Path) -> list[Mapping[str, SourceFile]]:
    return [
        {
            path: SourceFile(file=resource.display, content=resource.content)
            for path, resource in read_folder(root).items()
        }
        for root in (project / "targets", built_in("targets"))
    ]
