"""Read TOML documents, a person's and our own, and say what is wrong with one."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from fingerpost._words.errors import ConfigError
from fingerpost._words.faults import config_error

if TYPE_CHECKING:
    from pathlib import Path

# The file


def read_document(path: Path) -> dict[str, Any]:
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; name the configuration file in it.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no configuration file {path}. `fingerpost init` writes one; FINGERPOST_CONFIG may name another."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read by this account ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it again with the encoding UTF-8.") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise config_error(path, [_syntax(str(error), text)]) from None  # the trace would hold the whole text
    if not document:
        raise ConfigError(f"{path} is empty. `fingerpost init` writes one to start from.")
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
        hint = " A table or key may stand only once."
    elif "invalid value" in what.casefold():
        hint = " Text needs quotes; yes and no are written true and false."
    return f"not valid TOML at {place}: {what[:1].lower()}{what[1:]}.{hint}"


# -- the library ------------------------------------------------------------------------------------------------------


def read_toml(path: Path) -> dict[str, Any]:
    try:
        # Notepad saves a byte order mark, which TOML does not allow.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the file is not UTF-8 text; save it with the encoding UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: the mapping cannot be read: {error.strerror or 'unknown error'}") from error
