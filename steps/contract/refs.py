"""Immutable pointers: the only things that travel between stages."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_serializer, model_validator

from steps.contract.errors import DataError


class Frozen(BaseModel):
    """A value object: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _TextRef(Frozen):
    """A pointer that is one string in JSON and on a command line."""

    @classmethod
    def parse(cls, text: str) -> dict[str, Any]:
        """The fields in a text; a ValueError says how it is written."""
        raise TypeError(f"{cls.__name__} has no text form")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return cls.parse(value) if isinstance(value, str) else value

    @model_serializer
    def _to_text(self) -> str:
        return str(self)


class TableRef(_TextRef):
    """A lake table at one snapshot: `ctp.traces@8123…`; snapshot 0 is the empty table."""

    table: str
    snapshot_id: int

    @classmethod
    def parse(cls, text: str) -> dict[str, Any]:
        """The fields in a text; a ValueError says how it is written."""
        match = re.fullmatch(r"([\w.]+)@(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r} is not TABLE@SNAPSHOT, as in ctp.traces@42")
        return {"table": match[1], "snapshot_id": int(match[2])}

    def __str__(self) -> str:
        return f"{self.table}@{self.snapshot_id}"


class ArtifactRef(_TextRef):
    """A file or folder and the SHA-256 of its content: `file:///…#sha256:…`."""

    uri: str
    sha256: str

    @classmethod
    def parse(cls, text: str) -> dict[str, Any]:
        """The fields in a text; a ValueError says how it is written."""
        uri, mark, digest = text.rpartition("#sha256:")
        if not mark or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"{text!r} is not URI#sha256:DIGEST with 64 hex digits")
        return {"uri": uri, "sha256": digest}

    def __str__(self) -> str:
        return f"{self.uri}#sha256:{self.sha256}"

    def local_path(self) -> str:
        """The path of a `file:` artifact.

        Raises:
            DataError: the artifact lies elsewhere.
        """
        parts = urlsplit(self.uri)
        if parts.scheme != "file":
            raise DataError(f"artifact {self.uri} is not a local file: stage it to disk first")
        return unquote(parts.path)


class ModelRef(_TextRef):
    """A registered model version: `agent-model@3`."""

    name: str
    version: int

    @classmethod
    def parse(cls, text: str) -> dict[str, Any]:
        """The fields in a text; a ValueError says how it is written."""
        match = re.fullmatch(r"([\w.-]+)@(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r} is not MODEL@VERSION, as in agent-model@3")
        return {"name": match[1], "version": int(match[2])}

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def _split(value: Any) -> Any:
    """A comma list on a command line is a tuple in Python."""
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part)
    return value


def _from_json(value: Any) -> Any:
    """JSON text on a command line is an object or a list in Python; anything else stays as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# Marks a field that a command line or a workflow gives as JSON text.
FromJson = BeforeValidator(_from_json)

TextTuple = Annotated[tuple[str, ...], BeforeValidator(_split)]
