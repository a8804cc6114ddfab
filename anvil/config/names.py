"""Names that a project cannot have, since it lends its name to C symbols and files."""

from __future__ import annotations

# ruff: noqa: SIM905  a list of words reads better as words

_C_KEYWORDS = frozenset(
    # C11, 6.4.1, those of small letters; C23's new ones, for compilers that come
    "alignas alignof auto bool break case char const constexpr continue default do double "
    "else enum extern false float for goto if inline int long nullptr register restrict "
    "return short signed sizeof static static_assert struct switch thread_local true "
    "typedef typeof typeof_unqual union unsigned void volatile while".split()
)
_CPP_KEYWORDS = frozenset(
    # C++20, [lex.key]: the header can be included from C++
    "and and_eq asm bitand bitor catch class compl concept const_cast consteval constinit "
    "co_await co_return co_yield decltype delete dynamic_cast explicit export friend mutable "
    "namespace new noexcept not not_eq operator or or_eq private protected public "
    "reinterpret_cast requires static_cast template this throw try typeid typename using "
    "virtual wchar_t xor xor_eq".split()
)
_JAVASCRIPT_KEYWORDS = frozenset(
    # ECMAScript 2024, 12.7.2: the browser's module
    "arguments await debugger eval finally function implements import in instanceof "
    "interface let null package super var with yield".split()
)
_C_HEADERS = frozenset(
    # C11, 7.1.2: NAME.h would be found instead of them
    "assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath "
    "threads time uchar wchar wctype".split()
)
# Devices of Windows, where no file can be named after them, whatever its suffix.
_WINDOWS_DEVICES = frozenset(
    ["aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)


def reason_against(name: str) -> str | None:
    """Why a project cannot have a name of the right form; None where it can.

    >>> reason_against("double")
    'it is a keyword of C'
    >>> reason_against("digits")
    """
    for names, reason in (
        (_C_KEYWORDS, "it is a keyword of C"),
        (_CPP_KEYWORDS, "it is a keyword of C++"),
        (_JAVASCRIPT_KEYWORDS, "it is a keyword of JavaScript"),
        (_C_HEADERS, f"{name}.h is a header of the C library"),
        (_WINDOWS_DEVICES, "Windows keeps it for a device"),
        ({"main"}, "it is the entry point of C programs"),
        ({"project"}, "a program of that name would lie where project/ lies"),
    ):
        if name in names:
            return reason
    if name == "anvil" or name.startswith("anvil_"):
        return "the kernels' symbols begin with anvil_"
    return None
