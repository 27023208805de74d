"""Trace documents, as chat reads them."""

from ..chat.conftest import _otlp_document  # noqa: F401
