"""What a digest says, as plain dictionaries of sentences for the templates.

Both parts of a message are made of the same sentences, so that neither can say more than the other. The reader may
never have heard of the Gatsby Benchmarks: the words are those of a colleague, not of the framework.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlsplit

from fingerpost import Digest, DigestLearner, DigestLine
from fingerpost_email._address import clean, usable

_MARKS = {"new": "New", "changed": "Changed", "open": "Still open", "reminder": "Reminder", "closed": "Done"}

_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905

_WHY = {
    "tutor": "You are receiving this message because you are recorded as the tutor of these learners.",
    "cover": "You are receiving this message because you are recorded as covering for the tutor of these learners.",
    "careers_leader": "You are receiving this message as careers leader, because no tutor is on record for these "
    "learners. Once a tutor is entered in the system that holds tutor groups, the learners move to that tutor's own "
    "message.",
    "unreachable": "You are receiving this message as careers leader, because no tutor who can be reached is on record "
    "for these learners. Once one is entered in the system that holds tutor groups, the learners move to that tutor's "
    "own message.",
}


def words(digest: Digest) -> dict[str, Any]:
    """Return everything that the message to `digest.recipient` says: strings, booleans, lists and dictionaries only."""
    needing = _needing(digest)
    learners = sorted(digest.learners, key=_urgency)
    return {
        "subject": subject(digest),
        "title": _title(digest, needing),
        "about": _about(digest, needing),
        "learners": [_learner(learner, digest.as_of) for learner in learners],
        "more": _more(digest.not_listed),
        "done": [_learner(learner, digest.as_of) for learner in digest.closed],
        "counts": _counts(digest, needing),
        "record": _record(digest),
        "freshness": _freshness(digest),
        "wrong": _wrong(digest),
        "why": _WHY["unreachable" if digest.unreachable and digest.role == "careers_leader" else digest.role],
        "origin": f"Generated automatically from the records of {clean(digest.college)} for the academic year "
        f"{clean(digest.academic_year)}, as they stood on {_day(digest.as_of)}.",
    }


def subject(digest: Digest) -> str:
    """Return the subject: counts only, since it shows on locked screens and in the logs of mail servers."""
    needing = _needing(digest)
    whose = f" {_untutored(digest)}" if digest.role == "careers_leader" else ""
    if needing:
        fresh = sum(any(line.change == "new" for line in learner.lines) for learner in digest.learners)
        return f"Careers: {_learners(needing)}{whose} {_need(needing)} something" + (f", {fresh} new" if fresh else "")
    if digest.closed:
        return f"Careers: done since last time for {_learners(len(digest.closed))}{whose}"
    return "Careers: nothing needed now"


def _needing(digest: Digest) -> int:
    return len(digest.learners) + digest.not_listed


def _untutored(digest: Digest) -> str:
    return "with no tutor who can be reached" if digest.unreachable else "with no tutor"


def _title(digest: Digest, needing: int) -> str:
    if not needing:
        return "Nothing is missing for your learners now" if not digest.closed else "Done since last time"
    if digest.role == "careers_leader":
        who = f"{_learners(needing)} {_untutored(digest)}" + ("" if digest.unreachable else " on record")
    elif digest.group_size > needing:
        who = f"{needing} of your {digest.group_size} learners"
    else:
        who = "Your learner" if needing == 1 else f"All {needing} of your learners"
    return f"{who} {_need(needing)} something from the careers programme"


def _about(digest: Digest, needing: int) -> list[str]:
    paragraphs = [
        "While they are with us, learners should meet employers, spend time in a workplace and talk to a careers "
        "adviser, among other things, each by a certain date. "
        + (
            "Below is who still needs what, and what would settle it. Please help them to get it."
            if needing
            else "Nothing is asked of you this time."
        )
    ]
    paragraphs += [
        f"The tutor {clean(tutor.name)} cannot be reached at {clean(tutor.email)}: the mail system refuses messages to "
        "this address. Please have it corrected, or the new tutor entered, in the system that holds tutor groups."
        for tutor in digest.unreachable
    ]
    if digest.role == "careers_leader":
        other = " other" if digest.unreachable else ""
        paragraphs.append(f"No{other} tutor is on record for these learners, so this message goes to you alone.")
    overdue = sum(any(line.overdue for line in learner.lines) for learner in digest.learners)
    if overdue:
        paragraphs.append(f"Something is overdue for {_learners(overdue)}; what is overdue comes first.")
    return paragraphs


def _urgency(learner: DigestLearner) -> tuple[bool, date]:
    dues = [line.due for line in learner.lines if line.due is not None]
    return not any(line.overdue for line in learner.lines), min(dues, default=date.max)


def _learner(learner: DigestLearner, as_of: date) -> dict[str, Any]:
    name, reference = clean(learner.name), clean(learner.reference)
    # A first name and initial can be two people's; the reference finds the right one in the MIS.
    beside = [clean(learner.group or ""), f"ref. {reference}" if reference and reference != name else ""]
    return {
        "name": name,
        "beside": ", ".join(filter(None, beside)),
        "link": _https(learner.link),
        "in_mind": clean(learner.in_mind or ""),
        "lines": [_line(line, as_of) for line in learner.lines],
    }


def _line(line: DigestLine, as_of: date) -> dict[str, Any]:
    return {
        "mark": _MARKS[line.change],
        "needs": clean(line.needs),
        "due": _due(line, as_of),
        "overdue": line.overdue,
        "closes": clean(line.closes),
        "booked": clean(line.booked or ""),
    }


def _due(line: DigestLine, as_of: date) -> str:
    day = _day(line.due, as_of.year) if line.due else ""
    if line.overdue:
        return f"Overdue: it was due by {day}" if day else "Overdue"
    return f"Due by {day}" if day else ""


def _more(count: int) -> str:
    if count <= 0:
        return ""
    return f"{_learners(count, 'more')} {_need(count)} something. They were listed before or will be next time."


def _counts(digest: Digest, needing: int) -> list[str]:
    if digest.group_size < 1:
        return []
    whose, which = ("your", "") if digest.role != "careers_leader" else ("the", f" {_untutored(digest)}")
    of_all = f"of {whose} {_learners(digest.group_size)}{which}"
    sentences = []
    if digest.on_track >= digest.group_size:
        sentences.append("Everybody has everything they need for now.")
    elif digest.on_track:
        have = "has everything needed" if digest.on_track == 1 else "have everything they need"
        sentences.append(f"{digest.on_track} {of_all} {have} for now.")
    if needing:
        sentences.append(f"{needing} {of_all} {_need(needing)} something.")
    if digest.cannot_tell:
        sentences.append(
            f"For {digest.cannot_tell} {of_all} we cannot tell: some of what they should have had is not recorded in "
            "any system that this message draws on."
        )
    return sentences


def _record(digest: Digest) -> str:
    where = clean(digest.record_where or "") or "the system where your college keeps careers activities"
    return f"Record it in {where}. It then drops off this list by itself; there is no need to reply."


def _freshness(digest: Digest) -> str:
    if not digest.sources:
        return ""
    based = ", ".join(f"{clean(source.name)} as of {clean(source.as_of)}" for source in digest.sources)
    stale = [clean(source.name) for source in digest.sources if source.stale]
    if not stale:
        return f"Based on {based}."
    return f"Based on {based}. Older than it should be, so the latest may be missing here: {', '.join(stale)}."


def _wrong(digest: Digest) -> str:
    leader = digest.careers_leader
    if digest.role == "careers_leader":
        return "Correct it in the system that it came from; the next message will show the change."
    if leader is None or not usable(leader.email):
        return "Tell your careers leader."
    name = clean(leader.name)
    return f"Tell {name} at {leader.email}." if name else f"Write to {leader.email}."


def _https(link: str | None) -> str:
    # Links come from other systems: anything but a plain https address is left out.
    if not link or not link.isascii() or any(char.isspace() or not char.isprintable() for char in link):
        return ""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme == "https" and parts.hostname and parts.username is None else ""


def _day(day: date, known_year: int | None = None) -> str:
    # Not strftime: its month names follow the machine's locale and Windows has no unpadded day.
    month = _MONTHS[day.month - 1]
    return f"{day.day} {month}" if day.year == known_year else f"{day.day} {month} {day.year}"


def _learners(count: int, between: str = "") -> str:
    return " ".join(filter(None, (str(count), between, "learner" if count == 1 else "learners")))


def _need(count: int) -> str:
    return "needs" if count == 1 else "need"
