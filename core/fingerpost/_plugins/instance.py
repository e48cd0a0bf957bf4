"""Call the hooks of one configured connector, inside one guard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from fingerpost._contract.connector import Channel, Connector, ConnectorConfig, Context, Finding, Source
from fingerpost._contract.items import Item, ListedItem, Payload, Receipt, ReceiptStatus
from fingerpost._contract.messages import Checkpoint, Cursor, Deleted, Message, Record, Rejected, StreamName, StreamSpec
from fingerpost._plugins.admission import name_type
from fingerpost._words.errors import ContractError, FingerpostError

if TYPE_CHECKING:
    import pluggy

_T = TypeVar("_T")


def implementations(manager: pluggy.PluginManager, hook: str) -> list[pluggy.HookImpl]:
    """Return every implementation of a hook, in the order of registration."""
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    return caller.get_hookimpls()


def call_alone(manager: pluggy.PluginManager, plugin: object, hook: str) -> pluggy.HookCaller:
    """Return a caller for one plugin's implementation: calling all at once, one that raises loses every result."""
    return manager.subset_hook_caller(hook, [other for other in manager.get_plugins() if other is not plugin])


class Instance:
    """Call the hooks of one configured connector.

    A connector's results are checked here, once, so that the rest of the host can rely on them. Its exceptions pass
    through, for the caller's guard; an attempt to end the program becomes a `ContractError`.
    """

    def __init__(self, manager: pluggy.PluginManager, connector: Connector) -> None:
        self._manager = manager
        self.connector = connector
        self.config: ConnectorConfig = connector.config
        self.name: str = connector.config.name

    def __repr__(self) -> str:
        return f"Instance(name={self.name!r}, type={self.config.type!r})"

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """The streams that the connector declares; none if it is not a source."""
        return tuple(self.connector.streams) if isinstance(self.connector, Source) else ()

    @property
    def accepts(self) -> str:
        """The kind of item that the connector delivers; empty if it is not a channel."""
        return self.connector.accepts if isinstance(self.connector, Channel) else ""

    def has(self, hook: str) -> bool:
        """Say whether the connector implements a hook."""
        return any(found.plugin is self.connector for found in implementations(self._manager, hook))

    def check(self, context: Context) -> list[Finding]:
        """Try the connection and return what was found; every failure becomes an error finding."""
        if not self.has("check"):
            return [Finding("warning", f"The connector type '{self.config.type}' offers no check.")]
        findings: list[Finding] = []
        try:
            for finding in self._each("check", Finding, context=context):
                findings.append(finding)  # one by one, to keep what was found before a failure
        except FingerpostError as error:
            findings.append(Finding("error", error.message))
        except Exception as error:  # a vendor's exception may contain anything, so show only its type
            findings.append(
                Finding("error", f"The check itself failed ({type(error).__name__}).", "Contact its vendor.")
            )
        return findings

    def read(self, stream: StreamName, cursor: Cursor | None, context: Context) -> Iterator[Message]:
        """Yield the messages of one stream; always close the connector's generator.

        Raises `ContractError` if the connector yields anything but the four messages.
        """
        return self._each(f"read_{stream}", (Record, Checkpoint, Rejected, Deleted), cursor=cursor, context=context)

    def render(self, item: Item, context: Context) -> Payload:
        """Render one item to the payload to freeze in the outbox."""
        payload = self._call("render", item=item, context=context)
        if not isinstance(payload, Payload):
            raise self._broken("render", f"it returned {name_type(payload)} instead of a Payload")
        return payload

    def deliver(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Yield the receipt of each payload as soon as its outcome is known."""
        return self._receipts("deliver", payloads, context)

    def reconcile(self, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        """Yield receipts for payloads of unknown outcome; without that hook all stay unknown."""
        if not self.has("reconcile"):
            return iter([Receipt(payload.key, "unknown") for payload in payloads])
        return self._receipts("reconcile", payloads, context)

    def list_items(self, context: Context) -> Iterator[ListedItem]:
        """Yield the open items in the ILP; none if the channel cannot list them."""
        return self._each("list_items", ListedItem, context=context) if self.has("list_items") else iter(())

    def enrich(self, hook: str, kinds: type[_T] | tuple[type[_T], ...], **arguments: Any) -> Iterator[_T]:
        """Yield the results of an enricher's hook; raise `ContractError` if it yields anything else."""
        return self._each(hook, kinds, **arguments)

    def _receipts(self, hook: str, payloads: Sequence[Payload], context: Context) -> Iterator[Receipt]:
        open_keys = {payload.key for payload in payloads}
        for receipt in self._each(hook, Receipt, payloads=payloads, context=context):
            if receipt.status not in get_args(ReceiptStatus):
                raise self._broken(hook, "it yielded a receipt with an unknown status")
            if receipt.key not in open_keys:
                raise self._broken(hook, "it yielded a receipt for a payload that it was not given, or two for one")
            open_keys.remove(receipt.key)
            yield receipt

    def _each(self, hook: str, kinds: type[_T] | tuple[type[_T], ...], **arguments: Any) -> Iterator[_T]:
        result = self._call(hook, **arguments)
        if not isinstance(result, Iterable):
            raise self._broken(hook, f"it returned {name_type(result)} instead of yielding")
        iterator: Any = result if hasattr(result, "close") else (item for item in result)
        with closing(iterator) as items:
            try:
                for item in items:
                    if not isinstance(item, kinds):
                        expected = kinds if isinstance(kinds, tuple) else (kinds,)
                        names = ", ".join(kind.__name__ for kind in expected)
                        raise self._broken(hook, f"it yielded {name_type(item)}; it may yield only {names}")
                    yield item
            except SystemExit as error:
                raise self._broken(hook, "it tried to end the program") from error

    def _call(self, hook: str, **arguments: Any) -> Any:
        try:
            results = call_alone(self._manager, self.connector, hook)(**arguments)
        except SystemExit as error:
            raise self._broken(hook, "it tried to end the program") from error
        if not results:  # pluggy leaves out None
            raise self._broken(hook, "it returned nothing" if self.has(hook) else "the connector does not have it")
        return results[0]

    def _broken(self, hook: str, what: str) -> ContractError:
        return ContractError(
            f"The hook {hook} of the connector '{self.name}' (type '{self.config.type}') breaks the plugin contract: "
            f"{what}."
        )
