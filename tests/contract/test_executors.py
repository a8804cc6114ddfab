"""What every executor holds: run(action) gives outputs, and nothing else gets in or out.

An executor is added to PLACES of conftest.py and passes as it is. What the host cannot hold is
expected of it to differ, in so many words.
"""

from __future__ import annotations

import ast
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest

from anvil.build import engine
from anvil.build.perform import known, perform
from anvil.cache.store import VanishedError
from anvil.core.action import Action, Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import digest_of
from anvil.core.executor import Conditions
from tests.contract.conftest import Place, place_of
from tests.support.programs import ROOT

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
_WAITING = """
import time
print("the last line")
import sys
sys.stdout.flush()
time.sleep(100)
"""


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
    if place.executor.name == "docker":
        assert containers() == [], "its container is gone"


def containers() -> list[str]:
    """Ours, running or not."""
    client = engine.connect()
    rows = client.containers(all=True, filters={"label": f"{engine.OWNER}={engine.owner()}"})
    client.close()
    return [row["Id"] for row in rows]


def perform_at(place: Place, action: Action) -> Tree:
    return perform(action, place.store, lambda _: place.executor)


def processes(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        # The command itself: a launcher has the word, too, among those of its command.
        if word.encode() in words and b"main.py" in words[:3]:
            found.append(int(path.parent.name))
    return found


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
        action_of(place, ""),
        tools=(("ninja", "9.9"), ("no-such-tool", "1.0"), ("platformio", "0.1")),
    )
    with pytest.raises(AnvilError) as caught:
        place.executor.run(action)
    assert caught.value.exit_code is ExitCode.FAILED
    assert [d.code for d in caught.value.diagnostics] == [
        "tool.version",
        "tool.missing",
        "tool.version",
    ]
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
    check_nothing_left(place, action)


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


# What the host cannot hold, and says so.

_SEEN = """
import os, socket, sys
def reaches(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False
def writes(folder):
    try:
        with open(os.path.join(folder, "anvil-test"), "w"):
            return True
    except OSError:
        return False
port, folder, repository = int(sys.argv[1]), sys.argv[2], sys.argv[3]
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
found = {
    "reaches the host": reaches(port),
    "interfaces": sorted(name for _, name in socket.if_nameindex() if name != "lo"),
    "sees a folder": os.path.exists(folder) or os.path.exists(repository),
    "writes there": writes(folder),
    "writes elsewhere": [p for p in ("/", "/etc", "/usr", "/usr/local/bin", "/run", "/anvil",
                                     "/anvil/input") if os.path.isdir(p) and writes(p)],
    "is root": 0 in (os.getuid(), os.getgid()) or 0 in os.getgroups(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16) * (os.getuid() == 0),
    "may gain privileges": status["NoNewPrivs"].strip() == "0",
    "sees processes": len([n for n in os.listdir("/proc") if n.isdigit()]) > 20,
}
open("out", "w").write(repr({name: value for name, value in found.items() if value}))
"""


def test_nothing_of_the_machine_gets_in_or_out(place: Place, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        action = action_of(place, _SEEN, str(port), str(tmp_path), str(ROOT))
        if place.is_hermetic:
            assert output_of(place, action) == "{}"
            assert not (tmp_path / "anvil-test").exists()
        else:
            assert "not hermetic" in place.executor.notice
            seen = ast.literal_eval(output_of(place, action, Conditions()))
            assert {"reaches the host", "sees a folder", "writes there"} <= set(seen)


def test_what_it_says_that_it_varies_does_vary(place: Place) -> None:
    code = (
        "import os, time\n"
        "mask = os.umask(0)\n"
        "words = os.path.basename(os.getcwd()), oct(mask), os.environ['LC_ALL'], os.environ['TZ'],"
        " os.getuid(), os.getgid(), int(time.time()) // 86400\n"
        "open('out', 'w').write(' '.join(map(str, words)))\n"
    )
    conditions = Conditions(
        folder="/anvil/some where",
        umask=0o077,
        locale="C",
        time_zone="XYZ-3",
        user=4321,
        clock_offset_s=400 * 86400,
    )
    variable = place.executor.variable
    assert {"folder", "umask", "locale", "time_zone"} <= variable
    assert variable == {field.name for field in fields(Conditions)} or not place.is_hermetic
    kept = {name: getattr(conditions, name) for name in variable}
    today = int(time.time()) // 86400
    action = replace(action_of(place, code), environment=(("LC_ALL", "C.UTF-8"),))
    text = output_of(place, action, Conditions(**kept))
    assert text.startswith("some where 0o77 C XYZ-3 ")
    uid, gid, day = map(int, text.rsplit(" ", 3)[1:])
    if "user" in variable:
        assert (uid, gid) == (4321, 4321)
    if "clock_offset_s" in variable:
        assert day - today in {400, 401}


def test_an_output_is_a_file_of_the_action_and_leads_nowhere(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    link = "import os, sys; os.symlink(sys.argv[1], 'out')"
    check_fails(place, action_of(place, link, str(secret)), "did not produce out")
    pipe = "import os; os.mkfifo('out')"
    check_fails(place, action_of(place, pipe), "did not produce out")
    check_fails(place, action_of(place, "import os; os.mkdir('out')"), "did not produce out")


@pytest.mark.parametrize("name", ["sandbox", "docker"])
def test_a_link_in_the_output_folder_is_not_followed(name: str, tmp_path: Path) -> None:
    place = place_of(name, tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("x")
    code = "import os, sys; os.symlink(sys.argv[1], '/anvil/output/0')"
    check_fails(place, action_of(place, code, str(secret)), "did not produce out")


def test_what_ends_it_from_outside_is_said_with_the_last_lines(
    place: Place, tmp_path: Path
) -> None:
    action = action_of(place, _WAITING, str(tmp_path))

    def kill() -> None:
        while not (pids := processes(str(tmp_path))):
            time.sleep(0.02)
        time.sleep(0.3)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    check_fails(place, action, "ended from outside by SIGKILL", "the last line")
    killer.join()


def test_several_run_at_once(place: Place) -> None:
    actions = [action_of(place, f"open('out', 'w').write('{n}')") for n in range(4)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        trees = list(pool.map(place.executor.run, actions))
    found = [place.store.get_tree(tree) for tree in trees]
    assert found == [{"out": str(n).encode()} for n in range(4)]
    assert list((place.store.root / "work").iterdir()) == []


def test_many_bytes_and_odd_names_come_through(place: Place) -> None:
    names = ["a b", "deep/er/it's", "$HOME", "-r", "ü"]
    code = (
        "import os, shutil\n"
        "for name in os.listdir('.'):\n"
        "    assert os.path.exists(name)\n"
        f"for n, name in enumerate({names!r}):\n"
        "    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)\n"
        "    open(name, 'wb').write(bytes([n]) * 3_000_000)\n"
    )
    action = replace(action_of(place, code), outputs=tuple(sorted(names)))
    files = place.store.get_tree(place.executor.run(action))
    assert files == {name: bytes([n]) * 3_000_000 for n, name in enumerate(names)}
