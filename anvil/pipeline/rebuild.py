"""verify-release --rebuild: every target made again from what the release holds, and compared.

It starts at the quantized model, with the decisions that plan.json states: calibration in
floating point may differ between processors, and neither the user's data nor TensorFlow is
needed. The plan, the rendered project, the compiled artifacts and what was measured of them have
to come out byte for byte.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil import __version__
from anvil.build.perform import healing, perform_files
from anvil.cache.store import VanishedError
from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.lock.document import FILE_NAME
from anvil.package.install import MANIFEST
from anvil.pipeline.build import RECIPES
from anvil.pipeline.built_in_schemas import read_schemas
from anvil.pipeline.events import Event, Outcome, TargetOutcome, defect, failed
from anvil.pipeline.executors import Executors
from anvil.pipeline.finished import finished_tree, moved
from anvil.pipeline.load import load_config
from anvil.pipeline.lock_file import read_lock
from anvil.pipeline.planning import (
    MODEL_FILE,
    PLAN_FILE,
    PROJECT,
    pretty,
    render_files,
)
from anvil.pipeline.replan import plan_again
from anvil.pipeline.sources import Sources
from anvil.pipeline.twice import fresh_store
from anvil.release.files import SIGNED_SUFFIX, SOURCE, VERIFICATION, ReleaseFile
from anvil.resources import built_in, contents, digest_of_resources, read_folder
from anvil.verify.difference import first_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.cache.store import Store
    from anvil.core.plan import Plan
    from anvil.core.target import TargetRequest
    from anvil.pipeline.events import Listener
    from anvil.process import Cancellation
    from anvil.release.keys import PublicKey
    from anvil.release.statement import Provenance
    from anvil.resources import Resource

# What plan.json says of the way to the quantized model: it needs the user's data.
_NOT_PLANNED_AGAIN = frozenset(
    {
        "accuracy", "bands", "candidates", "choices", "decision", "disabled_rewrites", "fidelity",
        "kernel_order", "rewrites", "warnings",
    }
)  # fmt: skip


def rebuild(
    files: Mapping[str, ReleaseFile],
    provenance: Provenance,
    key: PublicKey,
    listener: Listener,
    *,
    store: Store,
    executor: str,
    cancellation: Cancellation,
) -> Outcome:
    """Build every target of a release again, from an empty cache, and compare.

    files, provenance: of the release, checked: they are what `key` signed. Raises AnvilError:
    exit 1 where another version of Anvil or of its kernels made it, 2 where its configuration
    cannot be read.
    """
    targets = provenance.targets
    _check_version(files, provenance.targets)
    with store.work_folder() as work:
        source = Path(work) / SOURCE
        for path, file in _below(SOURCE, files).items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(file.content)
        # It names the root file system that the release was built in.
        (source / FILE_NAME).write_bytes(files[FILE_NAME].content)
        loaded = load_config(store, source, targets)
        sources = Sources(
            kernels=read_folder(source / "kernels", built_in("kernels")),
            templates=read_folder(built_in("templates")),
            profiles=read_folder(source / "targets", built_in("targets")),
            data=[],
            digest="",
        )
        _check_kernels(sources.kernels, provenance)
        outcomes = [
            failed(name, said, ExitCode.BAD_INPUT) for name, said in loaded.failures.items()
        ]
        fresh = fresh_store(store, Path(work) / "cache")
        executors = Executors(
            wanted=executor, store=fresh, cancellation=cancellation, project=source
        )
        locked = read_lock(source, read_schemas(), store)
        if locked is not None and locked.lock.image is not None:
            # Another root file system than the release's would only blur what differs.
            executors.hold_to_lock()
        executors.announce_to(listener)
        for request in loaded.project.targets:
            name = request.target.name
            one = _Rebuild(
                files=_below(name, files),
                name=loaded.project.name,
                request=request,
                sources=sources,
                store=fresh,
                executors=executors,
                key=key,
            )
            try:
                listener(Event(target=name, step="building again"))
                outcomes.append(healing(one.run))
            except AnvilError as error:
                outcomes.append(failed(name, error.diagnostics, error.exit_code))
            except Exception as error:  # noqa: BLE001  a defect stops no other target
                outcomes.append(failed(name, (defect(error),), ExitCode.FAILED))
            finally:
                listener(Event(target=name, step=""))
    return Outcome(targets=tuple(sorted(outcomes, key=lambda one: targets.index(one.target))))


def _below(folder: str, files: Mapping[str, ReleaseFile]) -> dict[str, ReleaseFile]:
    start = f"{folder}/"
    return {path.removeprefix(start): f for path, f in files.items() if path.startswith(start)}


def _check_version(files: Mapping[str, ReleaseFile], targets: Sequence[str]) -> None:
    made_by = {
        str(_document(files[f"{name}/{MANIFEST}"]).get("generator")).removeprefix("Anvil ")
        for name in targets
    }
    others = sorted(made_by - {__version__})
    if others:
        version = others[0]
        raise AnvilError(
            Diagnostic(
                code="release.other-version",
                message=f"Anvil {version} made this release, and this is Anvil {__version__}: "
                "it renders other files",
                hint=f"python3 -m pip install anvil-build=={version}, in an environment of its "
                "own, and rebuild with that",
            ),
            exit_code=ExitCode.FAILED,
        )


def _check_kernels(kernels: Mapping[str, Resource], provenance: Provenance) -> None:
    found = digest_of_resources(kernels)
    if found != provenance.kernels_digest:
        raise AnvilError(
            Diagnostic(
                code="release.other-kernels",
                message=f"the release was made with the kernels {provenance.kernels_digest[:12]}, "
                f"and this Anvil has, with those in {SOURCE}/kernels, {found[:12]}",
                hint=f"take the very Anvil that made the release: {__version__}, unchanged",
            ),
            exit_code=ExitCode.FAILED,
        )


def _document(file: ReleaseFile) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.content)
    return document


class _Rebuild:
    """One target of a release, made again."""

    def __init__(
        self,
        *,
        files: Mapping[str, ReleaseFile],
        name: str,
        request: TargetRequest,
        sources: Sources,
        store: Store,
        executors: Executors,
        key: PublicKey,
    ) -> None:
        self.released = files
        self.name = name
        self.request = request
        self.target = request.target
        self.sources = sources
        self.store = store
        self.executors = executors
        self.key = key

    def run(self) -> TargetOutcome:
        """Make the target and compare. Raises AnvilError."""
        document = _document(self.released[PLAN_FILE])
        plan = self._plan(document)
        mistakes = self._plan_mistakes(document, plan)
        files = self._files(document, plan)
        if not mistakes:
            mistakes = [*self._differences(files), *self._image_mistakes(files)]
        name = self.target.name
        if mistakes:
            return failed(name, mistakes, ExitCode.FAILED)
        return TargetOutcome(
            target=name,
            status="rebuilt",
            exit_code=ExitCode.DONE,
            details={"files": len(files)},
            note=f"{len(files)} files, byte for byte",
        )

    def _plan(self, document: Mapping[str, Any]) -> Plan:
        return plan_again(
            document,
            self.released[MODEL_FILE].content,
            file=f"{self.target.name}/{MODEL_FILE}",
            name=self.name,
            target=self.target,
            kernels=contents(self.sources.kernels),
            profiles=contents(self.sources.profiles),
        )

    def _plan_mistakes(self, document: Mapping[str, Any], plan: Plan) -> list[Diagnostic]:
        """What plan.json says otherwise than the plan made here."""
        from anvil.plan.costs import load_costs
        from anvil.plan.document import plan_document
        from anvil.plan.predict import predict

        prediction = predict(plan, load_costs(contents(self.sources.profiles), self.target))
        made = json.loads(pretty(plan_document(plan, self.request.requirements, prediction)))
        keys = [
            key
            for key in sorted(made.keys() - _NOT_PLANNED_AGAIN)
            if made[key] != document.get(key)
        ]
        return [self._mistake(PLAN_FILE, f"other values of {', '.join(keys)}")] if keys else []

    def _files(self, document: Mapping[str, Any], plan: Plan) -> dict[str, ReleaseFile]:
        """Every file of the target that can be made again: its bytes, and whether executable."""
        from anvil.plan.document import plan_digest

        rendered = render_files(self.sources, plan, plan_digest(plan))
        tree = self.store.put_tree(rendered, frozenset())
        project = Tree(
            files=tuple(moved(node, node.path.removeprefix(PROJECT)) for node in tree.files)
        )
        recipe = RECIPES[self.target.build](self.target, self.name, project)
        outputs, built = perform_files(recipe.action, self.store, self.executors.choose)
        kept = {name: self.released[name].content for name in (MODEL_FILE, PLAN_FILE)}
        planned = (*tree.files, *self.store.put_tree(kept, frozenset()).files)
        finished = finished_tree(
            self.store,
            self.target,
            self.request.requirements,
            plan=document,
            rendered=Tree(files=tuple(sorted(planned))),
            recipe=recipe,
            outputs=outputs,
            contents=built,
        )
        made = self.store.get_tree(finished)
        if made is None:
            raise VanishedError
        return {
            node.path: ReleaseFile(content=made[node.path], executable=node.executable)
            for node in finished.files
            if node.path not in kept
        }

    def _differences(self, files: Mapping[str, ReleaseFile]) -> list[Diagnostic]:
        """Every file of the release that came out otherwise, and those that did not come out."""
        apart = {MODEL_FILE, PLAN_FILE, VERIFICATION}
        apart |= {path for path in self.released if path.endswith(SIGNED_SUFFIX)}
        return [
            self._mistake(path, first_difference(*(None if f is None else f.content for f in pair)))
            for path in sorted(self.released.keys() - apart | files.keys())
            if (pair := (self.released.get(path), files.get(path)))[0] != pair[1]
        ]

    def _image_mistakes(self, files: Mapping[str, ReleaseFile]) -> list[Diagnostic]:
        """What is wrong with the image for MCUboot, whose signature alone is taken as it is."""
        mcuboot = self.target.mcuboot
        if mcuboot is None:
            return []
        from anvil.package.mcuboot import firmware_binary, is_signed_image_of

        path = f"{self.name}{SIGNED_SUFFIX}"
        firmware = firmware_binary(files[f"{self.name}.hex"].content)
        image = self.released.get(path)
        if image is None:
            return [self._mistake(path, "it is missing, and the board asks for it")]
        if is_signed_image_of(image.content, firmware, mcuboot, self.key.public):
            return []
        return [self._mistake(path, "it is not the rebuilt firmware, signed by this key")]

    def _mistake(self, path: str, what: str) -> Diagnostic:
        name = f"{self.target.name}/{path}"
        return Diagnostic(
            code="release.rebuild-differs",
            message=f"{name} came out otherwise: {what}",
            file=name,
            hint="it was not built from this release's source, or by another toolchain",
        )
