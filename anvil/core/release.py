"""What a release says of the product, as anvil.yaml has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """anvil.yaml's `release`: what only its author knows; empty where it is not said."""

    version: str = ""  # of the product: 1.2.0
    supplier: str = ""  # who answers for it: a company's or a person's name
    license: str = ""  # an SPDX identifier or expression
