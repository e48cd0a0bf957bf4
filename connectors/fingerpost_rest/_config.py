"""What a ``[[connector]]`` table of type `rest` may say, and how a shipped declaration is laid underneath it."""

from __future__ import annotations

import importlib.resources
import ipaddress
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from fingerpost import ConnectorConfig, SourceConfig, StreamName
from fingerpost_rest._paths import compiles, whole_list
from fingerpost_rest._years import PLACEHOLDER, check_spellings


def _path_in_json(value: str) -> str:
    if not compiles(value):
        raise ValueError("is not a JMESPath; write one such as data or meta.pagination.next")
    return value


def _header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", value):
        raise ValueError("is not the name of a header; write one such as X-API-Key")
    return value


def _address(value: str) -> str:
    """Refuse an address to which a key must not go, or that hides more than an address."""
    if re.search(r"[\\\s\x00-\x1f\x7f-\x9f]", value):
        raise ValueError("must not contain a backslash, a space or a control character")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError("is not a web address; write one such as https://api.example.ac.uk/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must not contain a user, a password, ? or #; keys go into auth and parameters into query")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must begin with https://, or keys and learners' data would travel unencrypted")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def relative(value: str) -> str:
    """Refuse a path that leads away from base_url, or that hides parameters."""
    if "://" in value or value.startswith("//") or "?" in value or "#" in value:
        raise ValueError("must be a path below base_url, without ? or #; parameters go into query")
    return value


def _no_key(value: str) -> str:
    if value.casefold() in {"authorization", "cookie", "x-api-key"}:
        raise ValueError("is a header for keys, which would stand in the file unprotected; use auth")
    return value


def _containing(placeholder: str, example: str) -> AfterValidator:
    def check(value: str) -> str:
        if value.count(placeholder) != 1:
            raise ValueError(f'must hold {placeholder} once, such as "{example}"')
        return value

    return AfterValidator(check)


JmesPath: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_path_in_json)]
HeaderName: TypeAlias = Annotated[str, AfterValidator(_header)]
_Asked = TypeVar("_Asked", str, dict[str, str])
_Name: TypeAlias = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A table of the configuration: unknown keys are refused, and values are never printed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


# -- signing in -------------------------------------------------------------------------------------------------------

_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "api_key": (("key", "header"), ("value",)),
    "bearer": (("token",), ("header", "value")),
    "basic": (("username", "password"), ()),
    "oauth2": (("url", "client_id", "client_secret"), ("send", "scope", "token_path", "header", "value")),
    "login": (
        ("url", "username", "password"),
        ("send", "username_field", "password_field", "token_path", "header", "value"),
    ),
}
"""The keys that each way to sign in needs, and those that it may have."""


class Auth(Table):
    """``auth``: how we sign in to the service. Which keys it takes depends on its `kind`."""

    kind: Literal["none", "api_key", "bearer", "basic", "oauth2", "login"] = Field(
        default="none", description="How to sign in: api_key, bearer, basic, oauth2 or login."
    )
    key: SecretStr | None = Field(default=None, description="The key of an api_key.")
    token: SecretStr | None = Field(default=None, description="The token of a bearer.")
    username: str | None = Field(default=None, description="Who signs in, for basic and login.")
    password: SecretStr | None = Field(default=None, description="The password, for basic and login.")
    client_id: str | None = Field(default=None, description="The client's id, for oauth2.")
    client_secret: SecretStr | None = Field(default=None, description="The client's secret, for oauth2.")
    scope: str | None = Field(default=None, description="The scope to ask for, for oauth2.")
    url: str | None = Field(
        default=None, description="Where tokens are given, for oauth2 and login: an address, or a path below base_url."
    )
    send: Literal["json", "form", "basic"] | None = Field(
        default=None,
        description="How the credentials are sent for oauth2 (basic or form) and login (json, form or basic).",
    )
    username_field: _Name = Field(default="username", description="What a login calls the user.")
    password_field: _Name = Field(default="password", description="What a login calls the password.")
    token_path: JmesPath | None = Field(default=None, description="Where the token is in the answer, as a JMESPath.")
    header: HeaderName = Field(default="Authorization", description="The header in which the key or token is sent.")
    value: Annotated[str, _containing("{token}", "Bearer {token}")] | None = Field(
        default=None, description='What the header says, such as "Bearer {token}".'
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        (needed, optional), given = _KEYS[self.kind], self.model_fields_set - {"kind"}
        missing = [name for name in needed if name not in given]
        if missing:
            raise ValueError(f'of kind "{self.kind}" needs {" and ".join(missing)} as well')
        idle = sorted(given - {*needed, *optional})
        if idle:
            raise ValueError(f'of kind "{self.kind}" has no use for {", ".join(idle)}; remove it')
        if self.kind == "oauth2" and self.send == "json":
            raise ValueError('of kind "oauth2" sends its credentials as "basic" or "form"')
        if self.url is not None:
            (_address if "://" in self.url else relative)(self.url)
        return self


# -- streams ----------------------------------------------------------------------------------------------------------


class Pagination(Table):
    """``pagination``: how the service cuts a long list into pages."""

    kind: Literal["none", "next_link", "page", "offset", "cursor"] = Field(
        default="none", description="How to get from one page to the next."
    )
    next: JmesPath | None = Field(
        default=None,
        description="Where the next address (next_link) or token (cursor) is in the answer. A next_link without it is "
        "taken from the Link header.",
    )
    parameter: _Name | None = Field(
        default=None, description="The query parameter of the page number, the offset or the token."
    )
    start: int | None = Field(default=None, ge=0, description="The number of the first page; 1 by default.")
    size: int | None = Field(default=None, ge=1, description="How many records to ask for on one page.")
    size_parameter: _Name | None = Field(default=None, description="The query parameter of the size.")
    total: JmesPath | None = Field(
        default=None, description="Where the answer says how many records there are in all. For page and offset."
    )
    more: JmesPath | None = Field(
        default=None,
        description="Where the answer says true or false: whether another page follows. For page and offset.",
    )
    max_pages: int = Field(default=10_000, ge=1, description="The most pages that one list may have.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = self.model_fields_set - {"kind"}
        takes = {
            "none": set(),
            "next_link": {"next", "max_pages"},
            "page": {"parameter", "start", "total", "more", "max_pages"},
            "offset": {"parameter", "total", "more", "max_pages"},
            "cursor": {"parameter", "next", "max_pages"},
        }[self.kind]
        if idle := sorted(given - takes - {"size", "size_parameter"}):
            raise ValueError(f'of kind "{self.kind}" has no use for {", ".join(idle)}; remove it')
        if self.kind == "cursor" and self.next is None:
            raise ValueError('of kind "cursor" needs next, the place of the next token in the answer')
        if (self.size is None) != (self.size_parameter is None):
            raise ValueError("needs size and size_parameter together, or neither")
        return self


class Incremental(Table):
    """``incremental``: how to ask only for what changed."""

    parameter: _Name = Field(description="The query parameter that says since when.")
    cursor: Literal["instant", "date", "integer"] = Field(default="instant", description="What kind of mark it takes.")
    field: JmesPath | None = Field(
        default=None,
        description="Where a record says when it was changed. Without it the mark is the start of the last read.",
    )
    format: _Name | None = Field(default=None, description='How to write it, such as "%Y-%m-%d %H:%M:%S"; else ISO.')
    local: bool = Field(default=False, description="Write it in the college's time zone instead of UTC.")
    value: Annotated[str, _containing("{cursor}", "modified>='{cursor}'")] = Field(
        default="{cursor}", description="What the parameter says, for services that take an expression."
    )
    ordered: bool = Field(default=False, description="The records come in the order of their changes.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.cursor == "integer" and self.field is None:
            raise ValueError("with whole numbers needs field, the place of the number in a record")
        return self


def _spelt(value: _Asked) -> _Asked:
    check_spellings(value)
    return value


RelativePath: TypeAlias = Annotated[str, AfterValidator(relative), AfterValidator(_spelt)]
Query: TypeAlias = Annotated[dict[str, str], AfterValidator(_spelt)]


class Listed(Table):
    """Where a list of records is, and how it is cut into pages."""

    path: RelativePath = Field(description="The path below base_url.")
    query: Query = Field(default_factory=dict, description="Query parameters of the first request.")
    records: JmesPath = Field(default="@", description="Where the list of records is in an answer, as a JMESPath.")
    success: JmesPath | None = Field(
        default=None,
        description="True in an answer that succeeded, for services that report failures with status 200. Without it "
        "the usual signs of a failure count.",
    )
    pagination: Pagination = Pagination()

    @property
    def asked(self) -> dict[str, Any]:
        """What is asked for, in which an academic year may stand."""
        return {"path": self.path, "query": self.query}

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if self.pagination.kind in {"page", "offset"}:
            try:
                whole_list(self.records)
            except ValueError:
                raise ValueError(
                    f'cannot be read with pagination of kind "{self.pagination.kind}" while records filters inside '
                    "another expression, since the pages are counted before the filter; let the filter follow the "
                    "list, as in data[?type=='careers']"
                ) from None
        return self


class RestStream(Listed):
    """``streams.NAME``: where the records of one stream are, and which mapping reads them."""

    enabled: bool = Field(default=True, description="Set to false to leave out a stream of a shipped declaration.")
    expand: JmesPath | None = Field(
        default=None,
        description="A list within each record: every element becomes a record of its own, which has the element "
        "as item beside the fields around it.",
    )
    key: tuple[JmesPath, ...] = Field(
        default=(), description="What identifies a record. Empty means the columns that the mapping names."
    )
    deleted: JmesPath | None = Field(default=None, description="True in a record that the service has deleted.")
    mapping: _Name = Field(description="The mapping that says what the fields mean.")
    mode: Literal["snapshot", "append"] | None = Field(
        default=None,
        description="snapshot: a record that is gone from the service is gone. append: what was read once stays. The "
        "default is append for activities and destinations, else snapshot.",
    )
    incremental: Incremental | None = None

    def kept(self, name: str) -> Literal["snapshot", "append"]:
        """Return how the records are kept: as configured, else by the default of the stream."""
        return self.mode or ("append" if name in {"activities", "destinations"} else "snapshot")


class Rate(Table):
    """``rate``: how many requests the service allows in a period."""

    requests: int = Field(ge=1, description="How many requests in the period.")
    seconds: float = Field(default=60.0, gt=0, description="How long the period is.")


class Service(ConnectorConfig):
    """The keys that say where a service is and how we sign in, whether it is read or written."""

    variables: dict[str, str | int] = Field(
        default_factory=dict, description="What stands for {name} in base_url, auth.url, path and query."
    )
    base_url: Annotated[str, AfterValidator(_address)] = Field(description="The address that all paths are below.")
    headers: dict[Annotated[HeaderName, AfterValidator(_no_key)], str] = Field(
        default_factory=dict, description="Headers of every request. No keys: they belong in auth."
    )
    auth: Auth = Field(default=Auth(), description="How we sign in to the service.")
    rate: Rate | None = Field(default=None, description="How many requests the service allows.")


class RestConfig(Service, SourceConfig):
    """The keys of a ``[[connector]]`` table with ``type = "rest"``."""

    declaration: str | None = Field(default=None, description="A shipped declaration to start from.")
    streams: dict[StreamName, RestStream] = Field(min_length=1, description="What to read, by stream.")

    @model_validator(mode="before")
    @classmethod
    def _declared(cls, data: object) -> object:
        """Lay a shipped declaration underneath, and put the variables in their places."""
        if not isinstance(data, dict):
            return data
        table = dict(data)
        needs: dict[str, str] = {}
        if isinstance(name := table.get("declaration"), str):
            shipped = _load(name)
            needs = shipped.pop("needs", {})
            shipped.pop("description", None)
            table = _overlay(shipped, table)
        variables = table.get("variables", {})
        if isinstance(variables, dict):
            refuse_taken(variables, (PLACEHOLDER,))
            lacking = [f"{name} ({meaning})" for name, meaning in needs.items() if name not in variables]
            if lacking:
                raise ValueError(f"needs in variables: {', '.join(lacking)}")
            put_variables(table, variables)
            if isinstance(streams := table.get("streams"), Mapping):
                table["streams"] = {
                    name: with_variables(stream, variables, keep=(PLACEHOLDER,)) for name, stream in streams.items()
                }
        return table

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not any(stream.enabled for stream in self.streams.values()):
            raise ValueError("has no enabled stream; declare one under streams")
        return self


# -- shipped declarations ---------------------------------------------------------------------------------------------

_REPLACED_WHOLE = {"pagination", "incremental", "rate"}
"""Tables that replace the shipped one whole: keys of two kinds of pagination must not mix."""


def declarations() -> tuple[str, ...]:
    """Return the names of the shipped declarations."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml")))


def _folder() -> Any:
    return importlib.resources.files("fingerpost_mappings") / "rest"


def _load(name: str) -> dict[str, Any]:
    if name not in declarations():
        raise ValueError(f"does not name a shipped declaration; there are: {', '.join(declarations())}")
    return tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under: Any = below.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping) and key not in _REPLACED_WHOLE
        # Another way to sign in has no use for the keys of the shipped one.
        if both and value.get("kind", under.get("kind")) == under.get("kind"):
            value = _overlay(under, value)
        merged[key] = value
    return merged


def refuse_taken(variables: Mapping[str, Any], placeholders: Collection[str]) -> None:
    """Refuse a variable with the name of a placeholder; raises `ValueError`."""
    if taken := sorted(set(placeholders) & set(variables)):
        raise ValueError(f"may have no variable named {taken[0]}: {{{taken[0]}}} stands for something else")


def put_variables(table: dict[str, Any], variables: Mapping[str, Any]) -> None:
    """Replace ``{name}`` in the addresses that a service is known by."""
    _fill_in(table, "base_url", variables, str)
    if isinstance(auth := table.get("auth"), Mapping):
        table["auth"] = changed = dict(auth)
        _fill_in(changed, "url", variables, str)


def with_variables(request: object, variables: Mapping[str, Any], keep: Collection[str] = ()) -> object:
    """Return a request with ``{name}`` replaced in its path and query; in a path it may not make a new level.

    What is in `keep` stays as it is: it is only known when the request is made.
    """
    if not isinstance(request, Mapping):
        return request
    changed = dict(request)
    _fill_in(changed, "path", variables, lambda value: quote(value, safe=""), keep)
    if isinstance(changed.get("query"), Mapping):
        changed["query"] = query = dict(changed["query"])
        for parameter in query:
            _fill_in(query, parameter, variables, str, keep)
    return changed


def _fill_in(
    table: dict[str, Any],
    key: str,
    variables: Mapping[str, Any],
    spell: Callable[[str], str],
    keep: Collection[str] = (),
) -> None:
    text = table.get(key)
    if not isinstance(text, str):
        return

    def value(found: re.Match[str]) -> str:
        if found[1] in keep:
            return found[0]
        if found[1] not in variables:
            raise ValueError(f"uses {{{found[1]}}} in {key}; set it: variables = {{ {found[1]} = ... }}")
        return spell(str(variables[found[1]]))

    table[key] = re.sub(r"\{([a-z][a-z0-9_]*)\}", value, text)
