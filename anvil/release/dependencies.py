"""What took part in a build and is not in the release, by name, version and digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packageurl import PackageURL

from anvil.release.checksums import sha256
from anvil.release.files import CANDIDATE, ReleaseFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.image import Image
    from anvil.release.description import ReleaseDescription
    from anvil.release.target_folder import TargetFolder


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """A Debian package or a Python distribution."""

    purl: str
    name: str
    version: str
    sha256: str  # of its one archive; empty where it may be one of several
    allowed: tuple[str, ...]  # SHA-256 of these, sorted


def packages(description: ReleaseDescription) -> list[Package]:
    """All of them, by purl, each once: what the root has and what the lock pins beside it."""
    found: dict[str, Package] = {}
    for pinned in description.wheels:
        one = _of_python(pinned.name, pinned.version, pinned.sha256)
        found[one.purl] = one
    image = description.image
    for wheel in () if image is None else image.wheels:
        # The root has one of the wheels that are pinned.
        one = _of_python(wheel.name, wheel.version, (wheel.sha256,))
        found[one.purl] = one
    for package in () if image is None else image.packages:
        purl = PackageURL(
            type="deb",
            namespace="debian",
            name=package.name,
            version=package.version,
            qualifiers={"arch": package.architecture, "distro": image.suite if image else ""},
        ).to_string()
        found[purl] = Package(
            purl=purl,
            name=package.name,
            version=package.version,
            sha256=package.sha256,
            allowed=(),
        )
    return [found[purl] for purl in sorted(found)]


def _of_python(name: str, version: str, hashes: tuple[str, ...]) -> Package:
    is_one = len(hashes) == 1
    return Package(
        purl=PackageURL(type="pypi", name=name, version=version).to_string(),
        name=name,
        version=version,
        sha256=hashes[0] if is_one else "",
        allowed=() if is_one else hashes,
    )


def image_packages(image: Image | None, found: Sequence[Package]) -> list[Package]:
    """Those that the root file system holds."""
    if image is None:
        return []
    names = {(one.name, one.version) for one in image.packages}
    names |= {(one.name, one.version) for one in image.wheels}
    return [package for package in found if (package.name, package.version) in names]


def toolchains(targets: Sequence[TargetFolder]) -> list[dict[str, str]]:
    """The toolchains of all targets, each once; one name may stand for one per core."""
    used = [target.manifest["toolchain"] for target in targets]
    unique = {(one["name"], one["digest"]): one for one in used}
    return [unique[key] for key in sorted(unique)]


def resolved_dependencies(
    files: Mapping[str, ReleaseFile],
    targets: Sequence[TargetFolder],
    description: ReleaseDescription,
) -> list[dict[str, Any]]:
    """The resource descriptors of all dependencies, sorted by what they are."""
    model = description.model
    rows = [
        {"name": "model", "digest": {"sha256": model.sha256}, "annotations": {"file": model.file}},
        {"name": "kernels", "digest": {"sha256": description.kernels_digest}},
    ]
    rows += [
        {"name": f"data/{data.role}", "digest": {"sha256": data.sha256}}
        for data in description.data
    ]
    for target in targets:
        content = files[f"{target.name}/{CANDIDATE}"].content
        rows.append(
            {
                "name": f"candidate/{target.name}",
                "digest": {"sha256": sha256(content)},
                "annotations": {"quantization": target.plan["candidate"]},
            }
        )
    rows += [
        {
            "name": f"toolchain/{toolchain['name']}",
            "digest": {"sha256": toolchain["digest"]},
            "annotations": {"package": toolchain["package"], "version": toolchain["version"]},
        }
        for toolchain in toolchains(targets)
    ]
    if description.image is not None:
        rows.append({"name": "root", "digest": {"sha256": description.image.sha256}})
    rows += [_descriptor(package) for package in packages(description)]
    return rows


def _descriptor(package: Package) -> dict[str, Any]:
    row: dict[str, Any] = {"name": package.name, "uri": package.purl}
    if package.sha256:
        row["digest"] = {"sha256": package.sha256}
    elif package.allowed:
        row["annotations"] = {"allowed": list(package.allowed)}
    return row
