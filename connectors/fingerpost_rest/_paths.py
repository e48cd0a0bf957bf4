"""Paths in JSON: what a JMESPath finds, whether it is true or false, and how long a list was before it was filtered."""

from __future__ import annotations

import json
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

_CURRENT_NODE = frozenset({"current", "identity"})
_COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})
_PROJECTIONS = frozenset({"projection", "filter_projection", "value_projection"})


def parsed(content: bytes) -> Any:
    """Return the JSON of an answer, None where it is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def search(path: str, data: object) -> Any:
    """Return what a JMESPath finds in `data`; None where it finds nothing or cannot be applied."""
    try:
        return jmespath.search(path, data)
    except JMESPathError:  # a function was given what it cannot take
        return None


def compiles(path: str) -> bool:
    """Say whether a text is a JMESPath."""
    try:
        jmespath.compile(path)
    except JMESPathError:
        return False
    return True


class _OfNumbers(TreeInterpreter):
    """Order numbers and nothing else, as the specification has it: as texts, 2 comes after 15."""

    def visit_comparator(self, node: Any, value: Any) -> Any:
        if node["value"] in _COMPARISONS and any(isinstance(self.visit(one, value), str) for one in node["children"]):
            return None
        return super().visit_comparator(node, value)


def answer_at(path: str, data: object) -> bool | None:
    """Return the true or false at a path; None where there is neither, as where texts are compared like numbers."""
    try:
        found = _OfNumbers().visit(jmespath.compile(path).parsed, data)
    except JMESPathError:
        return None
    return found if isinstance(found, bool) else None


def whole_list(path: str) -> Any:
    """Return the expression of the list that a path picks records from, before any filter of its own.

    A service counts its pages and offsets in that list. Raises `ValueError` where a filter or a slice lies too deep in
    the path to tell.
    """
    return _whole(jmespath.compile(path).parsed)


def whole_list_of(path: str, data: object) -> list[Any]:
    """Return the list that a path picks records from; the records themselves where it is unknown."""
    try:
        found = TreeInterpreter().visit(whole_list(path), data)
    except (JMESPathError, ValueError):
        found = search(path, data)
    if isinstance(found, dict):
        found = list(found.values())
    return found if isinstance(found, list) else []


def _whole(node: Any) -> Any:
    kind, parts = node["type"], node["children"]
    if kind in _PROJECTIONS or (kind == "index_expression" and parts[-1]["type"] == "slice"):
        return _whole(parts[0])
    if kind == "pipe":
        then = _whole(parts[1])
        return (
            _whole(parts[0]) if then["type"] in _CURRENT_NODE else {**node, "children": [_unfiltered(parts[0]), then]}
        )
    return _unfiltered(node)


def _unfiltered(node: Any) -> Any:
    """Return `node`; raises `ValueError` where it holds a filter or a slice."""
    nodes = [node]
    while nodes:
        one = nodes.pop()
        if one["type"] in {"filter_projection", "slice"}:
            raise ValueError("a filter or a slice lies inside another expression")
        nodes += one["children"]
    return node
