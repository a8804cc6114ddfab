"""YAML that comes with Anvil or lies in a project: kernels.yaml and cost tables."""

from __future__ import annotations

from typing import Any


def load_yaml(content: bytes) -> Any:  # noqa: ANN401  whatever it holds
    """The values of a document. Raises yaml.YAMLError."""
    import yaml  # noqa: PLC0415  only where something has to be planned

    # libyaml's parser is ten times as fast, and not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(content, Loader=loader)  # noqa: S506  a safe one
