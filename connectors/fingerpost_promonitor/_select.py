"""Check a college's own SELECT before it may run: it must be one statement that reads, and nothing more.

The tokenizer is strict on purpose. A parser of three dialects would have to be trusted to have understood; this one
refuses whatever it does not know by name, and a college can always write a view instead.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

PARAMETERS: Final = ("academic_year", "since")
"""The parameters that a query may name: the academic year as the database spells it, and an instant in local time."""

IDENTIFIER: Final = re.compile(r"[A-Za-z_][\w$ ]{0,127}")

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)
      | (?P<comment>--|/\*|\*/|\#)
      | (?P<text>'(?:[^'\\]|'')*')
      | (?P<quoted>"(?:[^"]|"")+"|\[(?:[^\[\]]|\]\])+\])
      | (?P<parameter>:[A-Za-z_]\w*)
      | (?P<word>@{0,2}[A-Za-z_][\w$]*)
      | (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$.]))  # SQL Server reads 1e0EXEC as two words
      | (?P<sign><>|!=|<=|>=|\|\||[-+*/%=<>(),.&|^])
    """,
    re.VERBOSE,
)

_REFUSED: Final = frozenset(
    {
        "alter", "attach", "backup", "begin", "bulk", "call", "checkpoint", "commit", "create", "dbcc", "deallocate",
        "declare", "delete", "deny", "detach", "disable", "drop", "enable", "exec", "execute", "goto", "grant", "if",
        "insert", "into", "kill", "merge", "opendatasource", "openquery", "openrowset", "pragma", "print", "raiserror",
        "readtext", "receive", "reconfigure", "restore", "return", "revert", "revoke", "rollback", "save", "savepoint",
        "send", "set", "setuser", "shutdown", "throw", "trigger", "truncate", "update", "updatetext", "upsert", "use",
        "vacuum", "waitfor", "while", "writetext",
    }
)  # fmt: skip
"""Words that begin a statement that changes something: SQL Server takes a second statement without a semicolon."""

_REFUSED_FUNCTIONS: Final = re.compile(
    r"(?:sp|xp|fn_my|dbms|lo|pg|dblink|utl|query_to|table_to|cursor_to|database_to|schema_to)_\w*"
    r"|dblink|nextval|setval|set_config|load_extension|readfile|writefile|edit|sleep|benchmark"
)
"""Functions that write, wait, run text as a statement, or reach files and other servers."""


def checked_name(name: str) -> str:
    """Return a name of a table or column, or raise ValueError where it could be anything else."""
    if not IDENTIFIER.fullmatch(name) or name != name.strip():
        raise ValueError(
            "is not a plain name: letters, digits, _, $ and spaces, not beginning with a digit, at most 128"
        )
    return name


def checked_select(statement: str) -> str:
    """Return a SELECT in the form in which SQLAlchemy's `text` takes it, or raise ValueError saying what is wrong.

    Colons within texts are escaped, so that only `PARAMETERS` are parameters. ValueError quotes words of the statement
    only, which is configuration and holds nobody's data.
    """
    parts: list[str] = []
    depth, position, first = 0, 0, ""
    before = _Piece("", "", 0)
    while position < len(statement):
        match = _TOKEN.match(statement, position)
        if match is None:
            raise ValueError(_unexpected(statement[position]))
        piece = _Piece(str(match.lastgroup), match.group(), match.end())
        if piece.kind == "blank":
            parts.append(" ")
            position = piece.end
            continue
        _refuse(piece, before, touching=before.end == position)
        if not first and piece.text != "(":
            first = piece.text.casefold()
        depth += {"(": 1, ")": -1}.get(piece.text, 0)
        if depth < 0:
            raise ValueError("closes a bracket that it does not open")
        parts.append(piece.text.replace(":", "\\:") if piece.kind in {"text", "quoted"} else piece.text)
        before, position = piece, piece.end
    if first not in {"select", "with"}:
        raise ValueError("must begin with SELECT or WITH")
    if depth:
        raise ValueError("does not close every bracket")
    return "".join(parts).strip()


class _Piece(NamedTuple):
    kind: str
    text: str
    end: int


def _refuse(piece: _Piece, before: _Piece, *, touching: bool) -> None:
    """Raise ValueError for what a statement that only reads does not need."""
    word = piece.text.casefold()
    if piece.kind == "comment":
        raise ValueError("must not contain comments; take them out")
    if piece.kind == "parameter" and piece.text[1:] not in PARAMETERS:
        raise ValueError(f"uses the parameter {piece.text}, but there are only :{' and :'.join(PARAMETERS)}")
    if piece.kind == "text" and before.kind == "word" and touching and before.text not in {"N", "n"}:
        raise ValueError("has letters directly before a text; take them away")
    if piece.text == "(" and before.kind == "quoted":
        raise ValueError("calls a function by a quoted name; write it without quotes")
    if piece.kind != "word":
        return
    if word.startswith("@"):
        raise ValueError("must not use variables; the parameters are :academic_year and :since")
    if word in _REFUSED or (word == "value" and before.text.casefold() == "next"):
        raise ValueError(
            f"must only read, so the word {word.upper()} is refused; if it is the name of a column, write [{word}]"
        )
    if _REFUSED_FUNCTIONS.fullmatch(word):
        raise ValueError(f"must only read tables and views, so {word} is refused")


def _unexpected(character: str) -> str:
    if character == ";":
        return "must be one statement without a semicolon"
    if character in "'\"[":
        return f"has a {character} that is not closed, or a text with a backslash"
    if character == ":":
        return "has a colon that does not begin a parameter; write CAST(x AS type) instead of ::"
    return f"holds the character {character!r}, which is not allowed there"
