"""What a Keras model's configuration would run when it is loaded, found without loading it.

A configuration names classes and functions that Keras looks up, calls and, for a Lambda
layer, unmarshals: loading it runs code of whoever wrote the file. So only what Keras itself
brings, and only those parts of it that compute, pass here. The weights are no concern.

Standard library only: the process that loads models inspects them with this before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The packages whose classes are Keras's own, in the files of its versions.
_OWN_PACKAGES = {"keras", "tf_keras", "keras_core", "tensorflow"}
# Below them, what holds layers and their parts; keras.utils and keras.saving can write files.
_HARMLESS = {
    "activations", "backend", "constraints", "dtype_policies", "engine", "initializers", "layers",
    "losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "quantizers", "random",
    "regularizers",
}  # fmt: skip
# Prefixes that say nothing about what follows.
_SHELLS = {"_tf_keras", "api", "keras", "python", "src", "tf_keras", "v1", "v2"}

# Keras's own layers that run what the file says, or read other files.
_RUNS_CODE = {
    "Lambda": "it runs Python code that the file carries",
    "TFSMLayer": "it loads another model by its path",
    "TorchModuleWrapper": "it loads a pickled PyTorch module",
    "JaxLayer": "it runs a function that the file names",
    "FlaxLayer": "it runs a function that the file names",
}
_MARKS = {
    "__lambda__": "it carries marshalled Python code",
    "function": "it names a Python function that the file does not bring",
}
_READS_FILES = {"IntegerLookup", "StringLookup", "TextVectorization", "IndexLookup"}
# What Keras 2 calls of TensorFlow by name; `io.write_file` would be another.
_TENSORFLOW_LAYERS = {"TFOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"}
_TENSORFLOW_MODULES = ("math.", "nn.", "__operators__.", "image.", "signal.", "keras.backend.")
_TENSORFLOW_FUNCTIONS = {
    "abs", "add", "cast", "clip_by_value", "concat", "convert_to_tensor", "exp", "expand_dims",
    "gather", "identity", "maximum", "minimum", "multiply", "one_hot", "pad", "pow", "reduce_max",
    "reduce_mean", "reduce_min", "reduce_sum", "repeat", "reshape", "reverse", "round", "shape",
    "slice", "split", "sqrt", "square", "squeeze", "stack", "strided_slice", "subtract", "tanh",
    "tile", "transpose", "unstack", "where", "zeros_like", "ones_like",
}  # fmt: skip
_MAX_NODES = 2_000_000  # of a configuration; those of the largest published models have 200,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that loading the model would run or read."""

    layer: str  # its name in the model; of the model itself where it is in no layer
    what: str  # the class or function
    why: str

    @property
    def sentence(self) -> str:
        """For a message."""
        return f"layer {self.layer!r} ({self.what}): {self.why}"


def inspect_config(config: Any) -> tuple[Finding, ...]:  # noqa: ANN401  any JSON value
    """Everything in a model's configuration that is not safe to load, in the file's order.

    `config` is the JSON value of config.json (Keras 3) or of the attribute model_config (HDF5
    files). What the model was compiled with is left out at the top: it is not loaded. Raises
    ValueError where the configuration is too large to be one.
    """
    findings: dict[Finding, None] = {}
    # Each value with the nearest name around it; a stack, since a file may nest without end.
    stack: list[tuple[Any, str]] = [(_without_compilation(config), "the model")]
    n_nodes = 0
    while stack:
        value, layer = stack.pop()
        n_nodes += 1
        if n_nodes > _MAX_NODES:
            msg = f"the configuration has more than {_MAX_NODES} values"
            raise ValueError(msg)
        if isinstance(value, dict):
            layer = _name(value) or layer
            findings.update(dict.fromkeys(_findings(value, layer)))
            stack += [(child, layer) for child in reversed(value.values())]
        elif isinstance(value, list):
            stack += [(child, layer) for child in reversed(value)]
    return tuple(findings)


def _without_compilation(config: Any) -> Any:  # noqa: ANN401
    if not isinstance(config, dict):
        return config
    return {key: value for key, value in config.items() if key != "compile_config"}


def _name(value: dict[str, Any]) -> str | None:
    inner = value.get("config")
    names = (value.get("name"), inner.get("name") if isinstance(inner, dict) else None)
    return next((name for name in names if isinstance(name, str) and "class_name" in value), None)


def _findings(value: dict[str, Any], layer: str) -> list[Finding]:
    kind, module = value.get("class_name"), value.get("module")
    found: list[tuple[str, str]] = []
    if isinstance(kind, str):
        bare = kind.rpartition(">")[2]
        registered = value.get("registered_name")
        inner = value.get("config")
        inner = inner if isinstance(inner, dict) else {}
        if bare in _RUNS_CODE:
            found.append((bare, _RUNS_CODE[bare]))
        elif kind in _MARKS:
            # A function of Keras's own stands there by its bare name.
            what = value.get("config") if kind == "function" else kind
            found.append((str(what)[:60], _MARKS[kind]))
        elif ">" in kind or (isinstance(registered, str) and ">" in registered):
            name = kind if ">" in kind else str(registered)
            found.append((name[:60], "it is an object of the author's own code"))
        elif isinstance(module, str) and not _is_harmless(module, kind):
            found.append((f"{module}.{kind}"[:80], "it is no part of Keras that computes"))
        elif bare in _READS_FILES and isinstance(inner.get("vocabulary"), str):
            found.append((bare, "it reads a file by its path"))
        elif bare in _TENSORFLOW_LAYERS and not _is_plain(inner.get("function"), bare):
            name = str(inner.get("function", bare))[:60]
            found.append((name, "it calls a TensorFlow function that may do more than compute"))
    elif isinstance(value.get("function_type"), str) and "function" in value:
        # What Keras 2 writes for the function of a layer.
        found.append((str(value["function_type"])[:60], _MARKS["__lambda__"]))
    return [Finding(layer=layer[:80], what=what, why=why) for what, why in found]


def _is_harmless(module: str, kind: str) -> bool:
    """Whether a class's module is a part of Keras that computes."""
    words = module.split(".")
    if words[0] == "builtins":
        # Keras writes some of Python's own values this way: tuples, slices, None.
        return kind.startswith("__") or kind in {"slice", "tuple", "dict", "list", "set"}
    if words[0] not in _OWN_PACKAGES:
        return False
    rest = [word for word in words[1:] if word not in _SHELLS]
    if not rest:
        # keras.DTypePolicy, keras.Model and their like: classes, where functions are in lower case.
        return kind[:1].isupper()
    # keras.models.load_model is one function that would be called otherwise.
    return rest[0] in _HARMLESS and kind[:1].isupper()


def _is_plain(function: object, kind: str) -> bool:
    if kind != "TFOpLambda":
        return False
    return isinstance(function, str) and (
        function.startswith(_TENSORFLOW_MODULES) or function in _TENSORFLOW_FUNCTIONS
    )
