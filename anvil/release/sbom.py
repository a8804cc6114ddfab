"""The bill of materials: CycloneDX 1.6, with the model as a component that has a card.

The library's model has no model cards yet, so that the document is made here and checked by
its strict validator. References are names, never random, and the serial number comes from
the rest of the document: equal releases have equal bills.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_expression
from cyclonedx.validation.json import JsonStrictValidator

from anvil.core.digest import key_of
from anvil.release.checksums import sha256
from anvil.release.dependencies import Package, image_packages, packages, toolchains
from anvil.release.files import CANDIDATE, SIGNED_SUFFIX, ReleaseFile
from anvil.release.model_card import model_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anvil.release.description import ReleaseDescription
    from anvil.release.target_folder import TargetFolder

Component = dict[str, Any]

_APACHE = [{"license": {"id": "Apache-2.0"}}]
_PRODUCT, _MODEL, _KERNELS, _ROOT = "product", "model", "kernels", "root"


def write_sbom(
    files: Mapping[str, ReleaseFile],
    targets: Sequence[TargetFolder],
    description: ReleaseDescription,
) -> bytes:
    """The bill of materials of a release with these files and targets.

    Raises ValueError where the library's strict validator refuses the result: a defect.
    """
    found = packages(description)
    digests = {path: sha256(file.content) for path, file in files.items()}
    data = [_data(one.role, one.sha256) for one in description.data]
    components = [
        *(_target(target, digests, description) for target in targets),
        *_kernels(targets, digests, description),
        _model(targets, digests, description, [one["bom-ref"] for one in data]),
        *data,
        *_toolchains(targets),
        *_root(description),
        *(_package(package) for package in found),
    ]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": _metadata(targets, description),
        "components": components,
        "dependencies": _dependencies(targets, digests, description, found),
    }
    document["serialNumber"] = f"urn:uuid:{_uuid(key_of(document))}"
    content = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    mistakes = sbom_mistakes(content)
    if mistakes:
        msg = f"the bill of materials is not valid: {'; '.join(mistakes[:4])}"
        raise ValueError(msg)
    return content


def sbom_mistakes(content: bytes) -> list[str]:
    """What the strict validator refuses in a JSON text, and references that lead nowhere."""
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode(), all_errors=True)
    mistakes = [str(error.data.message)[:200] for error in errors or ()]
    if mistakes:
        return mistakes
    # What the schema leaves open: it takes every version, and knows no references.
    document = json.loads(content)
    if document["specVersion"] != "1.6":
        mistakes.append(f"its version is {document['specVersion'][:20]!r}")
    references = [one["bom-ref"] for one in all_components(document) if "bom-ref" in one]
    known = set(references)
    if len(known) != len(references):
        mistakes.append("two components have one bom-ref")
    used = [
        reference
        for row in document.get("dependencies", ())
        for reference in (row["ref"], *row.get("dependsOn", ()))
    ]
    mistakes += [f"there is no component {one!r}" for one in sorted(set(used) - known)]
    return mistakes


def all_components(document: Mapping[str, Any]) -> list[Component]:
    """Every component of a valid bill, nested ones and the product included."""
    waiting = [*document.get("components", ())]
    metadata = document.get("metadata", {})
    if "component" in metadata:
        waiting.append(metadata["component"])
    found = []
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.get("components", ())
    return found


def file_digests(document: Mapping[str, Any]) -> dict[str, str]:
    """{path: sha256} of every file of the release that a valid bill lists."""
    return {
        row["location"]: digest["content"]
        for one in all_components(document)
        for row in one.get("evidence", {}).get("occurrences", ())
        for digest in one.get("hashes", ())
    }


def _metadata(targets: Sequence[TargetFolder], description: ReleaseDescription) -> dict[str, Any]:
    facts = description.facts
    product: Component = {
        "type": "firmware" if all(t.is_firmware for t in targets) else "application",
        "bom-ref": _PRODUCT,
        "name": description.name,
    }
    if facts.version:
        product["version"] = facts.version
    metadata: dict[str, Any] = {
        "lifecycles": [{"phase": "build"}],
        "tools": {
            "components": [
                {
                    "type": "application",
                    "name": "Anvil",
                    "version": description.anvil_version,
                    "licenses": _APACHE,
                }
            ]
        },
        "component": product,
    }
    if facts.supplier:
        product["supplier"] = {"name": facts.supplier}
        metadata["supplier"] = {"name": facts.supplier}
    if facts.license:
        product["licenses"] = _license(facts.license)
    return metadata


def _license(text: str) -> list[dict[str, Any]]:
    if is_expression(text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def _target(
    target: TargetFolder, digests: Mapping[str, str], description: ReleaseDescription
) -> Component:
    made: Component = {
        "type": "firmware" if target.is_firmware else "application",
        "bom-ref": _of_target(target),
        "group": target.name,
        "name": description.name,
        "components": [_file([path], digests) for path in target.artifacts],
        "properties": [
            {"name": "anvil:target", "value": target.name},
            {"name": "anvil:plan", "value": str(target.manifest["plan_digest"])},
        ],
    }
    if description.facts.version:
        made["version"] = description.facts.version
    if description.facts.supplier:
        made["supplier"] = {"name": description.facts.supplier}
    return made


def _file(paths: Sequence[str], digests: Mapping[str, str], **more: object) -> Component:
    """A file of the release by its content, wherever it stands."""
    name = paths[0].rsplit("/", 1)[-1]
    kind = "firmware" if name.endswith(SIGNED_SUFFIX) else "file"
    return {
        "type": kind,
        "bom-ref": f"file:{paths[0]}",
        "name": name,
        "hashes": _hashes(digests[paths[0]]),
        "evidence": {"occurrences": [{"location": path} for path in paths]},
        **more,
    }


def _kernels(
    targets: Sequence[TargetFolder],
    digests: Mapping[str, str],
    description: ReleaseDescription,
) -> list[Component]:
    """The kernel library as far as the targets use it: each source once."""
    places: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        for path in target.kernel_sources:
            name = path.split("/library/kernels/", 1)[1]
            places.setdefault((name, digests[path]), []).append(path)
    if not places:
        return []
    sources = [{**_file(places[key], digests), "name": key[0]} for key in sorted(places)]
    return [
        {
            "type": "library",
            "bom-ref": _KERNELS,
            "name": "anvil-kernels",
            "version": description.anvil_version,
            # The library as a whole; a project's own kernels may stand among them.
            "properties": [{"name": "anvil:digest", "value": description.kernels_digest}],
            "components": sources,
        }
    ]


def _model(
    targets: Sequence[TargetFolder],
    digests: Mapping[str, str],
    description: ReleaseDescription,
    data_references: Sequence[str],
) -> Component:
    """The model as it was given, and below it each quantization that a target runs."""
    places: dict[tuple[str, str], list[TargetFolder]] = {}
    for target in targets:
        key = (str(target.plan["candidate"]), digests[f"{target.name}/{CANDIDATE}"])
        places.setdefault(key, []).append(target)
    quantized = []
    for (quantization, digest), users in sorted(places.items()):
        paths = [f"{target.name}/{CANDIDATE}" for target in users]
        quantized.append(
            {
                **_file(paths, digests),
                "type": "machine-learning-model",
                "bom-ref": _of_candidate(digest),
                "name": f"{description.name} {quantization}",
                "modelCard": model_card(users, data_references=data_references),
            }
        )
    model = description.model
    made: Component = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": description.name,
        "hashes": _hashes(model.sha256),
        "modelCard": model_card(targets, data_references=data_references),
        "components": quantized,
        "properties": [
            {"name": "anvil:file", "value": model.file},
            {"name": "anvil:format", "value": model.format},
        ],
    }
    if description.facts.version:
        made["version"] = description.facts.version
    return made


def _data(role: str, digest: str) -> Component:
    return {
        "type": "data",
        "bom-ref": f"data:{role}",
        "name": f"{role} data",
        "scope": "excluded",  # it is no part of what is delivered
        "data": [{"type": "dataset", "name": role}],
        "properties": [{"name": "anvil:digest", "value": digest}],
    }


def _toolchains(targets: Sequence[TargetFolder]) -> list[Component]:
    return [
        {
            "type": "application",
            "bom-ref": _of_toolchain(toolchain),
            "name": toolchain["name"],
            "version": toolchain["version"],
            "properties": [
                {"name": "anvil:package", "value": toolchain["package"]},
                {"name": "anvil:digest", "value": toolchain["digest"]},
            ],
        }
        for toolchain in toolchains(targets)
    ]


def _root(description: ReleaseDescription) -> list[Component]:
    image = description.image
    if image is None:
        return []
    return [
        {
            "type": "operating-system",
            "bom-ref": _ROOT,
            "name": "debian",
            "version": image.suite,
            "scope": "excluded",
            "hashes": _hashes(image.sha256),
            "description": "the root file system that the programs are built in",
        }
    ]


def _package(package: Package) -> Component:
    made: Component = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "scope": "excluded",  # it takes part in the build and is not delivered
    }
    if package.sha256:
        made["hashes"] = _hashes(package.sha256)
    if package.allowed:
        made["properties"] = [
            {"name": "anvil:allowed-sha256", "value": digest} for digest in package.allowed
        ]
    return made


def _dependencies(
    targets: Sequence[TargetFolder],
    digests: Mapping[str, str],
    description: ReleaseDescription,
    found: Sequence[Package],
) -> list[dict[str, Any]]:
    graph: dict[str, list[str]] = {_PRODUCT: [_of_target(target) for target in targets]}
    candidates: dict[str, str] = {}
    for target in targets:
        candidate = _of_candidate(digests[f"{target.name}/{CANDIDATE}"])
        candidates[candidate] = _MODEL
        needed = [candidate, _of_toolchain(target.manifest["toolchain"])]
        if target.kernel_sources:
            needed.append(_KERNELS)
        if description.image is not None:
            needed.append(_ROOT)
        graph[_of_target(target)] = needed
        toolchain = target.manifest["toolchain"]
        graph[_of_toolchain(toolchain)] = [
            package.purl
            for package in found
            if (package.name, package.version) == (toolchain["package"], toolchain["version"])
        ]
    graph |= {candidate: [model] for candidate, model in candidates.items()}
    graph[_MODEL] = [f"data:{data.role}" for data in description.data]
    if description.image is not None:
        graph[_ROOT] = [one.purl for one in image_packages(description.image, found)]
    return [_row(reference, graph[reference]) for reference in sorted(graph)]


def _row(reference: str, needed: Iterable[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"ref": reference}
    listed = sorted(set(needed))
    if listed:
        row["dependsOn"] = listed
    return row


def _of_target(target: TargetFolder) -> str:
    return f"target:{target.name}"


def _of_toolchain(toolchain: Mapping[str, str]) -> str:
    return f"toolchain:{toolchain['name']}:{toolchain['digest'][:16]}"


def _of_candidate(digest: str) -> str:
    return f"model:{digest}"


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _uuid(digest: str) -> str:
    """A UUID of version 8 (RFC 9562), from the first bits of a digest.

    >>> _uuid("0123456789abcdef0123456789abcdef" + "0" * 32)
    '01234567-89ab-8def-8123-456789abcdef'
    """
    bits = list(digest[:32])
    bits[12] = "8"
    bits[16] = "89ab"[int(bits[16], 16) % 4]
    text = "".join(bits)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
