"""Every check, as `nox` runs it: in the environment that runs nox, without making others.

`nox` runs lint, types, docs and tests; `nox -s golden`, `bench` and `lock` are for hand use.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "docs", "tests"]
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).resolve().parent
PYTHON = sys.executable
SCRIPTS = Path(sysconfig.get_path("scripts"))
C_FOLDERS = ("kernels", "templates", "tests")
C_SUFFIXES = {".c", ".h"}


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and layout, and clang-format's for C; `-- --fix` mends what it can."""
    fix = "--fix" in session.posargs
    session.run(PYTHON, "-m", "ruff", "check", *(["--fix"] if fix else []))
    session.run(PYTHON, "-m", "ruff", "format", *([] if fix else ["--check"]))
    sources = sorted(
        str(path.relative_to(ROOT))
        for folder in C_FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in C_SUFFIXES
    )
    if sources:
        mode = ["-i"] if fix else ["--dry-run", "--Werror"]
        session.run(str(SCRIPTS / "clang-format"), *mode, *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package, the tests and the scripts."""
    session.run(PYTHON, "-m", "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """What the documents name exists: files, commands, operators, targets."""
    session.run(PYTHON, "-m", "pytest", "-q", "tests/unit/test_documents.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, after the system packages that they want, where those may be installed."""
    session.run(PYTHON, str(ROOT / "tests" / "system_packages.py"))
    # A file's tests share what they build. Files go out in their order: the short ones are last.
    at_once = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run(PYTHON, "-m", "pytest", *at_once, *session.posargs)


@nox.session(default=False)
def golden(session: nox.Session) -> None:
    """Write the expected files anew; read the difference before you commit it."""
    session.run(PYTHON, "-m", "pytest", "-q", "--update-golden", "tests/unit", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """A warm build that has nothing to do, beside PlatformIO's."""
    session.run(PYTHON, str(ROOT / "benchmarks" / "warm_build.py"), *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Pin requirements/*.txt anew with `uv`, by hash, for every platform from Python 3.11 on."""
    if shutil.which("uv") is None:
        session.error("`uv` is not on PATH; it resolves for all platforms at once")
    folder = Path("requirements")
    sources = {
        "anvil": ["pyproject.toml", str(folder / "build.in")],
        "tensorflow": ["pyproject.toml", str(folder / "build.in"), str(folder / "tensorflow.in")],
        "test": [
            "pyproject.toml",
            *(str(folder / name) for name in ("build.in", "tensorflow.in", "test.in")),
        ],
        "peers": [str(folder / "peers.in")],
        "train": [str(folder / "train.in")],
    }
    for name, files in sources.items():
        output = folder / f"{name}.txt"
        # The tests run with the very versions that users get.
        constraints = (
            ["-c", str(folder / "anvil.txt")] if name in ("peers", "tensorflow", "test") else []
        )
        session.run(
            "uv", "pip", "compile", "--quiet", "--universal", "--fork-strategy", "fewest",
            "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header",
            "--no-emit-index-url", *session.posargs, *constraints, *files, "-o", str(output),
        )  # fmt: skip
        _say_who_wrote(output)
    # The root file system's wheels, for Debian's Python in it, at the versions that users get.
    wheels = Path("images") / "wheels.txt"
    session.run(
        "uv", "pip", "compile", "--quiet", "--python-version", "3.11",
        "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:",
        "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url",
        *session.posargs, "-c", str(folder / "anvil.txt"), str(folder / "image.in"),
        "-o", str(wheels),
    )  # fmt: skip
    _say_who_wrote(wheels)


def _say_who_wrote(output: Path) -> None:
    text = output.read_text(encoding="utf-8")
    output.write_text(f"# Pinned by `nox -s lock`.\n{text}", encoding="utf-8")
