"""What versions.env pins."""

from __future__ import annotations

from functools import cache

from .rendered import ROOT


@cache
def pins() -> dict[str, str]:
    """Key -> version."""
    lines = (ROOT / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
