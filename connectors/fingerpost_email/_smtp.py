"""Send mail by SMTP and always know how far a message got.

The standard library raises the same exception whether a connection was lost before the message or after its final dot.
In the first case it is safe to try again; in the second the server may have the message. So each step is taken by
itself, and its phase is noted first.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import truststore

from fingerpost import ConfigError, Context, Finding, Payload, Receipt, ReceiptStatus
from fingerpost_email._address import usable
from fingerpost_email._config import EmailConfig
from fingerpost_email._refusals import INSTEAD, Phase, refusal, telling_word

_MAX_LOST = 3
"""After so many connections lost in a row, the rest of the messages wait for the next run."""

_MICROSOFT_HOSTS = frozenset({"smtp.office365.com", "smtp-legacy.office365.com", "outlook.office365.com"})

_NO_STARTTLS = (
    "The mail server does not offer STARTTLS, so nothing was sent: names would have crossed the network unencrypted. "
    'Check `host` and `port`; a server that speaks TLS from the first byte needs security = "tls".'
)
_NO_TLS = 'The mail server does not speak TLS here. Port 587 usually needs security = "starttls", port 465 "tls".'
_NO_AUTH = (
    "The mail server offers no sign-in that Fingerpost supports. Check `host` and `port`, or leave out `username`."
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one attempt.

    `remedy` is set where a person must act, and `stops` where to go on before that would be pointless.
    """

    status: ReceiptStatus
    detail: str
    remedy: str = ""
    stops: bool = False
    lost: bool = False

    @property
    def said(self) -> str:
        """What is kept of it: a sentence where a person must act, and otherwise a code."""
        return f"{self.remedy.removesuffix('.')} ({self.detail})." if self.remedy else self.detail


class _Reply(Exception):  # noqa: N818 - an answer of the server, not a mistake
    """An answer of the server that stops us."""

    def __init__(self, code: int, text: bytes | str) -> None:
        super().__init__(code)
        raw = text if isinstance(text, bytes) else text.encode("ascii", "replace")
        self.code = code
        # Only the numbers and one word are kept: the text of a refusal may quote the address.
        found = re.match(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b", raw)
        self.enhanced = found[1].decode("ascii") if found else ""
        self.word = telling_word(raw)


class _Halt(Exception):  # noqa: N818 - a decision, not a mistake
    """A state that only a person can change."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy


class _Sender:
    """One connection at a time to the mail server, opened when needed and reused."""

    def __init__(self, config: EmailConfig, tls: ssl.SSLContext) -> None:
        self._config = config
        self._tls = tls
        self._smtp: smtplib.SMTP | None = None
        self._phase: Phase = "connect"

    def send(self, recipient: str, content: bytes) -> _Outcome:
        """Send `content` as it is and return what became of it."""
        return self._attempt(lambda: self._hand_over(recipient, content))

    def probe(self) -> _Outcome:
        """Do everything up to the sign-in, and send nothing."""
        return self._attempt(self._ready)

    def close(self) -> None:
        """Quit if the server still listens; what it accepted stays accepted."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, smtplib.SMTPException):
                smtp.close()

    def _attempt(self, step: Callable[[], object]) -> _Outcome:
        try:
            step()
        except _Halt as halt:
            self._drop()
            return _Outcome("temporary", halt.detail, halt.remedy, stops=True)
        except _Reply as reply:
            return self._outcome_of(reply)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            cause = error.__context__ or error
            # After the final dot, silence means that the server may have the message; before it, that it has not.
            status: ReceiptStatus = "unknown" if self._phase == "final" else "temporary"
            return _Outcome(status, f"{self._phase}: connection lost ({type(cause).__name__})", lost=True)
        return _Outcome("sent", "250")

    def _outcome_of(self, reply: _Reply) -> _Outcome:
        detail = " ".join(filter(None, (f"{self._phase}:", str(reply.code), reply.enhanced)))
        if not 400 <= reply.code < 600:
            self._drop()
            return _Outcome("unknown" if self._phase == "final" else "temporary", f"{detail} (garbled)", lost=True)
        opening = self._phase in {"connect", "tls", "ehlo", "auth"}
        if reply.code >= 500 and (why := refusal(self._phase, reply.code, reply.enhanced, reply.word)):
            return _Outcome("temporary" if why.remedy else "permanent", detail, why.remedy, why.meets_all)
        if opening or reply.code == 421:
            self._drop()
            return _Outcome("temporary", detail, lost=True)
        # Greylisting, a busy mailbox: it is this recipient's turn later. The sender's own is nobody's in particular.
        return _Outcome("temporary" if self._phase == "mail" else "put_off", detail)

    def _hand_over(self, recipient: str, content: bytes) -> None:
        smtp = self._ready()
        self._phase = "mail"
        _expect(smtp.mail(self._config.sender or ""), 250)
        self._phase = "rcpt"
        _expect(smtp.rcpt(recipient), 250, 251)
        self._phase = "data"
        _expect(smtp.docmd("DATA"), 354)
        self._phase = "body"
        smtp.send(_dot_stuffed(content))
        self._phase = "final"
        if smtp.sock is not None:
            smtp.sock.settimeout(self._config.final_timeout)
        smtp.send(b".\r\n")
        _expect(smtp.getreply(), 250)
        if smtp.sock is not None:
            smtp.sock.settimeout(self._config.timeout)

    def _ready(self) -> smtplib.SMTP:
        # RSET clears what a refused message left and shows whether an idle connection still stands.
        if self._smtp is not None:
            try:
                if self._smtp.rset()[0] == 250:
                    return self._smtp
            except (OSError, smtplib.SMTPException):
                pass
            self._drop()
        self._smtp = self._connected()
        self._greet(self._smtp)
        if self._config.security == "starttls":
            self._secure(self._smtp)
            self._greet(self._smtp)
        self._sign_in(self._smtp)
        return self._smtp

    def _connected(self) -> smtplib.SMTP:
        self._phase = "connect"
        config, name = self._config, _own_name()
        host, port = config.host or "", config.effective_port
        with _opening_errors():
            if config.security == "tls":
                return smtplib.SMTP_SSL(host, port, name, timeout=config.timeout, context=self._tls)
            return smtplib.SMTP(host, port, name, timeout=config.timeout)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        self._phase = "ehlo"
        _expect(smtp.ehlo(), 250)

    def _secure(self, smtp: smtplib.SMTP) -> None:
        self._phase = "tls"
        if not smtp.has_extn("starttls"):
            raise _Halt("tls: STARTTLS not offered", _NO_STARTTLS)
        with _opening_errors():
            smtp.starttls(context=self._tls)

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        if self._config.username is None or self._config.password is None:
            return
        self._phase = "auth"
        try:
            smtp.login(self._config.username, self._config.password.get_secret_value())
        except smtplib.SMTPResponseException as error:
            raise _Reply(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException:
            raise _Halt("auth: no common method", _NO_AUTH) from None

    def _drop(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()


class SmtpTransport:
    """Deliver messages by SMTP, one recipient each, over one paced connection."""

    def __init__(self, config: EmailConfig, context: Context, sleep: Callable[[float], None]) -> None:
        self._config = config
        self._ca_file = context.base_dir / config.ca_file if config.ca_file is not None else None
        self._log = context.log
        self._sleep = sleep

    def deliver(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Yield one receipt for each payload as soon as its outcome is known.

        Where a person must act (a refused sign-in, a certificate that cannot be trusted), or where the connection is
        lost again and again, the rest is not attempted: it stays ``temporary``, and one warning says why.
        """
        reason, sender = self._open()
        if reason:
            self._log.warning("smtp_stopped", waiting=len(payloads), hint=reason)
        lost, before = 0, None
        try:
            for sent, payload in enumerate(payloads):
                if not usable(payload.recipient):
                    yield Receipt(payload.key, "permanent", detail="bad_address")
                    continue
                if reason or sender is None:
                    yield Receipt(payload.key, "temporary", detail=reason)
                    continue
                self._pace(before)
                before = time.monotonic()
                outcome = sender.send(payload.recipient, payload.content)
                lost = lost + 1 if outcome.lost else 0
                reason = _reason(outcome, lost)
                if reason:
                    left = len(payloads) - sent
                    self._log.warning("smtp_stopped", detail=outcome.detail, waiting=left, hint=outcome.remedy)
                reference = payload.message_id if outcome.status == "sent" else None
                yield Receipt(payload.key, outcome.status, reference, reason or outcome.said)
        finally:
            if sender is not None:
                sender.close()

    def reconcile(self, payloads: Sequence[Payload]) -> Iterator[Receipt]:
        """Yield ``unknown`` for each payload: SMTP cannot be asked what became of a message."""
        for payload in payloads:
            yield Receipt(payload.key, "unknown", detail="smtp_cannot_tell")

    def check(self) -> Iterator[Finding]:
        """Connect, verify the certificate, sign in and leave; send nothing."""
        where = f"{self._config.host}:{self._config.effective_port}"
        reason, sender = self._open()
        if sender is None:
            yield Finding("error", reason)
            return
        try:
            outcome = sender.probe()
        finally:
            sender.close()
        if outcome.remedy:
            yield Finding(
                "error", f"The mail server {where} will not work as configured ({outcome.detail}).", outcome.remedy
            )
        elif outcome.status != "sent":
            yield Finding(
                "error",
                f"The mail server {where} does not answer as it should ({outcome.detail}).",
                "Check `host` and `port`, whether the server is up, and whether a firewall is in the way.",
            )
        else:
            how = " and took the sign-in" if self._config.username is not None else ""
            safe = "answered" if self._config.security == "none" else "showed a valid certificate"
            yield Finding("ok", f"The mail server {where} {safe}{how}. Nothing was sent.")
        if self._config.password is not None and (self._config.host or "").lower() in _MICROSOFT_HOSTS:
            yield Finding(
                "warning",
                "Microsoft 365 switches password sign-in for SMTP off by default from the end of December 2026.",
                INSTEAD,
            )

    def _open(self) -> tuple[str, _Sender | None]:
        # A sentence instead of an exception: a payload without a receipt would count as unknown.
        try:
            return "", _Sender(self._config, _tls_context(self._config.name, self._ca_file))
        except ConfigError as error:
            return error.message, None

    def _pace(self, before: float | None) -> None:
        if before is not None:
            wait = 60 / self._config.per_minute - (time.monotonic() - before)
            if wait > 0:
                self._sleep(wait)


def _reason(outcome: _Outcome, lost: int) -> str:
    """Say why the rest of the messages must wait, if they must."""
    if outcome.stops:
        return outcome.said
    if lost >= _MAX_LOST:
        return f"The connection was lost {lost} times in a row ({outcome.detail}); the rest waits for the next run."
    return ""


def _expect(answer: tuple[int, bytes], *wanted: int) -> None:
    code, text = answer
    if code not in wanted:
        raise _Reply(code, text)


def _dot_stuffed(content: bytes) -> bytes:
    # RFC 5321 section 4.5.2: a dot at the start of a line is doubled, and the last line is ended.
    dotted = re.sub(rb"(?m)^\.", b"..", content)
    return dotted if dotted.endswith(b"\r\n") else dotted + b"\r\n"


def _own_name() -> str:
    # Not the standard library's: it asks the name service, and fails on a machine whose name is not ASCII.
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,200}", name) else "[127.0.0.1]"


def _tls_context(name: str, ca_file: Path | None) -> ssl.SSLContext:
    # smtplib verifies nothing unless it is given a context.
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError(
                f"Connector {name!r}: `ca_file` ({ca_file}) cannot be read as a PEM file of certificates; "
                "check the path, or leave it out."
            ) from None
    return context


@contextlib.contextmanager
def _opening_errors() -> Iterator[None]:
    """Distinguish a refusal and a failed handshake from a lost connection, which may be tried again."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise _Reply(error.smtp_code, error.smtp_error) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # a lost connection
        raise
    except ssl.SSLCertVerificationError as error:
        cause = (error.verify_message or "not trusted").rstrip(".")
        raise _Halt(
            "tls: certificate refused",
            f"The mail server's certificate was refused ({cause}), so nothing was sent. Check that `host` is the name "
            "in the certificate; if the college has its own certificate authority, set `ca_file` to its PEM file.",
        ) from None
    except ssl.SSLError:
        raise _Halt("tls: no handshake", _NO_TLS) from None
