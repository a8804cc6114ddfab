"""YAML to a document, with every mistake of the file.

Plain scalars resolve by the core schema of YAML 1.2 (section 10.3.2): `no` and `1:30` are
texts, 0x20 is 32. What readers of YAML 1.1 and 1.2 would take for different numbers (012)
is an error. So are tags, merge keys, a key that is no text, a key that stands twice,
several documents in one file, and anything that grows without bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from anvil.config.document import Document, Position, YamlPath, error_at
from anvil.config.wording import found
from anvil.config.yaml_scalars import Refusal, resolve
from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000  # after aliases are followed
MAX_ALIASES = 100

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_UNPRINTABLE = re.compile(f"{_CONTROL.pattern}|[\ud800-\udfff]")
_LINE_BREAK = re.compile("\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_START = Position(1, 1)


def parse_yaml(content: bytes, file: str) -> Document:
    """The document that `content` holds; `file` is its name for messages.

    Raises AnvilError with every mistake that could be found. Only broken YAML grammar
    hides what follows it.
    """
    document, diagnostics = read_yaml(content, file)
    if document is None or diagnostics:
        raise AnvilError(*diagnostics)
    return document


def read_yaml(content: bytes, file: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """As `parse_yaml`, but with both what could be read and what was wrong.

    There is a document beside the diagnostics where the mistakes leave its structure
    clear, as a key that stands twice does, so that later checks can run as well.
    """
    text = _decode(content, file)
    if isinstance(text, Diagnostic):
        return None, (text,)
    composer = _Composer(file=file)
    root = composer.compose(text)
    if root is None:
        return None, tuple(composer.diagnostics)
    plain = _Plain(file=file, diagnostics=composer.diagnostics)
    value = plain.convert(root, ())
    if not isinstance(value, dict) and not plain.diagnostics:
        plain.diagnostics.append(
            error_at(
                file,
                root.position,
                "yaml.not-a-mapping",
                f"the file holds {found(value)} where keys and values belong",
                hint="begin with a line `key: value`",
            )
        )
    diagnostics = tuple(sorted(plain.diagnostics, key=lambda d: (d.line or 0, d.column or 0)))
    if not isinstance(value, dict) or plain.is_cut_short:
        return None, diagnostics
    document = Document(
        file=file,
        value=value,
        keys=plain.keys,
        values=plain.values,
    )
    return document, diagnostics


def _decode(content: bytes, file: str) -> str | Diagnostic:
    """The text of a file, or why it has none that YAML could read."""
    if len(content) > MAX_FILE_BYTES:
        message = f"the file has {len(content)} bytes, and {MAX_FILE_BYTES} is the limit"
        return error_at(file, _START, "yaml.too-large", message)
    if content.startswith(_UTF16_MARKS):
        message = "the file is UTF-16, and UTF-8 is expected"
        return error_at(file, _START, "yaml.encoding", message, hint="save it as UTF-8")
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        position = _end_of(content[: error.start].decode())
        message = f"byte 0x{content[error.start]:02x} is not UTF-8 here"
        return error_at(file, position, "yaml.encoding", message, hint="save the file as UTF-8")
    control = _CONTROL.search(text)
    if control is not None:
        position = _end_of(text[: control.start()])
        message = f"the control character U+{ord(control[0]):04X} is not allowed in YAML"
        return error_at(file, position, "yaml.control-character", message, hint="remove it")
    if not text.strip():
        return error_at(file, _START, "yaml.empty", "the file is empty")
    return text


def _end_of(text: str) -> Position:
    """The place after the last character of a text."""
    lines = _LINE_BREAK.split(text)
    return Position(len(lines), len(lines[-1]) + 1)


@dataclass(slots=True, kw_only=True)
class _Node:
    """A scalar, sequence or mapping as written; an alias is the node it names."""

    position: Position
    scalar: str | None = None
    is_plain: bool = False
    items: list[_Node] = field(default_factory=list)  # of a mapping: key, value, key, value
    is_mapping: bool = False
    is_open: bool = False  # its end has not been seen yet


class _UnusableError(Exception):
    """The structure of what follows is not to be relied on; the reason is recorded."""


@dataclass(slots=True, kw_only=True)
class _Composer:
    """Events to nodes, without recursion, so that depth is bounded here and not by C."""

    file: str
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _anchors: dict[str, _Node] = field(default_factory=dict)
    _open: list[_Node] = field(default_factory=list)
    _root: _Node | None = None
    _n_aliases: int = 0

    def compose(self, text: str) -> _Node | None:
        """The root node; None, with a diagnostic, where there is none to go on with."""
        try:
            for event in _events(text):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self.diagnostics.append(_grammar_error(error, text, self.file))
            return None
        except yaml.YAMLError as error:
            self._refuse(_START, "yaml.syntax", f"this is not YAML: {error}")
            return None
        except _UnusableError:
            return None
        if self._root is None:
            self._refuse(_START, "yaml.empty", "the file holds only comments")
        return self._root

    def _take(self, event: yaml.Event) -> None:
        position = _position(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
            self._refuse(
                position,
                "yaml.several-documents",
                "a second document begins here",
                hint="keep one document per file: remove this line and what follows",
            )
            raise _UnusableError
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop().is_open = False
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._follow(event.anchor or "", position))
        elif isinstance(event, yaml.NodeEvent):
            self._begin(event, position)

    def _begin(self, event: yaml.NodeEvent, position: Position) -> None:
        node = _Node(position=position)
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            message = f"the tag {shown} is not supported"
            hint = "remove it; put a text that looks like a number into quotes"
            self._refuse(position, "yaml.tag", message, hint=hint)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._place(node)
        if isinstance(event, yaml.ScalarEvent):
            node.scalar = event.value
            node.is_plain = bool(event.implicit[0])
            return
        node.is_mapping = isinstance(event, yaml.MappingStartEvent)
        node.is_open = True
        self._open.append(node)
        if len(self._open) > MAX_DEPTH:
            message = f"values are nested more than {MAX_DEPTH} deep"
            self._refuse(position, "yaml.too-deep", message)
            raise _UnusableError

    def _place(self, node: _Node) -> None:
        if self._open:
            self._open[-1].items.append(node)
        elif self._root is None:
            self._root = node

    def _follow(self, name: str, position: Position) -> _Node:
        self._n_aliases += 1
        node = self._anchors.get(name)
        if node is not None and not node.is_open and self._n_aliases <= MAX_ALIASES:
            return node
        message = f"there are more than {MAX_ALIASES} aliases"
        hint = None
        if node is None:
            message = f"the alias *{name} names no anchor before it"
            hint = f"put &{name} before the value that it stands for"
        elif node.is_open:
            message = f"the alias *{name} stands inside the value that it names"
        self._refuse(position, "yaml.alias", message, hint=hint)
        raise _UnusableError

    def _refuse(
        self, position: Position, code: str, message: str, *, hint: str | None = None
    ) -> None:
        self.diagnostics.append(error_at(self.file, position, code, message, hint=hint))


def _events(text: str) -> Iterable[yaml.Event]:
    """The events of a text: from libyaml where PyYAML was built with it, else the same."""
    return yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _position(mark: Any) -> Position:  # noqa: ANN401  two classes of marks, and None
    return _START if mark is None else Position(mark.line + 1, mark.column + 1)


@dataclass(slots=True, kw_only=True)
class _Plain:
    """Nodes to plain values, with the places of keys and values by path."""

    file: str
    diagnostics: list[Diagnostic]
    keys: dict[YamlPath, Position] = field(default_factory=dict)
    values: dict[YamlPath, Position] = field(default_factory=dict)
    is_cut_short: bool = False
    _n_nodes: int = 0

    def convert(self, node: _Node, path: YamlPath) -> Any:  # noqa: ANN401  any plain value
        """The node's plain value; None for a scalar that has none, and once cut short."""
        self._n_nodes += 1
        if self.is_cut_short:
            return None
        if self._n_nodes > MAX_NODES or len(path) > MAX_DEPTH:
            self.is_cut_short = True
            limit = f"values are nested more than {MAX_DEPTH} deep"
            if len(path) <= MAX_DEPTH:
                limit = f"the file has more than {MAX_NODES} values"
            self._refuse(node.position, (), "yaml.too-large", f"with its aliases followed, {limit}")
            return None
        self.values[path] = node.position
        if node.scalar is not None:
            return self._scalar(node, path)
        if node.is_mapping:
            return self._mapping(node, path)
        return [self.convert(item, (*path, index)) for index, item in enumerate(node.items)]

    def _mapping(self, node: _Node, path: YamlPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in zip(node.items[::2], node.items[1::2], strict=True):
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in mapping:
                first = self.keys[inner]
                message = (
                    f"the key {key!r} stands here and on line {first.line}, column {first.column}"
                )
                hint = "keep one of them"
                self._refuse(key_node.position, inner, "yaml.duplicate-key", message, hint=hint)
                continue
            self.keys[inner] = key_node.position
            mapping[key] = self.convert(value_node, inner)
        return mapping

    def _key(self, node: _Node, path: YamlPath) -> str | None:
        """The key as a text; None, with a diagnostic, where it is none."""
        if node.scalar is None:
            message = f"found {'a mapping' if node.is_mapping else 'a list'} as a key"
            self._refuse(node.position, path, "yaml.key", message, hint="a key is a text")
            return None
        if not self._is_printable(node, path):
            return None
        if not node.is_plain:
            return node.scalar
        if node.scalar == "<<":
            message = "merge keys (<<) are not supported"
            hint = "write the keys out; an alias (*name) may stand for a whole value"
            self._refuse(node.position, path, "yaml.merge-key", message, hint=hint)
            return None
        value = resolve(node.scalar)
        if isinstance(value, str):
            return value
        what = f"the number {node.scalar}" if isinstance(value, Refusal) else found(value)
        hint = f'put it into quotes: "{node.scalar}"'
        self._refuse(node.position, path, "yaml.key", f"found {what} as a key", hint=hint)
        return None

    def _is_printable(self, node: _Node, path: YamlPath) -> bool:
        """Whether a scalar holds no control character, which escapes can write."""
        match = _UNPRINTABLE.search(node.scalar or "")
        if match is None:
            return True
        message = f"a text cannot hold the character U+{ord(match[0]):04X}"
        self._refuse(node.position, path, "yaml.control-character", message, hint="remove it")
        return False

    def _scalar(self, node: _Node, path: YamlPath) -> str | int | float | bool | None:
        assert node.scalar is not None
        if not self._is_printable(node, path):
            return None
        value = resolve(node.scalar) if node.is_plain else node.scalar
        if isinstance(value, Refusal):
            self._refuse(node.position, path, "yaml.number", value.message, hint=value.hint)
            return None
        return value

    def _refuse(
        self,
        position: Position,
        path: YamlPath,
        code: str,
        message: str,
        *,
        hint: str | None = None,
    ) -> None:
        self.diagnostics.append(error_at(self.file, position, code, message, path=path, hint=hint))


@dataclass(frozen=True, slots=True)
class _Grammar:
    """What the two parsers say of a mistake, and how to say it to people."""

    said: str
    message: str
    hint: str | None = None


# The first that occurs in the parser's words wins.
_GRAMMAR = (
    _Grammar(
        "mapping values are not allowed",
        "a second `: ` stands in one line, or the indentation is wrong",
        "begin a new line for the key, or put a text that holds `: ` into quotes",
    ),
    _Grammar(
        "could not find expected ':'",
        "a line without `: ` stands where a key belongs",
        "write `key: value`",
    ),
    _Grammar("unexpected end of stream", "a quote is opened and never closed"),
    _Grammar("flow mapping", "a mapping in braces is not closed, or lacks a comma"),
    _Grammar("flow sequence", "a list in brackets is not closed, or lacks a comma"),
    _Grammar(
        "block mapping",
        "this line fits no mapping above it",
        "give the keys of one mapping the same indentation",
    ),
    _Grammar(
        "block collection",
        "this line fits no list above it",
        "give the items of one list the same indentation",
    ),
    _Grammar(
        "scanning an alias",
        "an alias (*) has no name that YAML allows",
        "put a text that begins with * into quotes",
    ),
    _Grammar(
        "scanning an anchor",
        "an anchor (&) has no name that YAML allows",
        "put a text that begins with & into quotes",
    ),
    _Grammar(
        "unknown escape",
        "a backslash in double quotes begins no escape that YAML knows",
        "use single quotes, or write two backslashes",
    ),
    _Grammar(
        "cannot start any token", "a text cannot begin with this character", "put it into quotes"
    ),
)


def _grammar_error(error: yaml.MarkedYAMLError, text: str, file: str) -> Diagnostic:
    """The diagnostic of a parser's error, at the place where the parser noticed it."""
    position = _position(error.problem_mark or error.context_mark)
    lines = _LINE_BREAK.split(text)
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    indentation = line[: len(line) - len(line.lstrip(" \t"))]
    if "\t" in indentation:
        position = Position(position.line, indentation.index("\t") + 1)
        message = "a tab stands in the indentation"
        return error_at(file, position, "yaml.tab", message, hint="indent with spaces")
    said = " ".join(str(part) for part in (error.context, error.problem) if part)
    for known in _GRAMMAR:
        if known.said in said:
            return error_at(file, position, "yaml.syntax", known.message, hint=known.hint)
    return error_at(file, position, "yaml.syntax", f"this is not YAML: {said}")
