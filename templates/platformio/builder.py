"""How PlatformIO builds this project; it runs inside SCons, once for each environment.

The library is compiled by itself, with nothing of the firmware around it, so that the
device and the emulator link the same bytes.
"""

import importlib.metadata
import importlib.util
import os
import sys

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
settings = env.BoardConfig().get("build.anvil")


def stop(message):
    sys.stderr.write(f"Error: {message}\n")
    env.Exit(1)


def find_compiler():
    """The folder of the compiler's Python package."""
    package, wanted = settings["compiler_package"], settings["compiler_version"]
    install = f"`{sys.executable} -m pip install {package}=={wanted}`"
    spec = importlib.util.find_spec(package)
    if spec is None:
        stop(f"the compiler, Python package {package}, is missing: {install}")
    found = importlib.metadata.version(package)
    if found != wanted:
        sys.stderr.write(
            f"Warning: {package} is {found} here, and this project was planned for {wanted}; "
            f"the result may differ from Anvil's. To get the same bits: {install}\n"
        )
    # zig names its files by the real path, which the flags below have to match.
    return os.path.dirname(os.path.realpath(spec.origin))


def write_hex(target, source, env):
    """Intel HEX of what an ELF file loads, at its load addresses."""
    try:
        from elftools.elf.elffile import ELFFile
        from intelhex import IntelHex
    except ImportError as error:
        stop(f"{error}: `{sys.executable} -m pip install intelhex pyelftools`")
    image = IntelHex()
    with open(str(source[0]), "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            if segment["p_filesz"] > 0:
                image.frombytes(segment.data(), offset=segment["p_paddr"])
    image.write_hex_file(str(target[0]))


compiler_dir = find_compiler()
zig = f'"{os.path.join(compiler_dir, "zig")}"'
name = settings["name"]
core_flags = settings["core_flags"]

env.Replace(
    CC=f"{zig} cc",
    LINK=f"{zig} cc",
    AR=f"{zig} ar",
    RANLIB="",
    RANLIBCOM="",
    RANLIBCOMSTR="",
    ARFLAGS=["rcsD"],  # D: no times and no users
    ARCOM="$AR $ARFLAGS $TARGET $SOURCES",
    PROGNAME=name,
    PROGSUFFIX=".elf",
)
env.Append(
    # Debug information never reaches the flash. Its paths are relative to the project and the
    # compiler, so that the same files come out wherever these are.
    CCFLAGS=[
        *core_flags,
        *settings["compile_flags"],
        "-g",
        "-ffile-compilation-dir=.",
        f"-ffile-prefix-map={compiler_dir}=zig",
    ],
    CPPPATH=["$PROJECT_DIR/library/include"],
    LINKFLAGS=[
        *core_flags,
        *settings["link_flags"],
        "-Wl,-e,Reset_Handler",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
    ],
)

library_env = env.Clone()
library_env.Append(CPPPATH=["$PROJECT_DIR/library/kernels", "$PROJECT_DIR/library/src"])
library = library_env.StaticLibrary(
    # Whole, since SCons adds no lib to a name that begins with it.
    f"$BUILD_DIR/lib{name}.a",
    library_env.CollectBuildFiles("$BUILD_DIR/library", "$PROJECT_DIR/library"),
)

env.Append(CPPPATH=["$PROJECT_SRC_DIR"])
env.Prepend(LIBS=[library])
program = env.BuildProgram()
env.Depends(program, os.path.join("$PROJECT_DIR", env.BoardConfig().get("build.ldscript")))
Default(program)

if env["PIOENV"] == "device":
    image = env.Command(
        f"$BUILD_DIR/{name}.hex", program, env.VerboseAction(write_hex, "Writing $TARGET")
    )
    Default(image)
    env.AddPlatformTarget(
        "upload", image, env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"), "Upload"
    )
