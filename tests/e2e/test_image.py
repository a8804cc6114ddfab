"""Root file systems from Debian's mirror by the real tools: the same bits whoever makes them.

Most of these make a root of few packages, since the whole one takes minutes; one test makes the
whole one again.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.core.image import Image
from anvil.image.archive import export_image, import_image, import_pool
from anvil.image.dockerfile import dockerfile
from anvil.image.make import make_image
from anvil.image.store import find_image, pool_of, tar_path, unpacked
from anvil.lock.document import lock_text
from anvil.pipeline.images import current_definition
from anvil.process import Cancellation
from tests.support.cli import anvil, command
from tests.support.locks import lock
from tests.support.made_images import few_packages, has_work_left, make, quiet
from tests.support.programs import MISSING, ROOT, require_program
from tests.support.roots import require_root

ELSEWHERE = {
    "LC_ALL": "C.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "PYTHONHASHSEED": "7",
}


def test_the_root_holds_what_it_should_and_nothing_of_this_machine(
    made: tuple[Store, Image],
) -> None:
    store, image = made
    with tarfile.open(tar_path(store, image)) as tar:
        entries = {entry.name: entry for entry in tar}
    folders = {"dev", "proc", "run", "sys", "tmp", "anvil/work", "anvil/input", "anvil/output"}
    assert {name for name in folders if entries[name].isdir()} == folders
    assert not [name for name in entries if name.startswith(("dev/", "proc/", "run/", "var"))]
    for absent in (
        "etc/resolv.conf",
        "etc/hostname",
        "etc/machine-id",
        "etc/fstab",
        "usr/share/doc",
    ):
        assert absent not in entries
    assert {entry.mtime for entry in entries.values()} == {few_packages().time_s}
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    compiled = [name for name in entries if name.endswith(".pyc")]
    assert any("dist-packages/intelhex/" in name for name in compiled)
    assert any(name.startswith("usr/lib/python3.11/") for name in compiled)
    root = unpacked(store, image)
    for name in compiled[:20]:
        # PEP 552: hash-based, and not checked against the source.
        assert (root / name).read_bytes()[4:8] == b"\1\0\0\0"
    assert {package.name for package in image.packages} >= {"libc6", "python3.11-minimal"}
    assert [wheel.name for wheel in image.wheels] == ["intelhex"]
    assert all(pool_of(store).find(one.sha256) for one in image.packages)
    assert has_work_left(store) == []


def test_its_python_runs(made: tuple[Store, Image]) -> None:
    root = unpacked(*made)
    ended = subprocess.run(
        [
            require_program("bwrap"), "--unshare-all", "--ro-bind", root, "/", "--proc", "/proc",
            "--clearenv", "/usr/local/bin/python3", "-c",
            "import intelhex, sys; print(intelhex.__file__, sys.version_info[:2])",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ended.stderr == ""
    path = "/usr/local/lib/python3.11/dist-packages/intelhex/__init__.py"
    assert ended.stdout == f"{path} (3, 11)\n"


def test_another_folder_umask_locale_and_time_zone_give_the_same_bits(
    made: tuple[Store, Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, image = made
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        other = make(Store(root=tmp_path / "a longer path" / "cache"))
    finally:
        os.umask(before)
    assert other == image


def test_an_exports_pool_gives_the_same_bits_without_a_network(
    made: tuple[Store, Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, image = made
    export = tmp_path / "export.tar"
    export_image(store, image, dockerfile(image, few_packages()), export)
    other = Store(root=tmp_path / "cache")
    assert import_pool(other, export, quiet) == image
    # Whatever asked for a network would fail.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert make(other, pinned=image, is_offline=True) == image
    assert find_image(other, image.sha256) == image
    pool_of(other).path_of(image.packages[0].sha256).unlink()
    with pytest.raises(AnvilError) as caught:
        make(other, pinned=image, is_offline=True)
    assert f"the pool lacks {image.packages[0].name}_" in caught.value.diagnostics[0].message


def test_a_locked_package_that_is_nowhere_is_named(
    made: tuple[Store, Image], tmp_path: Path
) -> None:
    _, image = made
    gone = replace(image.packages[0], version="1:0.0.1-1", sha256="0" * 64)
    locked = replace(image, packages=(gone, *image.packages[1:]))
    other = Store(root=tmp_path / "cache")
    with pytest.raises(AnvilError) as caught:
        make(other, pinned=locked)
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code == 1
    assert diagnostic.message == f"neither the pool nor the mirror has {gone.name} 1:0.0.1-1"
    assert has_work_left(other) == []


def test_a_lock_downloads_what_the_pool_lacks(made: tuple[Store, Image], tmp_path: Path) -> None:
    store, image = made
    other = Store(root=tmp_path / "cache")
    for one in image.packages[2:]:
        pool_of(other).keep(pool_of(store).path_of(one.sha256))
    assert make(other, pinned=image) == image


def test_a_wrong_mirror_is_one_message(made: tuple[Store, Image], tmp_path: Path) -> None:
    assert made
    empty = tmp_path / "debian"
    empty.mkdir()
    other = Store(root=tmp_path / "cache")
    with pytest.raises(AnvilError) as caught:
        make(other, mirrors=(f"file://{empty}",))
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code == 1
    assert f"reading Debian's package lists from file://{empty} failed" in diagnostic.message
    assert "--mirror" in str(diagnostic.hint)
    assert has_work_left(other) == []


def user_with_ids() -> tuple[pwd.struct_passwd, str] | None:
    """A user, other than root, who has a range of user ids, and a Python of theirs."""
    try:
        lines = Path("/etc/subuid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for name in (line.partition(":")[0] for line in lines):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        for python in (sys.executable, "/usr/bin/python3"):
            try:
                ended = as_user(account, python, "-c", "import anvil.pipeline.images, yaml")
            except OSError:
                continue
            if account.pw_uid != 0 and ended.returncode == 0:
                return account, python
    return None


def as_user(
    account: pwd.struct_passwd, *argv: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("platlib")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_gets_the_same_bits(
    made: tuple[Store, Image],
) -> None:
    require_program("newuidmap")
    found = user_with_ids()
    if found is None:
        pytest.skip(f"{MISSING}a user with a range in /etc/subuid who may start this Python")
    account, python = found
    store, image = made
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        export = home / "export.tar"
        export_image(store, image, b"", export)
        home.chmod(0o711)
        for path in (home / "cache", home / "tmp"):
            path.mkdir(mode=0o700)
            os.chown(path, account.pw_uid, account.pw_gid)
        export.chmod(0o644)
        (home / "tmp").chmod(0o1777)
        temporary = str(home / "tmp")
        ended = as_user(account, python, "-c", AS_USER, home / "cache", export, TMPDIR=temporary)
        assert (ended.stdout, ended.stderr) == (f"{image.sha256}\n", "")
        assert list((home / "tmp").iterdir()) == []


AS_USER = """
import sys
from pathlib import Path
from anvil.cache.store import Store
from anvil.image.archive import import_pool
from anvil.image.make import make_image
from anvil.process import Cancellation
from tests.support.made_images import few_packages, quiet
store = Store(root=Path(sys.argv[1]))
pinned = import_pool(store, Path(sys.argv[2]), quiet)
image = make_image(
    few_packages(), store, pinned=pinned, is_offline=True,
    cancellation=Cancellation(), tell=quiet,
)
print(image.sha256)
"""


def test_ctrl_c_leaves_nothing_half_made(tmp_path: Path) -> None:
    """A real interrupt to a real command, while packages are being unpacked."""
    root = require_root()
    cache = tmp_path / "cache"
    # All of a lock's packages and wheels are in the pool: nothing is downloaded.
    (cache / "images").mkdir(parents=True)
    (cache / "images" / "pool").symlink_to(root.tar.parents[1] / "pool")
    (tmp_path / "anvil.lock").write_bytes(lock_text(lock(root.image)))
    with subprocess.Popen(
        command("image", "build", "--project", tmp_path, "--json"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "ANVIL_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while running.poll() is None and not list(cache.glob("work/action-image-*/tmp/*")):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=120)
    assert (running.returncode, "Traceback" in stderr) == (130, False), stdout + stderr
    assert has_work_left(Store(root=cache)) == []
    assert not list(cache.glob("images/" + "[0-9a-f]" * 64))
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(cache) not in left.stdout


def test_the_command_says_what_this_machine_lacks(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    ended = anvil(
        "image", "build", "--json", PATH=str(tmp_path / "bin"), ANVIL_CACHE_DIR=str(tmp_path / "c")
    )
    (diagnostic,) = ended.document()["diagnostics"]
    assert (ended.returncode, diagnostic["code"]) == (1, "image.no-mmdebstrap")
    assert "apt-get install mmdebstrap" in diagnostic["hint"]


def test_the_commands_move_an_image(made: tuple[Store, Image], tmp_path: Path) -> None:
    store, image = made
    here, there = str(store.root), str(tmp_path / "there")
    file = tmp_path / "image.tar"
    exported = anvil("image", "export", file, "--json", ANVIL_CACHE_DIR=here).document()
    assert exported["image"]["sha256"] == image.sha256
    assert anvil("image", "export", file, ANVIL_CACHE_DIR=there).returncode == 1
    imported = anvil("image", "import", file, "--json", ANVIL_CACHE_DIR=there).document()
    assert imported["image"]["packages"] == exported["image"]["packages"]
    listed = anvil("image", "list", "--json", ANVIL_CACHE_DIR=there).document()
    assert [one["sha256"] for one in listed["images"]] == [image.sha256]
    wrong = anvil("image", "remove", "zzz", "--json", ANVIL_CACHE_DIR=there)
    assert wrong.returncode == 2
    assert "there is no image 'zzz'" in wrong.document()["diagnostics"][0]["message"]
    assert anvil("image", "remove", image.sha256[:10], ANVIL_CACHE_DIR=there).returncode == 0
    listed = anvil("image", "list", "--json", ANVIL_CACHE_DIR=there).document()
    assert listed["images"] == []
    assert anvil("image", "import", tmp_path, ANVIL_CACHE_DIR=there).returncode == 2


def test_the_whole_root_is_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that all tests share, and one that an export's pool makes without a network."""
    root = require_root()
    image, definition = root.image, current_definition()
    export = tmp_path / "export.tar"
    first = Store(root=root.tar.parents[2])
    export_image(first, image, dockerfile(image, definition), export)
    second = Store(root=tmp_path / "another folder" / "cache")
    assert import_image(second, export, quiet) == image
    export.unlink()
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        again = make_image(
            definition,
            second,
            pinned=image,
            is_offline=True,
            cancellation=Cancellation(),
            tell=quiet,
        )
    finally:
        os.umask(before)
    assert again == image
    kept = {line for one in definition.multilibs for line in one.keep}
    with tarfile.open(root.tar) as tar:
        libraries = {entry.name for entry in tar if entry.name.endswith("/libgcc.a")}
    assert {
        name.removeprefix("usr/lib/gcc/arm-none-eabi/12.2.1/").removesuffix("/libgcc.a")
        for name in libraries
        if "arm-none-eabi" in name
    } == kept
    assert image.size_bytes < 700_000_000
