"""Read TOML documents, a college's and our own: find one by name, and lay it over the one that it extends."""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from fingerpost._words.errors import ConfigError
from fingerpost._words.faults import config_error, unknown
from fingerpost._words.nearest import did_you_mean


def packaged_file(package: str, name: str) -> Path:
    """Return the path of a file that comes with a package."""
    return Path(str(importlib.resources.files(package) / name))


def read_document(path: Path, what: str, advice: str = "") -> dict[str, Any]:
    """Return the contents of a TOML file; `what` is what it should be, `advice` how to get one, after a space.

    Raises `ConfigError` with place and remedy if the file cannot be read, and never quotes it: it may hold a secret.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; name the {what} in it.")
        text = path.read_text(encoding="utf-8-sig")  # Notepad saves a byte order mark, which TOML does not allow
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {what} {path}.{advice}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read by this account ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it again as UTF-8.") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise config_error(path, [_syntax(str(error), text)]) from None  # the trace would hold the whole text
    if not document:
        raise ConfigError(f"{path} is empty.{advice}")
    return document


def _syntax(message: str, text: str) -> str:
    what, _, place = message.rpartition(" (at ")
    place = place.removesuffix(")")
    line = re.match(r"line (\d+)", place)
    shown = text.splitlines()[int(line[1]) - 1] if line and int(line[1]) <= len(text.splitlines()) else ""
    hint = ""
    if "\\" in shown:
        hint = " In double quotes a backslash must be doubled; write paths with / or in single quotes."
    elif "declare" in what or "overwrite" in what or "redefine" in what or "mutate" in what:
        hint = " A table or key may appear only once."
    elif "invalid value" in what.casefold():
        hint = " Text needs quotes; yes and no are written true and false."
    return f"not valid TOML at {place}: {what[:1].lower()}{what[1:]}.{hint}"


class Library:
    """Find documents by name: a college's own, beside its configuration, and those that plugins ship.

    A subclass says what they are, and how one is laid over the one that it ``extends``.
    """

    what: ClassVar[str]
    """What one is called in a sentence, such as ``mapping``."""

    folder: ClassVar[str]
    """The folder of a college's own, beside its configuration."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._shipped: dict[str, Path] = {}
        for path in files:  # the first of a name wins: a plugin cannot shadow a built-in document
            self._shipped.setdefault(path.stem, path)

    def names(self, base_dir: Path | None = None) -> tuple[str, ...]:
        """Return the names of all that is shipped and, with `base_dir`, of the college's own, sorted."""
        own = (base_dir / self.folder).glob("*.toml") if base_dir else ()
        return tuple(sorted({*self._shipped, *(path.stem for path in own)}))

    def read(self, name: str, base_dir: Path | None) -> tuple[Path, dict[str, Any]]:
        """Return the file called `name` and its contents, laid over what it extends.

        A bare name means NAME.toml in the college's folder under `base_dir` if that file exists, else the shipped one.
        A name that ends in ``.toml`` or holds a slash is a path relative to `base_dir`. Raises `ConfigError` if it does
        not exist or cannot be read, or if documents extend each other in a circle.
        """
        path = self._find(name, base_dir, [])
        return path, self._extended(path, base_dir, [path])

    def overlay(self, base: dict[str, Any], top: dict[str, Any], *, files: tuple[Path, Path]) -> dict[str, Any]:
        """Lay `top` over `base`; `files` are their paths, the base's first."""
        raise NotImplementedError

    def _find(self, name: str, base_dir: Path | None, chain: list[Path]) -> Path:
        is_path = name.endswith(".toml") or not {"/", "\\", ":"}.isdisjoint(name)
        own = (base_dir or Path()) / (name if is_path else f"{self.folder}/{name}.toml")
        shipped = None if is_path else self._shipped.get(name)
        found = [path for path in (own if base_dir else None, shipped) if path and path.is_file()]
        if not found:
            names = self.names(base_dir)
            said = f"There is no {self.what} '{name}'.{did_you_mean(name, names)}"
            said = unknown(f"{chain[-1]}: extends", self.what, name, names) if chain else said
            raise ConfigError(f"{said} A {self.what} of your own would be {own}.")
        before = [path.resolve() for path in chain]
        for path in found:  # a college's own may extend the shipped one of its name
            if path.resolve() not in before:
                return path
        raise ConfigError(f"{chain[-1]}: extends leads back to this file; remove one extends line.")

    def _extended(self, path: Path, base_dir: Path | None, chain: list[Path]) -> dict[str, Any]:
        data = read_document(path, self.what, " Begin it with schema_version = 1.")
        if data.get("schema_version", 1) != 1:
            raise ConfigError(f"{path}: schema_version must be 1 in this release.")
        extends = data.pop("extends", None)
        if extends is None:
            return data
        if not isinstance(extends, str):
            raise ConfigError(f"{path}: extends must be the name of one {self.what}, in quotes.")
        base = self._find(extends, base_dir, chain)
        return self.overlay(self._extended(base, base_dir, [*chain, base]), data, files=(base, path))
