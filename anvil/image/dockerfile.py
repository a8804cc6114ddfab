"""A Dockerfile that makes the same root from the pool beside it, on a base from a registry.

The image that counts is root.tar: a builder gives every layer time stamps of its own, so that
what this makes has the same programs and another digest.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from anvil.image.parts import deb_name

if TYPE_CHECKING:
    from anvil.core.image import Image
    from anvil.image.definition import Definition

_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


def dockerfile(image: Image, definition: Definition) -> bytes:
    """The Dockerfile of an image; its context is an unpacked export."""
    debs = " ".join(shlex.quote(deb_name(one)) for one in image.packages)
    sums = [(one.sha256, deb_name(one)) for one in image.packages]
    sums += [(one.sha256, one.file) for one in image.wheels]
    checked = " ".join(f"'{sha256}  {name}'" for sha256, name in sorted(sums, key=lambda s: s[1]))
    pip = next((one.file for one in image.wheels if one.name == "pip"), "")
    wheels = " ".join(shlex.quote(f"/pool/{one.file}") for one in image.wheels)
    merged = " ".join(_MERGED)
    lines = [
        f"# Anvil's root file system {image.sha256}, for hosts that reach an image",
        "# registry. In the folder of an unpacked export:",
        f"#   docker build --network none --tag anvil-root:{image.sha256[:12]} .",
        f"ARG BASE=debian:{image.suite}",
        "FROM ${BASE} AS made",
        "COPY pool/ /pool/",
        _run(f"cd /pool && printf '%s\\n' {checked} | sha256sum --check --strict --quiet"),
        _run(
            f"mkdir -p /image/usr && cd /image && for name in {merged}; "
            'do mkdir "usr/$name" && ln -s "usr/$name" "$name"; done'
        ),
        "# Unpacked and not configured, as Anvil does it.",
        _run(
            f"cd /pool && for deb in {debs}; "
            'do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C /image; done'
        ),
        _run(
            "mkdir /image/pool && cp /pool/*.whl /image/pool && "
            f"chroot /image /{definition.python} -B /pool/{pip}/pip install --quiet "
            "--no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check "
            f"--break-system-packages --root-user-action=ignore {wheels} && rm -r /image/pool"
        ),
    ]
    for one in definition.multilibs:
        kept = shlex.join(one.keep)
        lines.append(
            _run(
                f"cd {shlex.quote(f'/image/{one.under}')} && tar -cf /kept.tar {kept} && "
                f"rm -r {shlex.join(one.of)} && tar -xf /kept.tar && rm /kept.tar"
            )
        )
    # Unquoted: the patterns are the shell's own.
    lines += [
        _run("cd /image && rm -rf " + " ".join(definition.leave_out)),
        _run("cd /image && mkdir -p " + shlex.join(definition.folders)),
    ]
    lines += [
        _run(f"ln -sfn {shlex.quote(target)} {shlex.quote(f'/image/{path}')}")
        for path, target in definition.links
    ]
    lines += [
        _run(f"printf '%s\\n' {shlex.join(text.splitlines())} > {shlex.quote(f'/image/{path}')}")
        for path, text in definition.files
    ]
    folders = shlex.join(f"/{folder}" for folder in definition.bytecode)
    lines += [
        _run(
            f"PYTHONHASHSEED=0 chroot /image /{definition.python} -E -s -m compileall -q -f "
            f"--invalidation-mode unchecked-hash {folders} || test $? = 1"
        ),
        "FROM scratch",
        "COPY --from=made /image/ /",
    ]
    return ("\n".join(lines) + "\n").encode()


def _run(command: str) -> str:
    return f"RUN {command}"
