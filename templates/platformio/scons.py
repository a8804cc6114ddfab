"""PlatformIO starts SCons through this file; SCons itself is the installed Python package."""

import sys

try:
    from SCons.Script import main
except ImportError:
    sys.exit("SCons is missing: `pip install scons==4.11.1` into PlatformIO's Python")

main()
