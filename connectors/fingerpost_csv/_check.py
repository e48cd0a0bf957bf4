"""What `fingerpost check` says about the files of a `csv` connector."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

from fingerpost import Context, Finding, FingerpostError, Record, Rejected
from fingerpost.files import FoundFile, chunks, find_files, open_texts
from fingerpost_csv._config import CsvConfig
from fingerpost_csv._rows import read_rows
from fingerpost_csv._years import numbered_alike

_ROWS = 2000
_SAMPLE_PARTS = 8
_LISTED = 5
_CANDIDATES = ["cp1252", "cp850", "mac_roman"]


def check_files(options: CsvConfig, context: Context) -> Iterator[Finding]:
    """Yield what was found about each file, from its first rows only."""
    files = find_files(options.path, context)
    yield Finding("ok", _listing(files, context))
    for file in files:
        try:
            for label, text in open_texts(file, context, options.member):
                yield from _check_text(chunks(text), label, options, context)
        except FingerpostError as error:
            yield Finding("error", error.message)
    yield from _check_years(files, options, context)
    if not context.key:
        yield Finding(
            "warning",
            "no column identifies a row, so a row that is corrected later counts as a new one",
            "set key to the column or columns that identify a row",
        )


def _check_years(files: list[FoundFile], options: CsvConfig, context: Context) -> Iterator[Finding]:
    """Suggest `holds` where the files or the settings show that it matters."""
    try:
        alike = numbered_alike(files, options, context)
    except FingerpostError:
        return  # reported already, with the file
    if alike:
        yield Finding(
            "error",
            alike,
            'set holds = "year_a_file" if each file starts its numbers again, or holds = "all_years" if the newer file '
            "corrects the older one",
        )
    elif options.stream == "activities" and options.mode == "snapshot" and options.holds is None:
        yield Finding(
            "warning",
            "a record of an earlier year that the files no longer hold is removed",
            'set holds = "this_year" if the log begins anew each year, or holds = "all_years" if it holds every year',
        )


def _listing(files: list[FoundFile], context: Context) -> str:
    listed = [f"{file.label} ({_size(file.size)}, {_age(file, context)})" for file in files[:_LISTED]]
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return f"{len(files)} {'file' if len(files) == 1 else 'files'}: {', '.join(listed)}{more}"


def _size(size: int) -> str:
    return f"{size:,} bytes" if size < 10_000 else f"{size / 1_000_000:,.1f} MB"


def _age(file: FoundFile, context: Context) -> str:
    hours = (context.now - file.modified).total_seconds() / 3600
    return f"{max(hours, 0):.0f} hours old" if hours < 48 else f"{hours / 24:.0f} days old"


def _check_text(parts: Iterator[bytes], label: str, options: CsvConfig, context: Context) -> Iterator[Finding]:
    sample = b"".join(islice(parts, _SAMPLE_PARTS))
    if not sample.strip():
        yield Finding("warning", f"{label} is empty")
        return
    yield from _check_encoding(sample, label, options)
    rows, faults = 0, Counter[str]()
    try:
        for message in islice(read_rows(chain([sample], parts), label, options, context), _ROWS):
            rows += isinstance(message, Record | Rejected)
            if isinstance(message, Rejected):
                faults[message.reason] += 1
    except FingerpostError as error:
        yield Finding("error", error.message)
        return
    if faults:
        reasons = ", ".join(f"{reason} {count}" for reason, count in faults.most_common())
        yield Finding(
            "error" if faults.total() * 2 > rows else "warning",
            f"{label}: {faults.total():,} of the first {rows:,} rows cannot be read ({reasons})",
            "check key, delimiter and encoding, or have those rows corrected where the file is made",
        )
    elif rows:
        yield Finding("ok", f"{label}: the first {rows:,} rows can be read")
    else:
        yield Finding("warning", f"{label} has a header but no rows")


def _check_encoding(sample: bytes, label: str, options: CsvConfig) -> Iterator[Finding]:
    """Compare the configured encoding with what the first bytes look like; plain ASCII fits them all."""
    better = None
    if not _decodes(sample, options.encoding):
        better = _likely_encoding(sample)
        yield Finding(
            "error",
            f'{label} is not written in the encoding "{options.encoding}"'
            + (f"; it looks like {better}" if better else ""),
            f'set encoding = "{better}"' if better else "ask whoever makes the file which encoding it is written in",
        )
    elif not (sample.isascii() or codecs.lookup(options.encoding).name.startswith("utf")) and _decodes(sample, "utf-8"):
        yield Finding(
            "warning", f"{label} looks like UTF-8 but is read as {options.encoding}", 'set encoding = "utf-8-sig"'
        )


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeError:
        return False
    return True


def _likely_encoding(sample: bytes) -> str | None:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _decodes(sample, "utf-8-sig"):
        return "utf-8-sig"
    try:
        import charset_normalizer  # it comes with requests, which may choose another one day
    except ImportError:
        return None
    best = charset_normalizer.from_bytes(sample, cp_isolation=_CANDIDATES).best()
    return best.encoding.replace("_", "-") if best else None
