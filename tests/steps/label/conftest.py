"""Judges, as scoring makes them."""

from ..scoring.conftest import judge_url, lab  # noqa: F401
