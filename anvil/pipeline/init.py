"""anvil init: an anvil.yaml for a model, asking nothing that can be found out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.config.starter import Starter, project_name, scalar, starter_text
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.target import Requirements
from anvil.package.install import replace_file
from anvil.pipeline.events import Outcome
from anvil.pipeline.init_model import describe, only_model, read_model, stem_of, wrong
from anvil.pipeline.load import CONFIG_FILE, all_targets
from anvil.resources import built_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.config.starter import StarterData
    from anvil.core.graph import Graph
    from anvil.core.target import Target
    from anvil.importers.outline import Outline
    from anvil.pipeline.init_model import Model

# A saved float model holds 4 bytes per weight, and twice more where the optimizer's state is
# with it: so much at least is left of it in int8.
_MOST_BYTES_PER_WEIGHT = 12
_BYTES_PER_FLOAT = 4


def init(project: Path, model: Path | None, *, force: bool) -> Outcome:
    """Write `project`/anvil.yaml for `model`, or for the one model in the folder.

    Raises AnvilError (exit 2) where there is an anvil.yaml already and not `force`, where
    there is no model or more than one, or where no build could use it.
    """
    file = project / CONFIG_FILE
    if not project.is_dir():
        raise wrong("init.no-folder", f"there is no folder {project}", "make it first")
    if os.path.lexists(file) and not force:
        raise wrong(
            "init.exists",
            f"there is {file} already, and it stays as it is",
            "edit it, name another folder with --project, or overwrite it with --force",
            file=str(file),
        )
    path = only_model(project) if model is None else model
    found = read_model(path)
    _check_shapes(path, found.outline)

    def relative(of: Path) -> str:
        return _relative(of, project)

    targets, left_out = _targets(project, found)
    if not targets:
        raise AnvilError(
            Diagnostic(
                code="init.no-target",
                message=f"no target holds {path}: "
                + "; ".join(f"{name}: {why}" for name, why in left_out),
                file=str(path),
                hint="make the model smaller, or describe a larger board in targets/boards/",
            ),
            exit_code=ExitCode.DOES_NOT_FIT,
        )
    data = _data(found, project, relative)
    starter = Starter(
        name=project_name(stem_of(path)),
        model=relative(path),
        model_note=describe(found.outline),
        data=data,
        targets=targets,
        left_out=left_out,
        schema=_schema(project),
    )
    _write(file, starter_text(starter))
    where = "" if project == Path() else f" --project {project}"
    return Outcome(
        text=tuple(_lines(file, starter, f"anvil build{where}")),
        details={
            "file": str(file),
            "name": starter.name,
            "model": starter.model,
            "data": {
                "calibration": data.calibration,
                "evaluation": data.evaluation,
                "keys": dict(data.keys or {}),
                "metric": data.metric if data.evaluation is not None else None,
            },
            "target_names": [name for name, _ in targets],
            "next": f"anvil build{where}",
        },
    )


def _check_shapes(path: Path, outline: Outline) -> None:
    """Only the batch may be open, as for a build."""
    for port in outline.inputs:
        if None in port.sample_shape:
            raise wrong(
                "init.open-shape",
                f"its input {port.name!r} takes {port.describe()}, and only the batch may be open",
                "give the input a fixed shape, and save the model again",
                file=str(path),
            )


# Where it fits.


def _targets(project: Path, model: Model) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(name, board) of the targets that may hold the model, and (name, why) of the others."""
    chosen, left_out = [], []
    for listing in all_targets(project).listings:
        target = listing.target
        if target is None:
            left_out.append((listing.name, "its profile is not valid"))
            continue
        why = _obstacle(model, target)
        if why is None:
            chosen.append((target.name, target.board))
        else:
            left_out.append((target.name, why))
    return chosen, left_out


def _obstacle(model: Model, target: Target) -> str | None:
    """Why a target cannot hold the model; None where it can or where that is not certain."""
    if model.graph is not None and _is_quantized(model.graph):
        return _obstacle_of_plan(model, model.graph, target)
    ram_bytes = _least_ram(model.outline) + (target.stack_bytes or 0)
    weights = model.n_bytes // (_MOST_BYTES_PER_WEIGHT if model.graph is None else _BYTES_PER_FLOAT)
    for needed, region, memory in (
        (ram_bytes, target.ram, "RAM"),
        (weights, target.flash, "flash"),
    ):
        if region is not None and needed > region.size_bytes:
            has = f"it has {region.size_bytes:,} B of {memory}"
            return f"{has}, and {needed:,} B are needed at least"
    return None


def _is_quantized(graph: Graph) -> bool:
    return any(op.kind not in {"QUANTIZE", "DEQUANTIZE"} for op in graph.ops) and not any(
        tensor.dtype.value == "float32"
        for op in graph.ops
        if op.kind not in {"QUANTIZE", "DEQUANTIZE"}
        for tensor in (graph.tensors[index] for index in op.outputs)
    )


def _least_ram(outline: Outline) -> int:
    """Bytes of the largest input or output as int8."""
    sizes = [0]
    for port in (*outline.inputs, *outline.outputs):
        size = 1
        for extent in port.sample_shape:
            size *= extent or 1
        sizes.append(size)
    return max(sizes)


def _obstacle_of_plan(model: Model, graph: Graph, target: Target) -> str | None:
    from anvil.ops.registry import DEFINITIONS
    from anvil.plan.fit import misfits
    from anvil.plan.kernel_registry import load_variants
    from anvil.plan.make import make_plan
    from anvil.resources import contents, read_folder

    try:
        plan = make_plan(
            graph,
            name=project_name(stem_of(model.path)),
            target=target,
            variants=load_variants(contents(read_folder(built_in("kernels")))),
            definitions=DEFINITIONS,
            model_sha256="",
        )
    except AnvilError as error:
        return error.diagnostics[0].message
    found = misfits(plan, Requirements())
    return None if not found else found[0].diagnostic().message.removeprefix(f"{target.name}: ")


def _data(model: Model, project: Path, relative: Callable[[Path], str]) -> StarterData:
    from anvil.pipeline.init_data import find_data

    beside = model.path.parent
    folders = dict.fromkeys((project, beside, project / "data", beside / "data"))

    def name(path: Path) -> str:
        text = relative(path)
        scalar(text)
        return text

    return find_data(model.outline, folders, stem_of(model.path).partition(".")[0], name)


# The file.


def _relative(path: Path, folder: Path) -> str:
    """A path as anvil.yaml in `folder` names it: relative, wherever that is possible."""
    text = Path(os.path.relpath(path, folder)).as_posix()
    try:
        scalar(text)
    except ValueError:
        raise wrong(
            "init.name",
            f"anvil.yaml cannot name {os.fsencode(path)!r}: it is no text of one line",
            "rename it",
        ) from None
    return text


def _schema(project: Path) -> str:
    """Where an editor finds the schema: relative while both lie in one project or checkout."""
    schema = built_in("schemas") / "anvil.schema.json"
    base = project.absolute()
    for folder in (base, *base.parents[:3]):
        if folder != Path.home() and folder.parent != folder and schema.is_relative_to(folder):
            return Path(os.path.relpath(schema, base)).as_posix()
    return schema.as_uri()


def _write(file: Path, text: str) -> None:
    try:
        replace_file(file, text.encode())
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="init.unwritable",
                message=f"cannot write {file}: {error.strerror or error}",
                file=str(file),
                hint="name a folder that can be written with --project",
            ),
            exit_code=ExitCode.FAILED,
        ) from error


def _lines(file: Path, starter: Starter, following: str) -> list[str]:
    data = starter.data
    lines = [f"wrote {file}", f"  model        {starter.model}: {starter.model_note}".rstrip(": ")]
    if data.calibration is not None:
        lines.append(f"  calibration  {data.calibration}: {data.calibration_note}")
    if data.evaluation is not None:
        lines.append(f"  evaluation   {data.evaluation}: {data.evaluation_note}; {data.metric}")
    if data.is_empty:
        lines.append("  data         none found: accuracy will not be known")
    lines.append(f"  targets      {', '.join(name for name, _ in starter.targets)}")
    lines += [f"  left out     {name}: {why}" for name, why in starter.left_out]
    return [*lines, f"next: {following}"]
