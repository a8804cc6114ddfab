"""Which way the modules depend on each other, as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
import functools
import sys

import pytest

from tests.support.programs import ROOT

PACKAGE = ROOT / "anvil"
# One to a line: new stages are added here.
PURE_STAGES = {
    "bench",
    "config",
    "diff",
    "importers",
    "lock",
    "matrix",
    "plan",
    "quantize",
    "release",
    "render",
    "report",
}
EFFECT_STAGES = {"build", "image", "verify", "package"}
STAGES = PURE_STAGES | EFFECT_STAGES
COMMAND_LINE = {
    "__main__", "cli", "commands", "data", "display", "second_build", "warm", "wording",
}  # fmt: skip
# What sees files, clocks, the environment, processes or the network.
EFFECTS = {
    "asyncio", "ctypes", "datetime", "filelock", "getpass", "glob", "http", "io", "locale",
    "multiprocessing", "os", "pathlib", "platform", "platformdirs", "random", "secrets", "select",
    "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib", "uuid",
}  # fmt: skip
EFFECT_CALLS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
MODULES = sorted(str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py"))
# Programs of their own, run by actions, with logs of their own.
WORKERS = {file for file in MODULES if file.endswith("_worker.py")}


def imports_of(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere in a file, for types alone included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            module = node.module or ""
            # `from anvil import process` imports the module anvil.process.
            names |= {f"{module}.{a.name}" for a in node.names} if module == "anvil" else {module}
    return names


@functools.cache
def parse(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), file)


def part_of(module: str) -> str:
    """`plan` for anvil.plan.select, `process` for anvil.process, empty for others."""
    words = module.split(".")
    return words[1] if words[0] == "anvil" and len(words) > 1 else ""


def allowed_parts(part: str) -> set[str]:
    """What a part of the package may import of the package."""
    if part == "core":
        return {"core"}
    if part == "ops":
        return {"core", "ops"}
    if part in PURE_STAGES:
        return {"core", "ops", part}
    if part == "cache":
        return {"core", "cache"}
    if part == "package":
        return {"core", "cache", part}
    if part in EFFECT_STAGES:
        return {"core", "cache", part, "process"}
    if part == "pipeline":
        return STAGES | {"core", "ops", "cache", "process", "resources", "pipeline"}
    if part in COMMAND_LINE:
        # The command line names values and the pipeline, never a stage.
        return COMMAND_LINE | {"core", "pipeline", "process"}
    return {"core", "data"}


def part_of_file(file: str) -> str:
    return file.removeprefix("anvil/").split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("file", MODULES)
def test_a_module_imports_only_what_its_place_allows(file: str) -> None:
    allowed = allowed_parts(part_of_file(file))
    found = {module for module in imports_of(parse(file)) if part_of(module)}
    found.discard("anvil.__version__")
    assert {module for module in found if part_of(module) not in allowed} == set()


@pytest.mark.parametrize("file", [m for m in MODULES if part_of_file(m) == "core"])
def test_core_needs_the_standard_library_only(file: str) -> None:
    roots = {module.split(".")[0] for module in imports_of(parse(file))}
    assert roots - set(sys.stdlib_module_names) - {"anvil"} == set()


@pytest.mark.parametrize(
    "file",
    [m for m in MODULES if part_of_file(m) in PURE_STAGES | {"core", "ops"} and m not in WORKERS],
)
def test_a_pure_stage_sees_no_effects(file: str) -> None:
    tree = parse(file)
    assert {module.split(".")[0] for module in imports_of(tree)} & EFFECTS == set()
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls & EFFECT_CALLS == set()


@pytest.mark.parametrize("file", MODULES)
def test_only_the_command_line_prints(file: str) -> None:
    if part_of_file(file) in COMMAND_LINE or file in WORKERS:
        return
    names = {ast.unparse(node.func) for node in ast.walk(parse(file)) if isinstance(node, ast.Call)}
    assert names & {"print", "sys.stdout.write", "sys.stderr.write"} == set()


@pytest.mark.parametrize("file", MODULES)
def test_only_build_image_and_verify_start_processes(file: str) -> None:
    if part_of_file(file) in {"build", "image", "verify"} or file in {"anvil/process.py", *WORKERS}:
        return
    tree = parse(file)
    assert imports_of(tree) & {"subprocess", "multiprocessing", "asyncio"} == set()
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {c for c in calls if c.startswith(("os.exec", "os.spawn", "os.fork"))} == set()
    assert not calls & {"os.system", "os.popen", "process.run"}


def test_tensorflow_is_imported_by_one_worker_alone() -> None:
    found = {
        file
        for file in MODULES
        for module in imports_of(parse(file))
        if module.split(".")[0] in {"h5py", "keras", "tensorflow", "tf_keras"}
    }
    assert found == {"anvil/quantize/workers/convert_worker.py"}


def test_a_worker_is_imported_by_workers_alone() -> None:
    names = {file.removesuffix(".py").replace("/", ".") for file in WORKERS}
    found = {file for file in MODULES if imports_of(parse(file)) & names}
    assert found <= WORKERS
