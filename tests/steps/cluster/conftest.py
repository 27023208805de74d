"""The Kubernetes API of the release tests."""

from __future__ import annotations

from ..release.conftest import api  # noqa: F401
