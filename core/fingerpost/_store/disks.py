"""Where a SQLite file may be: on a disk of this machine, readable by the service account alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fingerpost._words.errors import ConfigError


def refuse_network_share(path: Path, key: str = "[store] path", *, otherwise: str = "") -> None:
    """Raise `ConfigError` if the file that `key` names is not on a disk of this machine.

    SQLite locks and flushes through the operating system, and network file systems get both wrong: the store would be
    silently damaged on the first night when two machines meet.
    """
    text = str(path)
    slashes = text.replace("\\", "/")
    share = slashes.startswith("//") and not slashes.startswith(("//?/", "//./"))
    if share or slashes.upper().startswith("//?/UNC/") or _remote(path):
        raise ConfigError(
            f"{key} is on a network share, where SQLite cannot keep data safe. Choose a file on a disk of this "
            f"machine{otherwise}."
        )


_NETWORK_FILESYSTEMS = frozenset(
    {"afs", "cifs", "davfs", "fuse.sshfs", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs"}
)
"""As /proc/mounts names them. Not 9p: virtual machines and containers use it for local disks."""


def _remote(path: Path) -> bool:
    if sys.platform == "win32":
        import ctypes

        remote_drive = 4  # DRIVE_REMOTE of the Windows API
        return bool(ctypes.windll.kernel32.GetDriveTypeW(f"{path.absolute().drive}\\") == remote_drive)
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return False
    return _filesystem(path.resolve(), mounts.read_text(encoding="utf-8", errors="replace")) in _NETWORK_FILESYSTEMS


def _filesystem(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds `path`: that of its deepest mount point, mounted last."""
    deepest, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        if path.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), fields[2]
    return kind


def make_private(path: Path) -> None:
    """Make the file readable by the service account alone; SQLite's side files get the same rights."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    if sys.platform != "win32":
        path.chmod(0o600)  # whatever the umask says
