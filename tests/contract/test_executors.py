"""What every executor holds: run(action) gives outputs, and nothing else gets in or out.

An executor is added to PLACES and passes as it is.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from anvil.build.host import HostExecutor
from anvil.build.perform import known, perform
from anvil.cache.store import Store, VanishedError
from anvil.core.action import Action, Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import digest_of
from anvil.core.executor import Conditions, Executor
from anvil.process import Cancellation

_LIST = """
import os
found = []
for folder, _, files in os.walk("."):
    for name in files:
        path = os.path.join(folder, name)
        status = os.stat(path)
        found.append(f"{os.path.relpath(path)} {status.st_mode & 0o777:o} {int(status.st_mtime)}")
open("out", "w").write("\\n".join(sorted(found)))
"""
# As Ninja does, the grandchild leads a process group of its own.
_GRANDCHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)", sys.argv[1]],
                         process_group=0)
print("started")
sys.stdout.flush()
time.sleep(100)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An executor with what it was made with."""

    executor: Executor
    store: Store
    cancellation: Cancellation


def _host(store: Store, cancellation: Cancellation) -> Executor:
    return HostExecutor(store=store, cancellation=cancellation)


PLACES = {"host": _host}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    store, cancellation = Store(root=tmp_path / "cache"), Cancellation()
    executor = PLACES[request.param](store, cancellation)
    return Place(executor=executor, store=store, cancellation=cancellation)


def action_of(place: Place, code: str, *words: str, **inputs: bytes) -> Action:
    """An action that runs Python code, which leaves `out`."""
    files = {"main.py": code.encode(), **inputs}
    return Action(
        kind="test",
        argv=("{python}", "-I", "main.py", *words),
        environment=(),
        inputs=place.store.put_tree(files, frozenset()),
        tools=(),
        outputs=("out",),
        timeout_s=60,
    )


def output_of(place: Place, action: Action, conditions: Conditions = Conditions()) -> str:  # noqa: B008  frozen
    files = place.store.get_tree(place.executor.run(action, conditions=conditions))
    assert files is not None
    assert set(files) == {"out"}
    return files["out"].decode()


def check_fails(place: Place, action: Action, *words: str) -> None:
    with pytest.raises(AnvilError) as caught:
        perform_at(place, action)
    assert caught.value.exit_code is ExitCode.FAILED
    (diagnostic,) = caught.value.diagnostics
    for word in words:
        assert word in diagnostic.message
    assert str(place.store.root) not in diagnostic.message, "a person reads paths of the project"
    check_nothing_left(place, action)


def check_nothing_left(place: Place, action: Action) -> None:
    assert known(action.key, place.store) is None, "a failure is never cached"
    assert list((place.store.root / "work").iterdir()) == [], "its folder is gone"


def perform_at(place: Place, action: Action) -> Tree:
    return perform(action, place.store, lambda _: place.executor)


def has_process(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def check_gone(word: str) -> None:
    for _ in range(100):
        if not has_process(word):
            return
        time.sleep(0.05)
    pytest.fail("a process outlived its action")


def test_only_the_declared_inputs_are_there(place: Place) -> None:
    action = action_of(place, _LIST, **{"deep/er/file": b"1"})
    nodes = [replace(n, executable=n.path == "deep/er/file") for n in action.inputs.files]
    action = replace(action, inputs=Tree(files=tuple(nodes)))
    former = os.umask(0o077)
    try:
        listed = output_of(place, action)
    finally:
        os.umask(former)
    assert listed.splitlines() == ["deep/er/file 755 0", "main.py 644 0"]


def test_only_the_declared_environment_is_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANVIL_SECRET", "1")
    monkeypatch.setenv("CFLAGS", "-O0")
    code = "import os; open('out', 'w').write(' '.join(sorted(os.environ)))"
    action = replace(action_of(place, code), environment=(("DECLARED", "{work}/x"),))
    found = set(output_of(place, action).split())
    assert "DECLARED" in found
    assert found <= {"DECLARED", "HOME", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TMPDIR"}


def test_there_is_no_home_and_temporary_files_lie_in_its_folder(place: Place) -> None:
    # A home in the folder would bring the folder's path, with whatever characters, to programs
    # that hand it to a shell.
    code = (
        "import os, tempfile\n"
        "is_here = os.path.realpath(tempfile.gettempdir()) == os.getcwd()\n"
        "has_home = os.path.exists(os.path.expanduser('~'))\n"
        "open('out', 'w').write(f'{is_here} {has_home}')\n"
    )
    assert output_of(place, action_of(place, code)) == "True False"


def test_an_executable_output_stays_executable(place: Place) -> None:
    code = "import os; open('out', 'w').write('x'); os.chmod('out', 0o755)"
    tree = place.executor.run(action_of(place, code))
    assert [node.executable for node in tree.files] == [True]


def test_a_failing_command_shows_its_last_lines(place: Place) -> None:
    code = (
        "import sys\n"
        "for n in range(99): print('line', n)\n"
        "sys.stdout.flush()\n"
        "sys.exit('the reason, in ' + __file__)"
    )
    check_fails(place, action_of(place, code), "exit code 1", "line 98", "the reason")


def test_an_output_that_is_missing_is_an_error_with_the_last_lines(place: Place) -> None:
    action = action_of(place, "print('and yet it ended well')")
    check_fails(place, action, "did not produce out", "and yet it ended well")


def test_a_program_that_cannot_start_is_an_error(place: Place) -> None:
    check_fails(place, replace(action_of(place, ""), argv=("{python}-no",)), "cannot start")


def test_other_tools_than_the_key_names_are_refused(place: Place) -> None:
    action = replace(
        action_of(place, ""), tools=(("no-such-tool", "1.0"), ("numpy", "0.1"), ("ninja", "9.9"))
    )
    with pytest.raises(AnvilError) as caught:
        place.executor.run(action)
    assert caught.value.exit_code is ExitCode.FAILED
    assert [d.code for d in caught.value.diagnostics] == ["tool.missing"] + ["tool.version"] * 2
    assert all(d.hint for d in caught.value.diagnostics)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_timeout_kills_the_whole_tree(place: Place, tmp_path: Path) -> None:
    action = replace(action_of(place, _GRANDCHILD, str(tmp_path)), timeout_s=2)
    check_fails(place, action, "longer than 2 s", "started")
    check_gone(str(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_cancellation_kills_the_whole_tree(place: Place, tmp_path: Path) -> None:
    action = action_of(place, _GRANDCHILD, str(tmp_path))

    def cancel() -> None:
        while not has_process(str(tmp_path)):
            time.sleep(0.02)
        time.sleep(0.3)  # until the grandchild is there, too
        place.cancellation.cancel()

    waiter = threading.Thread(target=cancel, daemon=True)
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        place.executor.run(action)
    waiter.join()
    check_gone(str(tmp_path))
    assert known(action.key, place.store) is None
    assert list((place.store.root / "work").iterdir()) == []


def test_a_cancelled_build_starts_nothing_more(place: Place) -> None:
    place.cancellation.cancel()
    with pytest.raises(KeyboardInterrupt):
        place.executor.run(action_of(place, "import time; time.sleep(30)"))


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_an_input_that_is_damaged_is_said_to_have_vanished(place: Place, damage: str) -> None:
    action = action_of(place, "open('out', 'w').close()", data=b"abc")
    path = place.store.path_of(digest_of(b"abc"))
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"abd")
    with pytest.raises(VanishedError):
        place.executor.run(action)


def test_what_succeeded_is_known_and_runs_no_more(place: Place) -> None:
    action = action_of(place, "import time; open('out', 'w').write(str(time.time_ns()))")
    first = perform_at(place, action)
    assert perform_at(place, action) == first
    assert known(action.key, place.store) == first
