"""Plugins of vendors, laid out in a folder as pip would."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def install(site: Path, distribution: str, entry: str, module: str, source: str = "", *, version: str = "1") -> None:
    """Install a plugin of one module; without a source it is a module that can be found already."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[fingerpost]\n{entry} = {module}\n", encoding="utf-8")
    if source:
        (site / f"{module}.py").write_text(source, encoding="utf-8")
