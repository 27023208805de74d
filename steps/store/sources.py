"""Places of raw objects: local paths, and what PyArrow reaches behind other URIs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from steps.contract.errors import DataError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


def remote(uri: str) -> tuple[FileSystem, str]:
    """The file system and path behind a URI such as gs://bucket/prefix.

    Raises:
        DataError: no such scheme, or no such form.
    """
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        filesystem, path = FileSystem.from_uri(uri)
        return filesystem, str(path)
    except (pa.ArrowInvalid, ValueError) as error:
        raise DataError(f"source {uri}: not a path or a URI that can be read: {str(error).splitlines()[0]}") from error


def local_path(uri: str) -> Path | None:
    """The path of a local source, or None for one behind another scheme."""
    if uri.startswith("file:"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))
    return None if re.match(r"[a-z][a-z0-9+.-]+://", uri) else Path(uri)
