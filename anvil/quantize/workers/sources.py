"""The files that an action needs to run a worker, at the places where it imports them."""

from __future__ import annotations

from importlib import resources

_PACKAGES = ("anvil", "anvil/quantize", "anvil/quantize/workers")
_SHARED = ("workers/supervised_worker.py",)
_WITH = {
    "quantize_worker": ("half_weights.py", "mixed_precision.py", "tflite_edit.py"),
    "convert_worker": ("keras_safety.py",),
}


def program(worker: str) -> str:
    """Where the worker lies in the action's folder."""
    return f"anvil/quantize/workers/{worker}.py"


def worker_files(worker: str) -> dict[str, bytes]:
    """Path -> content; a worker is known by its file's name: convert_worker, quantize_worker."""
    here = resources.files("anvil.quantize")
    # Empty packages: the real ones name Anvil's version, which changes nothing here.
    files = {f"{package}/__init__.py": b"" for package in _PACKAGES}
    for name in (*_SHARED, *_WITH[worker], f"workers/{worker}.py"):
        files[f"anvil/quantize/{name}"] = here.joinpath(name).read_bytes()
    return files
