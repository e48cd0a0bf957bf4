"""Whose a permanent refusal is: the recipient's address, whoever sends, or the message itself.

A server says no with the same three digits to an address that does not exist, to an account that may not send, and to
a message that it dislikes. Only the first is a reason to correct an address. The others would blame a tutor for a
setting of the mail system: what they meet waits, and one sentence says what to put right.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["connect", "tls", "ehlo", "auth", "mail", "rcpt", "data", "body", "final"]

INSTEAD = (
    "Ask whoever runs Microsoft 365 at the college for a relay connector or a High Volume Email account and set "
    "`host`, `username` and `password` to that."
)


class Refusal(NamedTuple):
    """What a refusal means: an address has no `remedy`, and after a reason that `meets_all` no more is tried."""

    remedy: str = ""
    meets_all: bool = False


_RECIPIENT = Refusal()
_SEND_AS = Refusal(
    "The account that signs in may not send as `sender`. Ask the mail administrator for the right to send as "
    "that address, or set `sender` to the account's own.",
    meets_all=True,
)
_QUOTA = Refusal(
    "The account has sent as much as the mail system allows for now. The rest goes when the limit is lifted; if this "
    "happens every week, lower `per_minute` or ask the mail administrator for a higher limit.",
    meets_all=True,
)
_BAD_LOGIN = Refusal(
    "The mail server refused the user name or the password. Check `username` and `password`. On Microsoft 365 password "
    f"sign-in for SMTP is being switched off. {INSTEAD}",
    meets_all=True,
)
_BAD_SENDER = Refusal(
    "The mail server refuses mail from `sender`. Check that address and whether the account may use it.", meets_all=True
)
# Not all need be met by these: a server may take mail for its own domains and refuse to pass on the rest, and a rule
# may meet one recipient or one message.
_RELAY = Refusal(
    "The mail server does not pass mail on for this machine or to this domain. Ask the mail administrator to let this "
    "machine relay, or set `host` to a server that takes mail for the recipients' domains."
)
_MESSAGE = Refusal(
    "The mail server refuses a message for its size or its content. Ask the mail administrator which rule it met; a "
    "smaller `learners_per_digest` makes messages shorter."
)
_POLICY = Refusal(
    "The mail server refuses a message by a rule of its own, not because of the address. Ask the mail administrator "
    "what the code means, and to let mail from `sender` through."
)

_BY_CODE = {
    "5.1.7": _BAD_SENDER,
    "5.1.8": _BAD_SENDER,
    "5.1.90": _QUOTA,
    "5.2.252": _SEND_AS,
    "5.4.5": _QUOTA,
    "5.7.30": Refusal(
        "Microsoft 365 no longer accepts a password for sending mail from this mailbox: password sign-in for "
        f"SMTP is being switched off. {INSTEAD}",
        meets_all=True,
    ),
    "5.7.54": _RELAY,
    "5.7.57": Refusal(
        "The mail server requires a sign-in before it takes mail. Set `username` and `password`, or ask for this "
        "machine to be allowed to relay.",
        meets_all=True,
    ),
    "5.7.60": _SEND_AS,
    "5.7.64": _RELAY,
    "5.7.68": Refusal(
        "Microsoft 365 refuses mail that is handed to it without a sign-in (Direct Send is switched off at the "
        f"college). {INSTEAD}",
        meets_all=True,
    ),
    "5.7.139": Refusal(
        f"Microsoft 365 does not allow a password for sending mail from this mailbox. {INSTEAD}", meets_all=True
    ),
}

# Exchange gives these reasons in words only, under codes that mean nothing in particular.
_BY_WORD = {"sendasdenied": _SEND_AS, "submissionquota": _QUOTA, "relay": _RELAY}


def telling_word(text: bytes) -> str:
    """Return the word in a server's answer that tells the reason, if there is one: the rest may quote an address."""
    said = text.lower()
    return next((word for word in _BY_WORD if word.encode() in said), "")


def refusal(phase: Phase, code: int, enhanced: str, word: str) -> Refusal | None:
    """Say whose a refusal is, by its enhanced code (RFC 3463), the stage at which it came, and a telling word.

    None is an answer to the opening of a connection that tells nothing about what was to be sent.
    """
    if enhanced in _BY_CODE:
        return _BY_CODE[enhanced]
    if phase == "auth" or code in {530, 534, 535, 538}:
        return _BAD_LOGIN
    if phase in {"connect", "tls", "ehlo"}:
        return None
    if enhanced in {"5.2.3", "5.3.4"} or enhanced.startswith("5.6.") or (code == 552 and phase != "rcpt"):
        return _MESSAGE
    if phase == "mail":
        return _BAD_SENDER
    if enhanced.startswith(("5.1.", "5.2.", "5.4.")) and enhanced != "5.2.0":
        return _RECIPIENT
    if word:
        return _BY_WORD[word]
    # "Undefined", or no code at all: of a recipient it is about the address, and later about something else.
    return _RECIPIENT if phase == "rcpt" and enhanced in {"", "5.0.0", "5.2.0"} else _POLICY
