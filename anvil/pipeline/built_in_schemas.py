"""The schemas that come with Anvil."""

from __future__ import annotations

from anvil.config.schemas import Schemas
from anvil.resources import built_in, contents, read_folder


def read_schemas() -> Schemas:
    """The built-in schemas."""
    return Schemas.from_files(contents(read_folder(built_in("schemas"))))
