"""Colleges that do not exist, for the demonstration and the tests.

One keeps its records in files: an ILR file, its tutors and its careers logs. The other keeps them in the databases of
ProSolution and ProMonitor. Everything follows from a seed; every person, address and number is invented. The package
only makes what a college would have; reading it is the connectors' work.
"""

from __future__ import annotations

from fingerpost_demo.college import FakeCollege, make_college
from fingerpost_demo.demonstrations import DATABASE, DEMONSTRATIONS, Demonstration
from fingerpost_demo.ilr import write_ilr
from fingerpost_demo.prosuite import make_prosuite
from fingerpost_demo.september import NextSeptember, next_september
from fingerpost_demo.terms import AS_OF

__all__ = [
    "AS_OF",
    "DATABASE",
    "DEMONSTRATIONS",
    "Demonstration",
    "FakeCollege",
    "NextSeptember",
    "make_college",
    "make_prosuite",
    "next_september",
    "write_ilr",
]
