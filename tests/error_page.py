"""Every error message of Fingerpost, read from the code, and the page that explains them.

`docs/errors.md` holds what only a person can write: the smallest cause of each message and its repair. This module
finds the messages in the source and brings the page up to date: ``python tests/error_page.py --write`` keeps the words
beside a message that was reworded and marks what is new.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
SOURCES = ("core", "connectors", "cli", "demo")
TO_DO = "TO BE WRITTEN"

SAID = {
    **dict.fromkeys(("ConfigError", "AuthError", "SourceUnavailable", "RateLimited", "RecordError"), 0),
    **dict.fromkeys(
        ("ContractError", "StoreError", "StoreHeld", "LockHeld", "BreakerOpen", "UsageError", "BadParameter"), 0
    ),
    **dict.fromkeys(("ValueError", "changed", "refused", "say"), 0),
    **dict.fromkeys(("Refused", "refuse", "config_error", "_broken", "_lost", "_Halt"), 1),
    "_refused": 2,
}
"""What makes an error, and which of its arguments is the sentence."""

LISTS = ("problems", "messages", "warnings")
"""Where sentences are collected: they are appended, added or set."""

SPEAKERS = {
    "_words/faults.py": ("unknown", "sentence", "_about_table", "_unknown_table", "_must"),
    "_plugins/admission.py": (
        *("instance_problem", "_class_problem", "_stream_problem"),
        *("_marked_problem", "_unmarked_problem", "_argument_problem"),
    ),
}
"""Functions that return sentences to other files."""

GUESSES = ("did_you_mean", "meant")
VAGUE = ("advice", "after", "hint", "meaning", "otherwise", "said", "strerror", "told", "why")
BETTER = {"config": "connector", "context": "connector", "instance": "connector", "spec": "stream"}
"""Holes that add a guess, names of holes that say nothing to a reader, and names that say more than the variable."""

SENTENCES = ("rights",)
"""Names of attributes that end a message."""

UNHEARD = ("an instant needs a time zone", "{constant} is not JSON")
"""What the program says only to itself: it is caught before anybody reads it, or a mistake of ours."""


# The messages in the code


@dataclass(frozen=True)
class Message:
    """One sentence of the code: its holes are written as names in braces, or as … where a name says nothing."""

    text: str
    file: str
    kind: str

    @property
    def group(self) -> str:
        """Return the title under which the page has it: who must act."""
        fits = (title for title, kinds, places in GROUPS if self.kind in kinds or any(p in self.file for p in places))
        return next(fits)


GROUPS = (
    ("Plugins", ("ContractError", "Refused", "_broken"), ("_plugins/admission.py",)),
    ("Messages of a run", ("messages", "warnings", "message", "say", "BreakerOpen"), ()),
    ("Mappings and frameworks", (), ("_mapping/", "_benchmarks/", "_record/", "_plugins/context.py")),
    ("The store", (), ("_store/",)),
    ("Databases and ProMonitor", (), ("fingerpost_promonitor/", "prosuite")),
    ("Mail", (), ("fingerpost_email/",)),
    ("Web services", (), ("_web/", "fingerpost_rest/", "_market/", "/lmi.py", "fingerpost_lmi", "fingerpost_occ",
                          "fingerpost_ncs/", "fingerpost_app")),
    ("Files", (), ("/files.py", "fingerpost_csv/", "fingerpost_jsonl/", "fingerpost_ilr/")),
    ("Commands", ("UsageError", "BadParameter"), ("_views/", "fingerpost_cli/", "fingerpost_demo/", "_alerts/")),
    ("Configuration", (), ("",)),
)  # fmt: skip
"""The groups of the page, by the kind of an error or by where it is raised; the first that fits."""

ORDER = ("Configuration", "Mappings and frameworks", "Files", "Web services", "Databases and ProMonitor", "Mail",
         "The store", "Commands", "Plugins", "Messages of a run")  # fmt: skip


class Module:
    """One file of the source, and the sentences in it."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.tree = ast.parse(source)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}

    def messages(self) -> Iterator[Message]:
        for kind, node in self._said():
            for text in self.texts(node):
                if _is_sentence(text) and text not in UNHEARD:
                    yield Message(re.sub(r"…[….]*…", "…", text), self.file, kind)

    def _said(self) -> Iterator[tuple[str, ast.expr]]:
        """Yield every expression that becomes a message, and what it becomes."""
        for ending, names in SPEAKERS.items():
            if self.file.endswith(ending):
                yield from (("returned", value) for name in names for value in self._returns(name))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield from self._in_call(node)
            elif isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Attribute):
                if target.attr == "message" and _name(target.value) == "report":
                    yield "message", node.value
            elif isinstance(node, ast.Assign) and _name(node.targets[0]) in SENTENCES:
                yield _name(node.targets[0]), node.value
            elif isinstance(node, ast.AugAssign) and _name(node.target) in LISTS:
                yield _name(node.target), node.value

    def _in_call(self, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
        name = _name(node.func)
        if name == "say" and isinstance(node.func, ast.Name):
            return  # what a command prints; a report's `say` is a message
        if name in SAID and len(node.args) > SAID[name]:
            yield name, node.args[SAID[name]]
        holder = _name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if name in ("append", "setdefault") and holder in LISTS:
            yield holder, node.args[-1]

    def _returns(self, name: str) -> list[ast.expr]:
        nodes = ast.walk(self.functions[name]) if name in self.functions else ()
        return [node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None]

    def _assigned(self, name: ast.Name) -> list[ast.expr]:
        """Return what a name is set to in its function, else in its module."""
        holder: ast.AST = name
        while not isinstance(holder, (ast.FunctionDef, ast.Module)):
            holder = self.parents[holder]
        for scope in (holder, self.tree):
            found = [
                node.value
                for node in ast.walk(scope)
                if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr))
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Name) and target.id == name.id and node.value is not None
            ]
            if found:
                return found
        return []

    def texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Return what an expression can say, as templates."""
        if depth > 12:
            return []
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(map(_part, parts))]
            case ast.BinOp(left=left, right=right):
                pairs = product(self.texts(left, depth + 1) or ["…"], self.texts(right, depth + 1) or ["…"])
                return ["".join(pair) for pair in pairs]
            case ast.IfExp(body=one, orelse=other):
                return self.texts(one, depth + 1) + self.texts(other, depth + 1)
            case ast.BoolOp(values=nodes) | ast.List(elts=nodes) | ast.Tuple(elts=nodes) | ast.Dict(values=nodes):
                return [text for each in nodes for text in self.texts(each, depth + 1)]
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return self.texts(elt, depth + 1)
            case ast.Subscript(value=value):
                return self.texts(value, depth + 1)
            case ast.Name():
                return [text for each in self._assigned(node) for text in self.texts(each, depth + 1)]
            case ast.Call(func=ast.Attribute(value=value, attr="format" | "get" | "replace" | "rstrip")):
                return [text.replace("{}", "…") for text in self.texts(value, depth + 1)]
            case ast.Call(func=ast.Attribute(attr="join" | "fromkeys"), args=[*_, inner]):
                return self.texts(inner, depth + 1)
            case ast.Call(func=function) if _name(function) in self.functions and _name(function) not in SAID:
                return [text for each in self._returns(_name(function)) for text in self.texts(each, depth + 1)]
        return []


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _part(node: ast.expr) -> str:
    """Return one part of an f-string; a guess at what was meant is left out, for the sentence is whole without it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    value = node.value if isinstance(node, ast.FormattedValue) else node
    if isinstance(value, ast.Attribute) and value.attr == "name" and _name(value.value) != "self":
        value = value.value
    name = _name(value.func if isinstance(value, ast.Call) else value)
    if name in GUESSES:
        return ""
    is_vague = isinstance(value, ast.Call) or not name.islower() or name.startswith("__") or name in VAGUE
    return "…" if is_vague else f"{{{BETTER.get(name, name).strip('_')}}}"


def _is_sentence(text: str) -> bool:
    return len(re.findall(r"[A-Za-z]{2,}", re.sub(r"\{\w*\}", "", text))) >= 2


def collected(root: Path = ROOT) -> list[Message]:
    """Return every message of the source, each once, in the order of the page."""
    found: dict[str, Message] = {}
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            module = Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
            for message in module.messages():
                found.setdefault(without_holes(message.text), message)
    return sorted(found.values(), key=lambda message: (ORDER.index(message.group), order_of(message.text)))


def without_holes(text: str) -> str:
    return re.sub(r"\{\w*\}", "…", text)


def order_of(text: str) -> tuple[str, str]:
    """Return how a message sorts: by its words, as an index does."""
    return " ".join(re.findall(r"[a-z0-9]+", without_holes(text).lower())), text


# The page


@dataclass
class Row:
    """What the page says of one message."""

    cause: str = TO_DO
    repair: str = TO_DO


@dataclass
class Page:
    """The page in its parts: the words before the first group, those of each group, and the rows by message."""

    head: str
    groups: dict[str, str]
    rows: dict[str, Row]

    @classmethod
    def parse(cls, text: str) -> Page:
        head, *groups = re.split(r"^## ", text, flags=re.MULTILINE)
        page = cls(head, {}, {})
        for group in groups:
            title, _, rest = group.partition("\n")
            page.groups[title] = rest.partition("\n|")[0].strip()
            for line in re.findall(r"^\| (`.*) \|$", rest, re.MULTILINE):
                message, cause, repair = re.split(r" (?<!\\)\| ", line)
                page.rows[_uncoded(message)] = Row(cause, repair)
        return page

    def renewed(self, messages: Iterable[Message]) -> Page:
        """Return the page with the messages of today; a reworded one keeps its cause and repair."""
        now = [message.text for message in messages]
        gone = [text for text in self.rows if text not in now]
        rows = {text: self.rows[text] for text in now if text in self.rows}
        likely = sorted(
            ((SequenceMatcher(None, old, new).ratio(), old, new) for old in gone for new in now if new not in rows),
            reverse=True,
        )
        for alike, old, new in likely:
            if alike > ALIKE and old in gone and new not in rows:
                rows[new] = self.rows[old]
                gone.remove(old)
        return Page(self.head, self.groups, {text: rows.get(text, Row()) for text in now})

    def written(self, messages: Iterable[Message]) -> str:
        by_group: defaultdict[str, list[str]] = defaultdict(list)
        for message in messages:
            row = self.rows[message.text]
            by_group[message.group].append(f"| {_coded(message.text)} | {row.cause} | {row.repair} |")
        parts = [self.head.rstrip()]
        for title in ORDER:
            about = [f"## {title}", self.groups.get(title, TO_DO)]
            table = ["| Message | Smallest cause | Repair |", "|---|---|---|", *by_group[title]]
            parts += [*about, "\n".join(table)]
        return "\n\n".join(parts) + "\n"


ALIKE = 0.6
"""How much of a reworded message must be as it was, for its words to stay."""


def _coded(text: str) -> str:
    """Return a message as code in a cell of a table."""
    mark = "``" if "`" in text else "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{mark}{pad}{text}{pad}{mark}".replace("|", "\\|").replace("\n", " ")


def _uncoded(cell: str) -> str:
    return (cell[2:-2].strip() if cell.startswith("``") else cell[1:-1]).replace("\\|", "|")


def main() -> int:
    """Bring the page up to date, or say what is not; the exit code counts for a shell."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/errors.md anew")
    write = parser.parse_args().write
    messages = collected()
    old = Page.parse(PAGE.read_text(encoding="utf-8"))
    page = old.renewed(messages)
    if write:
        PAGE.write_text(page.written(messages), encoding="utf-8", newline="\n")
    wanting = [text for text, row in page.rows.items() if TO_DO in (row.cause, row.repair)]
    for title, texts in (
        ("New or reworded", [text for text in page.rows if text not in old.rows]),
        ("Gone or reworded", [text for text in old.rows if text not in page.rows]),
        (f"Search the page for {TO_DO} and write cause and repair", wanting),
    ):
        if texts:
            print(f"{title}:", *texts, sep="\n  ")
    return int(bool(wanting))


if __name__ == "__main__":
    sys.exit(main())
