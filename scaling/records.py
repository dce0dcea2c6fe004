"""Measured points on disk: one file a point, named by a hash of what determines it; gathered into tables of rows.

Layout under a root such as results/local:
    <experiment>/points/<hash>.json     one measured point: identity, measured values, provenance
    <experiment>/checkpoints/<hash>/    the state of a point in progress, while it is measured
    <experiment>/<preset>/              what one run asked for: rows.csv and everything made from it
Files are written under a temporary name and renamed, so a reader never meets half a file, and two jobs may write side
by side.
"""

import hashlib
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import polars as pl


def point_hash(identity: dict[str, Any]) -> str:
    """First 20 hexadecimal digits of the SHA-256 of the identity written as canonical JSON.

    Raises:
        ValueError: a value of the identity is nan or infinite.
    """
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def write_text(path: Path, text: str) -> None:
    """Write a file atomically, making its folder."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def to_json(value: Any) -> str:
    """Indented JSON; nan and infinite numbers become null, which strict readers accept."""

    def clean(item):
        if isinstance(item, dict):
            return {str(k): clean(v) for k, v in item.items()}
        if isinstance(item, list | tuple):
            return [clean(v) for v in item]
        if hasattr(item, "tolist"):
            return clean(item.tolist())
        return None if isinstance(item, float) and not math.isfinite(item) else item

    return json.dumps(clean(value), indent=1, allow_nan=False) + "\n"


class Points:
    """The measured points of one experiment: a folder of files that any number of jobs may read and write."""

    def __init__(self, root: Path | str, experiment: str):
        self.folder = Path(root) / experiment / "points"

    def path(self, identity: dict[str, Any]) -> Path:
        """The file of the point with this identity, measured or not."""
        return self.folder / f"{point_hash(identity)}.json"

    def checkpoint(self, identity: dict[str, Any]) -> Path:
        """The folder for the state of this point while it is measured."""
        return self.folder.parent / "checkpoints" / point_hash(identity)

    def save(self, identity: dict[str, Any], values: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Put one measured point on disk at once."""
        content = {"identity": identity, "values": values, "provenance": provenance}
        write_text(self.path(identity), json.dumps(content, indent=1) + "\n")

    def load(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """The stored point {"identity", "values", "provenance"}, or None where it is missing or unreadable."""
        try:
            return json.loads(self.path(identity).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def write_rows(path: Path, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write rows as CSV; returns them as they read back, so that what is analysed is what is on disk."""
    table = pl.DataFrame(rows, infer_schema_length=None)
    write_text(path, table.write_csv())
    return read_rows(path)


def read_rows(path: Path) -> pl.DataFrame:
    """The rows of a CSV file.

    Raises:
        FileNotFoundError: there is none.
    """
    return pl.read_csv(path, infer_schema_length=None)


def git_commit(package: Path) -> str:
    """The commit of the checkout that holds `package`, with "+changes" if its files differ; "unknown" outside one."""

    def git(*arguments):
        return subprocess.run(["git", "-C", package, *arguments], capture_output=True, text=True, timeout=20)

    try:
        if git("ls-files", "--error-unmatch", "__init__.py").returncode:
            return "unknown"
        commit = git("rev-parse", "HEAD").stdout.strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "../*.toml", "../*/*.py", "../conf").stdout
        return commit + ("+changes" if changed else "")
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
