"""Make a college that does not exist: its ILR file, its tutors, its careers logs and its configuration.

The demonstration and the tests run on it. Everything follows from the seed; every person, address and number is
invented. It is realistic where that matters: the shape of a college, what tutors record and what they forget, and the
usual dirt of files that people keep by hand.
"""

from __future__ import annotations

import csv
import random
import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["AS_OF", "FakeCollege", "make_college", "write_ilr"]

AS_OF = date(2026, 3, 2)
"""The day on which the fake college is looked at."""

_YEAR = "2526"
_UKPRN = 99999999
_DOMAIN = "example.ac.uk"

_GIVEN = (
    "Aaliyah Adam Aisha Alfie Amara Amelia Anya Arjun Ayaan Bethan Callum Chidi Chloé Connor Daniel Dilan Efua Ellie "
    "Emre Ewan Farah Fatima Finn Freya Gethin Grace Hamza Hannah Harpreet Ibrahim Imani Isla Jakub Jasmine Jayden Joe "
    "José Kai Kamal Keira Khadija Kofi Lauren Leila Liam Logan Łukasz Maisie Malik Maya Megan Mei Mia Mohammed Nadia "
    "Niamh Noah Nia Oisín Oliver Olivia Omar Oskar Parveen Poppy Priya Rahul Reece Rhys Rosa Ruby Ryan Safiya Sam Seren "
    "Shanice Siân Sofia Tariq Thanh Theo Tia Tomos Tyler Uzma Wiktoria Yasmin Yusuf Zainab Zara Zoë"
).split()
_FAMILY = (
    "Abdi Adeyemi Ahmed Ali Anderson Bailey Begum Bennett Boateng Brown Campbell Chen Chowdhury Clarke Costa Davies "
    "Demir Edwards Evans Fernandes Fletcher Foster García Green Griffiths Hall Harris Hassan Hughes Hussain Ibrahim "
    "Iqbal Jackson Jones Kamara Kaur Khan Kowalski Kumar Lewis Mahmood Marsh McKenna Mensah Miah Mitchell Morgan Müller "
    "Murphy Nguyễn Novák Nowak O'Brien O'Neill Okafor Olowo Osei Owen Palmer Patel Pereira Phillips Popescu Price Rahman "
    "Richardson Roberts Robinson Rossi Sesay Shah Sharma Silva Singh Smith-Jones Stewart Suleiman Taylor Thapa Thomas "
    "Thompson Turner Walker Wang Ward Watson White Williams Wilson Wójcik Wood Wright Yilmaz Young Zhang"
).split()


class _Area(NamedTuple):
    """A curriculum area: a code for its groups, the aims of its courses and the employers who come to it."""

    code: str
    name: str
    aim: str
    t_level: str
    standard: str
    employers: tuple[str, ...]


_AREAS = (
    _Area("HSC", "Health and Care", "60311834", "60358300", "102", ("Elm Court Care Home", "Bridgeford Hospital Trust")),
    _Area("CON", "Construction", "60173737", "60358312", "91", ("Hollins & Daughters Builders", "Northway Homes")),
    _Area("DIG", "Digital", "60153281", "60358294", "154", ("Blue Kite Software", "Harbour Data Ltd", "Pixel Foundry")),
    _Area("BUS", "Business", "60171759", "", "196", ("Riverside Bank", "Market Street Accountants")),
    _Area("CRE", "Creative Arts", "60171802", "", "", ("The Old Print Works", "Lantern Theatre", "Studio Nine")),
    _Area("ENG", "Engineering", "60170263", "60358324", "457", ("Acre Fabrications", "Denholm Rail", "Volt & Sons")),
    _Area("HAB", "Hair and Beauty", "60156876", "", "255", ("Salon Forty", "Juniper Spa")),
    _Area("SPO", "Sport", "60171991", "", "302", ("Bridgeford Leisure Centre", "City Football Foundation")),
    _Area("SCI", "Science", "60181846", "60358336", "", ("Calder Laboratories", "Bridgeford Water")),
    _Area("CAT", "Catering", "60150346", "", "228", ("The Weir Hotel", "Saffron Kitchen")),
    _Area("EYE", "Early Years", "60315619", "60358348", "135", ("Acorns Nursery", "Little Steps Pre-School")),
    _Area("ALV", "A Levels", "60144957", "", "", ("Bridgeford Council", "Hart Solicitors", "Calder Laboratories")),
)
_EMPLOYERS = sorted({employer for area in _AREAS for employer in area.employers})
_PROVIDERS = (
    ("Open day at the University of Bridgeford", "University of Bridgeford", "University"),
    ("Higher education fair", "Universities of the North", "University"),
    ("Apprenticeship providers' evening", "Calder Valley Training", "Training provider"),
    ("Degree apprenticeships talk", "Denholm Rail", "Apprenticeship provider"),
)
_ADVISERS = ("R. Achebe", "M. Lindqvist", "S. Pryce")
