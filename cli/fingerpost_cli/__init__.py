"""The command line of Fingerpost: a thin layer over `fingerpost.College`."""

from __future__ import annotations

from fingerpost_cli._main import main

__all__ = ["main"]
