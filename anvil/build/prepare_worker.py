"""Run by an action in a root file system: fills a compiler's cache and packs it.

argv: a JSON list of commands, each a list of words, and the file to write. The commands run here,
where start.c lies, with their cache in ./cache. One that fails leaves out what it would have made.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

# What Zig has parsed of its own library: nine tenths of its cache, and of use only while
# that library is built.
_USELESS = ("tmp", "z")


def main() -> None:
    """Run the commands one after the other and write the archive."""
    for words in json.loads(sys.argv[1]):
        subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
    cache = Path("cache")
    cache.mkdir(exist_ok=True)
    for name in _USELESS:
        shutil.rmtree(cache / name, ignore_errors=True)
    with tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(cache.rglob("*")):
            if path.is_file():
                archive.add(path, arcname=path.relative_to(cache).as_posix())


main()
