"""What the bytes of a file that is no .tflite look like."""

from __future__ import annotations

# How the files begin that people give in place of a model.
_BEGINNINGS = (
    (b"PK\x03\x04", "a ZIP archive, such as a .keras model"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as a .h5 model"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "an ELF program"),
    (b"%PDF-", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer: `git lfs pull` fetches the file itself"),
)


def describe(content: bytes) -> str | None:
    """A phrase for what `content` looks like, None where nothing fits."""
    for beginning, phrase in _BEGINNINGS:
        if content.startswith(beginning):
            return phrase
    start = content[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in {b"{", b"["}:
        return "JSON text"
    if start[:1] == b"<":
        return "an HTML or XML page"
    # The first field of ONNX's protobuf is ir_version, a small number.
    if content[:1] == b"\x08" and content[1:2] < b"\x20" and content[2:3] in {b"\x12", b"\x1a"}:
        return "an ONNX model"
    if not content.strip(b"\0"):
        return "a file of zero bytes only"
    try:
        text = content[:512].decode("utf-8")
    except UnicodeDecodeError:
        return None
    if all(c.isprintable() or c in "\n\r\t" for c in text):
        return "a text file"
    return None
