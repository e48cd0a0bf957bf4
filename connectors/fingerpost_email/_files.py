"""The file outbox: one `.eml` file for each message, written whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fingerpost import Finding, Payload, Receipt


def file_name(payload: Payload) -> str:
    """Return a name that every file system takes: the recipient's local part and 12 characters of the Message-ID.

    Only letters, digits and dashes: no path, no Windows device name, no difference in case alone.
    """
    who = re.sub(r"[^a-z0-9]+", "-", payload.recipient.partition("@")[0].lower()).strip("-")[:40]
    identity = re.sub(r"[^a-z0-9]", "", payload.message_id.lower())[:12]
    return f"{who or 'recipient'}-{identity}.eml"


class FileOutbox:
    """Deliver messages into a folder; delivering one again changes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Write each payload and yield its receipt: ``sent`` once it is on the disk, else ``temporary``."""
        for payload in payloads:
            try:
                self._write(self.folder / file_name(payload), payload.content)
            except OSError as error:
                yield Receipt(payload.key, "temporary", detail=_explained(error))
            else:
                yield _sent(payload)

    def reconcile(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Yield ``sent`` for each payload whose very bytes are in the folder, ``temporary`` where they are not."""
        for payload in payloads:
            try:
                found = _holds(self.folder / file_name(payload), payload.content)
            except OSError as error:
                yield Receipt(payload.key, "unknown", detail=_explained(error))
            else:
                yield _sent(payload) if found else Receipt(payload.key, "temporary", detail="file_not_there")

    def check(self) -> Iterator[Finding]:
        """Check that the folder can be written to, and leave nothing behind."""
        try:
            place = next((folder for folder in (self.folder, *self.folder.parents) if folder.exists()), self.folder)
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            yield Finding(
                "error",
                f"The folder {self.folder} cannot be written to.",
                f"{_explained(error)} Let the account that runs Fingerpost write there, or change `path`.",
            )
        else:
            yield Finding("ok", f"Messages are written to the folder {self.folder}; nothing is sent.")

    def _write(self, target: Path, content: bytes) -> None:
        if _holds(target, content):
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One fixed name beside the target: what a crash leaves behind, the next attempt overwrites.
        partial = target.with_name(f".{target.name}.part")
        with open(partial, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        _sync_folder(self.folder)


def _sent(payload: Payload) -> Receipt:
    return Receipt(payload.key, "sent", external_ref=payload.message_id)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync_folder(folder: Path) -> None:
    # A rename survives a power cut on POSIX once its folder is synced; Windows cannot open a folder.
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError) -> str:
    # Not str(error): it holds the file name and with it part of the recipient's address.
    return f"The outbox folder cannot be used: {error.strerror or type(error).__name__}."
