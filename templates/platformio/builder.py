"""How PlatformIO builds this project; it runs inside SCons, once for each environment.

The library is compiled by itself, with nothing of the firmware around it, so that the
device and the emulator link the same bytes.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
settings = env.BoardConfig().get("build.anvil")


def stop(message):
    sys.stderr.write(f"Error: {message}\n")
    env.Exit(1)


def warn(message):
    sys.stderr.write(f"Warning: {message}\n")


def use_zig(compiler):
    """Zig's compiler and archiver, out of the Python package that carries them."""
    package, wanted = compiler["package"], compiler["version"]
    install = f"`{sys.executable} -m pip install {package}=={wanted}`"
    spec = importlib.util.find_spec(package)
    if spec is None:
        stop(f"the compiler, Python package {package}, is missing: {install}")
    found = importlib.metadata.version(package)
    if found != wanted:
        warn(
            f"{package} is {found} here, and this project was planned for {wanted}; "
            f"the result may differ from Anvil's. To get the same bits: {install}"
        )
    # zig names its files by the real path, which the flags have to match.
    folder = os.path.dirname(os.path.realpath(spec.origin))
    zig = f'"{os.path.join(folder, "zig")}"'
    env.Replace(CC=f"{zig} cc", LINK=f"{zig} cc", AR=f"{zig} ar")
    env.Append(CCFLAGS=["-ffile-compilation-dir=.", f"-ffile-prefix-map={folder}=zig"])


def use_gcc(compiler):
    """GCC's programs on the PATH, by their prefix."""
    program = compiler["prefix"] + "gcc"
    packages = " ".join(f"{name}={version}" for name, version in compiler["packages"])
    install = f"`apt-get install {packages}` on Debian 12"
    path = shutil.which(program)
    if path is None:
        stop(f"the compiler {program} is missing: {install}")
    answer = subprocess.run([path, "-dumpfullversion"], capture_output=True, check=True)
    found, wanted = answer.stdout.decode().strip(), compiler["release"]
    if found != wanted:
        warn(
            f"{program} is {found} here, and this project was planned for {wanted}; "
            f"the result may differ from Anvil's. To get the same bits: {install}"
        )
    env.Replace(CC=program, LINK=program, AR=compiler["prefix"] + "ar")
    folders = sorted({env.subst("$PROJECT_DIR"), os.getcwd(), os.path.realpath(os.getcwd())})
    env.Append(
        CCFLAGS=[f"-ffile-prefix-map={folder}=." for folder in folders],
        # GCC 12 does not tell the assembler of the other one.
        ASPPFLAGS=[f"-fdebug-prefix-map={folder}=." for folder in folders],
    )


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


name = settings["name"]
core_flags = settings["core_flags"]

env.Replace(
    RANLIB="",
    RANLIBCOM="",
    RANLIBCOMSTR="",
    ASPPFLAGS=["$CCFLAGS"],  # assembly, for the same core as C
    ARFLAGS=["rcsD"],  # D: no times and no users
    ARCOM="$AR $ARFLAGS $TARGET $SOURCES",
    PROGNAME=name,
    PROGSUFFIX=".elf",
)
env.Append(
    # Debug information never reaches the flash. Its paths are relative to the project and the
    # compiler, so that the same files come out wherever these are.
    CCFLAGS=[*core_flags, *settings["compile_flags"], "-g"],
    CPPPATH=["$PROJECT_DIR/library/include"],
    LINKFLAGS=[
        *core_flags,
        *settings["link_flags"],
        "-Wl,-e,Reset_Handler",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
    ],
)
{"zig": use_zig, "gcc": use_gcc}[settings["compiler"]["kind"]](settings["compiler"])

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
