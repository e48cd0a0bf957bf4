"""Plain words for verdicts and reason codes: a tutor's, and those of `explain`.

The words for a criterion are data of the framework; the sentences for reasons belong to the evaluator's codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fingerpost._benchmarks.framework import Criterion, Words
from fingerpost._benchmarks.verdicts import Verdict
from fingerpost._words.days import say_day

REASONS: dict[str, str] = {
    # the reason for a verdict
    "outside_scope_19_plus": "The learner was 19 or over on 31 August and has no education, health and care plan on "
    "record (or is over 25), so the framework does not cover them.",
    "age_not_recorded": "No date of birth is on record, so we cannot tell whether the framework covers the learner.",
    "no_programme": "No programme is on record for the learner.",
    "left": "The learner has completed or left every programme on record.",
    "on_break": "The learner is on a break from their programme.",
    "not_started": "The learner's programme has not started yet.",
    "short_programme": "The learner's programme is shorter than the minimum that the college has set.",
    "apprentice_job": "The learner is an apprentice; the college decides whether their own job counts.",
    "not_judged": "The official wording of this criterion is unconfirmed, so it is not judged unless the "
    "college turns it on.",
    "not_fed": "No source is known to hold every such record for this learner, so a missing record proves nothing.",
    "stale": "The sources of such records are out of date, so a missing record proves nothing for now.",
    "quality_not_recorded": "There are enough records, but nobody recorded whether they were meaningful.",
    "attribute_not_recorded": "There would be enough records, but something that decides is not recorded on them",
    "advisory": "This is advice: it is shown, but nothing is missing because of it.",
    "virtual_only": "Every record that counts was online; the benchmarks ask for meetings in person or a mix of both.",
    # why a record did not count
    "planned": "Planned: it counts once it is recorded as attended.",
    "missed": "The learner missed it.",
    "cancelled": "It was cancelled.",
    "future": "It is dated after the day being judged.",
    "outside_period": "It was not in the period being judged.",
    "simulated": "It was simulated, not at a real workplace.",
    "virtual": "It was online, and the college does not count online activities.",
    "not_meaningful": "It is recorded as not meaningful",
    "not_via_curriculum": "It was not part of the learner's course.",
    "not_stem": "It was not about science, technology, engineering or maths.",
    "part_time_job": "A part-time job never counts.",
    "duplicate": "It is the same event as another record.",
    "not_distinct": "It was with an employer or kind of place, or of a kind, that had already counted.",
    "not_a_listed_value": "It was with a kind of place that does not count here.",
    # what a record that counts only possibly, or with a remark, leaves open
    "adviser_level": "It counts, but the adviser's qualification is below level 6.",
    "meaningful": "Nobody recorded whether it was meaningful.",
    "via_curriculum": "Nobody recorded whether it was part of the learner's course.",
    "stem": "Nobody recorded whether it was about science, technology, engineering or maths.",
    "provider_type": "Nobody recorded what kind of provider it was.",
    "organisation": "Nobody recorded which employer it was.",
}
"""A sentence for every reason code of a verdict or record; a code with a detail continues after a colon."""

_DETAILS: dict[str, str] = {
    "via_curriculum": "whether they were part of the learner's course",
    "stem": "whether they were about science, technology, engineering or maths",
    "provider_type": "what kind of provider it was",
    "organisation": "which employer it was",
    "purpose": "there was no clear purpose",
    "outcomes": "there were no learning outcomes that fit the learner",
    "two_way": "learner and host did not talk to each other",
    "range_of_people": "the learner did not meet a range of people",
    "task": "the learner did not do a task set by the host",
    "feedback": "the host gave no feedback",
    "reflection": "there was no time to reflect",
    "met_staff": "the learner did not meet staff",
    "met_learners": "the learner did not meet learners there",
}


def needs(criterion: Criterion, verdict: Verdict) -> str:
    """Say to a tutor what is still missing, such as "1 of 2 meetings with employers this year"."""
    words = _words(criterion)
    return _fill(words.needs_none if verdict.have == 0 and words.needs_none else words.needs, verdict)


def closes(criterion: Criterion, verdict: Verdict | None = None) -> str:
    """Say to a tutor what would settle it, such as "One more talk, visit or project with an employer".

    Without a verdict, use the words for a learner who already has something.
    """
    words = _words(criterion)
    nothing_yet = verdict is not None and verdict.have == 0
    text = words.closes_none if nothing_yet and words.closes_none else words.closes
    return text.format(need=criterion.need)


def done(criterion: Criterion) -> str:
    """Say to a tutor what a learner has achieved, once the criterion is met."""
    return _words(criterion).done or criterion.title


class TutorLine(NamedTuple):
    """One line for a tutor and the verdicts it covers, the leading one first."""

    verdicts: tuple[Verdict, ...]
    needs: str
    closes: str


def needs_together(pairs: Sequence[tuple[Criterion, Verdict]]) -> list[TutorLine]:
    """Say what is missing and what would settle it for one learner's open verdicts, one line for each subject.

    A criterion `told_with` another open one becomes part of its sentence, so that a tutor does not read about the same
    thing twice. Lines are in the order of `pairs`.
    """
    open_ = {criterion.id for criterion, _ in pairs}
    joined = {criterion.told_with: (criterion, verdict) for criterion, verdict in pairs if criterion.told_with in open_}
    lines = []
    for criterion, verdict in pairs:
        if criterion.told_with in open_:
            continue
        first = needs(criterion, verdict)
        if criterion.id in joined:
            other, other_verdict = joined[criterion.id]
            words = _words(other)
            text = words.together_none if verdict.have == 0 and words.together_none else words.together
            both = _fill(text or "{first}", verdict, first)
            lines.append(TutorLine((verdict, other_verdict), both, closes(other, other_verdict)))
        else:
            lines.append(TutorLine((verdict,), first, closes(criterion, verdict)))
    return lines


def page_text(pairs: Sequence[tuple[Criterion, Verdict]], academic_year: str) -> str:
    """Say to a learner, and a parent who may look, what is still open: a heading, a line for each, and what to do.

    The only dates are last days, so that the text changes only when something has changed or a new academic year
    begins.
    """
    lines = [f"Careers programme {academic_year}: still to do"]
    for criterion, verdict in pairs:
        words = _words(criterion)
        text = words.learner_none if verdict.have == 0 and words.learner_none else words.learner
        said = _fill(text, verdict) if text else f"{needs(criterion, verdict)}. {closes(criterion, verdict)}"
        by = f" (by {say_day(verdict.due)})" if verdict.due else ""
        lines.append(f"- {said}{by}")
    lines.append("Already done? Tell your tutor, so that it is recorded. This note keeps itself up to date.")
    return "\n".join(lines)


def explain_reason(code: str) -> str:
    """Return the sentence for a reason code of a verdict or of a record.

    A detail after a colon, as in ``not_meaningful:task``, is said in words. Raises KeyError for an unknown code.
    """
    code, _, detail = code.partition(":")
    sentence = REASONS[code]
    if detail:
        return f"{sentence.removesuffix('.')}: {_DETAILS.get(detail, detail)}."
    return sentence if sentence.endswith(".") else f"{sentence}."


def _words(criterion: Criterion) -> Words:
    if criterion.words is None:
        msg = f"criterion {criterion.id} is answered by the college and has no words for tutors"
        raise ValueError(msg)
    return criterion.words


def _fill(text: str, verdict: Verdict, first: str = "") -> str:
    return text.format(have=verdict.have, need=verdict.need, first=first)
