"""Releases in memory: small, with documents of the form that builds write."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anvil.core.digest import canonical_json
from anvil.core.image import Image, Package, Wheel
from anvil.core.release import ReleaseFacts
from anvil.release.assemble import assemble
from anvil.release.description import DataSource, ModelSource, PinnedWheel, ReleaseDescription
from anvil.release.envelope import sign
from anvil.release.files import PROVENANCE, ReleaseFile
from anvil.release.keys import SigningKey, load_signing_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Files = dict[str, ReleaseFile]


def digest(text: str) -> str:
    """Some SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def private_pem(seed: int = 1) -> bytes:
    """An ed25519 key of the tests: the same for the same seed."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def signing_key(seed: int = 1) -> SigningKey:
    """The same key, loaded."""
    return load_signing_key(private_pem(seed))


IMAGE = Image(
    sha256=digest("root"),
    size_bytes=3,
    definition=digest("definition"),
    suite="bookworm",
    architecture="amd64",
    packages=(
        Package(
            name="gcc-arm-none-eabi",
            version="15:12.2.rel1-1",
            architecture="amd64",
            sha256=digest("gcc"),
            size_bytes=1,
        ),
        Package(
            name="libstdc++6", version="12.2-1+b1", architecture="amd64", sha256="a" * 64,
            size_bytes=1,
        ),
    ),
    wheels=(
        Wheel(
            name="ziglang", version="0.17.1", file="z.whl", sha256=digest("zig"), size_bytes=2
        ),
    ),
)  # fmt: skip

DESCRIPTION = ReleaseDescription(
    name="digits",
    facts=ReleaseFacts(version="1.2.0", supplier="Example Devices Ltd", license="Apache-2.0"),
    anvil_version="0.1.0",
    kernels_digest=digest("kernels"),
    model=ModelSource(file="digits.keras", format="keras", sha256=digest("model")),
    data=(DataSource(role="calibration", sha256=digest("calibration")),),
    image=IMAGE,
    wheels=(
        PinnedWheel(name="numpy", version="2.1.0", sha256=(digest("n1"), digest("n2"))),
        PinnedWheel(name="ziglang", version="0.17.1", sha256=(digest("z1"), digest("zig"))),
    ),
)


def plan(name: str) -> dict[str, Any]:
    """A plan.json, as far as a release reads it."""
    return {
        "digest": digest(f"plan of {name}"),
        "name": "digits",
        "target": name,
        "candidate": "int8",
        "inputs": [
            {"name": "x", "shape": [1, 8, 8, 1], "dtype": "int8", "scale": 0.5, "zero_point": -3}
        ],
        "outputs": [
            {"name": "y", "shape": [1, 10], "dtype": "float32", "scale": None, "zero_point": None}
        ],
        "ops": [{"index": 0, "op": "CONV_2D"}, {"index": 1, "op": "SOFTMAX"}],
        "accuracy": {
            "metric": "top1",
            "value": 0.975,
            "interval": [0.95, 0.99],
            "reference": 0.98,
            "n_samples": 360,
        },
    }


def target(name: str, artifacts: Mapping[str, ReleaseFile], toolchain: str = "zig") -> Files:
    """The folder of a built target with its documents."""
    package = {"zig": ("ziglang", "0.17.1"), "gcc": ("gcc-arm-none-eabi", "15:12.2.rel1-1")}
    built = {
        **artifacts,
        "plan.json": ReleaseFile(content=json.dumps(plan(name), indent=2).encode()),
        "measured.json": ReleaseFile(content=b"{}\n"),
        "project/library/kernels/conv_2d/conv.c": ReleaseFile(content=b"int conv;\n"),
        "project/library/kernels/common/own.h": ReleaseFile(content=f"// {name}\n".encode()),
    }
    manifest = {
        "format": 1,
        "generator": "Anvil 0.1.0",
        "name": "digits",
        "target": name,
        "plan_digest": plan(name)["digest"],
        "toolchain": {
            "name": toolchain,
            "package": package[toolchain][0],
            "version": package[toolchain][1],
            "digest": digest(toolchain),
        },
        "files": [
            {
                "path": path,
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "size_bytes": len(file.content),
                "executable": file.executable,
            }
            for path, file in sorted(built.items())
        ],
    }
    built["manifest.json"] = ReleaseFile(content=json.dumps(manifest, indent=2).encode())
    built["model.tflite"] = ReleaseFile(content=b"the quantized model")
    built["verify.json"] = ReleaseFile(content=b'{"status": "passed"}\n')
    return {f"{name}/{path}": file for path, file in built.items()}


def built_files() -> Files:
    """What was built, before it is a release."""
    return {
        "anvil.lock": ReleaseFile(content=b"format: 1\n"),
        "source/anvil.yaml": ReleaseFile(content=b"version: 1\nname: digits\n"),
        **target(
            "nrf52840",
            {
                "digits.elf": ReleaseFile(content=b"\x7fELF of the device", executable=True),
                "digits.hex": ReleaseFile(content=b":00000001FF\n"),
                "emulator/digits.elf": ReleaseFile(content=b"\x7fELF", executable=True),
            },
            "gcc",
        ),
        **target("rpi4", {"digits": ReleaseFile(content=b"\x7fELF of Linux", executable=True)}),
    }


@cache
def _release() -> tuple[tuple[str, ReleaseFile], ...]:
    return tuple(assemble(built_files(), DESCRIPTION, signing_key()).items())


def release() -> Files:
    """A whole release, signed with `signing_key()`."""
    return dict(_release())


def statement(files: Mapping[str, ReleaseFile]) -> dict[str, Any]:
    """What the provenance of a release says."""
    envelope = json.loads(files[PROVENANCE].content)
    document: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return document


def with_statement(files: Files, document: object) -> Files:
    """The release with another statement, signed with the same key."""
    return with_payload(files, canonical_json(document))


def with_payload(files: Files, payload: bytes) -> Files:
    """The release with any signed payload."""
    return {**files, PROVENANCE: ReleaseFile(content=sign(payload, signing_key()))}


def write(folder: Path, files: Mapping[str, ReleaseFile]) -> Path:
    """The release as a folder."""
    for path, file in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        place.chmod(0o755 if file.executable else 0o644)
    return folder
