"""The plugin inside the core: the mappings, frameworks and converters we ship, and the usual places for secrets."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fingerpost._contract.connector import hookimpl
from fingerpost._words.errors import ConfigError


@hookimpl
def mappings() -> Iterable[Path]:
    """Return the mapping files of the data package."""
    return sorted(_data("sources").glob("*.toml"))


@hookimpl
def frameworks() -> Iterable[Path]:
    """Return the framework files of the data package."""
    return sorted(_data("frameworks").glob("*.toml"))


@hookimpl
def converters() -> Mapping[str, Callable[[Any], Any]]:
    """Return the converters that the shipped mappings need: none so far."""
    return {}


@hookimpl
def resolve_secret(reference: Mapping[str, str]) -> str | None:
    """Look up an ``env``, ``file`` or ``keyring`` reference; leave others to plugins."""
    for kind, resolve in (("env", _from_environment), ("file", _from_file), ("keyring", _from_keyring)):
        if kind in reference:
            return resolve(reference[kind])
    return None


def _data(name: str) -> Path:
    return Path(str(importlib.resources.files("fingerpost_mappings"))) / name


def _from_environment(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(
            f"the environment variable {variable} is not set; set it for the account that runs Fingerpost"
        )
    return value


def _from_file(name: str) -> str:
    try:
        value = Path(name).read_text(encoding="utf-8-sig").rstrip("\r\n")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {name}; put the secret, and nothing else, into it") from error
    except OSError as error:
        raise ConfigError(f"the file {name} cannot be read by this account ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the file {name} is not UTF-8 text; save it as UTF-8") from error
    if not value:
        raise ConfigError(f"the file {name} is empty; put the secret, and nothing else, into it")
    return value


def _from_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    if not service or not user:
        raise ConfigError('a keyring reference is written { keyring = "service/user" }')
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        raise ConfigError(
            "keyring references need the keyring extra; install it with: pip install fingerpost[keyring]"
        ) from error
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # every backend raises its own
        raise ConfigError(
            f"the keyring cannot be opened by this account ({type(error).__name__})", detail=type(error).__name__
        ) from error
    if not value:
        raise ConfigError(
            f"the keyring has no password for user {user} of service {service}; store it as the account that runs "
            f"Fingerpost with: keyring set {service} {user}"
        )
    return str(value)
