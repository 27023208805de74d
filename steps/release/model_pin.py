"""The model pin of one environment: `charts/environments/<env>/model.yaml`.

The file holds exactly one mapping, `model`, with `name`, `version`, `uri` and `sha256`.
Editing replaces these four values and nothing else: comments, order and spacing stay.
Version 0 means that nothing was released yet.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from pydantic import Field, ValidationError

from steps.contract.errors import ConfigError, DataError
from steps.contract.refs import ArtifactRef, Frozen, ModelRef

_KEYS = ("name", "version", "uri", "sha256")
_LINE = re.compile(
    r"""^(?P<head>[ ]+(?P<key>name|version|uri|sha256):)[ ]*
    ("(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | [^\s#'"][^\#\r\n]*? | )
    (?P<tail>[ ]*(?:[ ]\#[^\r\n]*)?\r?)$""",
    re.VERBOSE,
)

INITIAL = """\
# The released model. Only the release step and people's commits change this file;
# Argo CD rolls out what it says.
model:
  name: {name}
  version: 0
  uri: ""
  sha256: ""
"""


class Pin(Frozen):
    """A released model: registry version and content address."""

    name: str = Field(pattern=r"^[\w.-]+$")
    version: int = Field(ge=0)
    uri: str = Field(pattern=r"^[!-~]*$")
    sha256: str = Field(pattern=r"^(|[0-9a-f]{64})$")

    @property
    def ref(self) -> ModelRef | None:
        """The registry version; None before the first release."""
        return ModelRef(name=self.name, version=self.version) if self.version else None

    @property
    def label(self) -> str:
        """The registry version as text, or `nothing`."""
        return str(self.ref or "nothing")


def pin_of(model: ModelRef, artifact: ArtifactRef) -> Pin:
    """The pin of a registered model.

    Raises:
        DataError: the artifact's URI is not ASCII without spaces.
    """
    try:
        return Pin(name=model.name, version=model.version, uri=artifact.uri, sha256=artifact.sha256)
    except ValidationError as error:
        raise DataError(f"{model}: {error.errors()[0]['loc'][0]} of its artifact: percent-encode what is not plain ASCII") from None


def pin_path(environment: str) -> str:
    """Path of an environment's pin inside the repository.

    Raises:
        ConfigError: the name is not one path part of lower-case letters, digits and hyphens.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", environment):
        raise ConfigError(f"release.environment {environment!r}: use lower-case letters, digits and hyphens, as in staging")
    return f"charts/environments/{environment}/model.yaml"


def only_block(text: str, path: str, name: str) -> dict[str, Any]:
    """The one mapping that a file holds.

    Raises:
        DataError: it is not YAML, or holds more, less or other than the mapping `name`.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or set(document) != {name} or not isinstance(document[name], dict):
        raise DataError(f"{path}: must hold one mapping `{name}` and nothing else")
    return dict(document[name])


def parse_pin(text: str, path: str) -> Pin:
    """Read a pin file.

    Raises:
        DataError: it is not YAML, or holds more, less or other than the four keys below `model`.
    """
    try:
        return Pin.model_validate(only_block(text, path, "model"), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: model.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def replace_pin(text: str, pin: Pin, path: str) -> str:
    """The same file with the new pin; every other character is kept.

    Raises:
        DataError: the file is no pin file, or is not written as one key a line.
    """
    parse_pin(text, path)
    values: dict[str, Any] = pin.model_dump()
    written: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match:
            # JSON strings are YAML strings; unquoted digests could be read as numbers.
            value = pin.name if match["key"] == "name" else json.dumps(values[match["key"]], ensure_ascii=False)
            lines[number] = f"{match['head']} {value}{match['tail']}"
            written.append(match["key"])
    if sorted(written) != sorted(_KEYS):
        raise DataError(f"{path}: write model.name, .version, .uri and .sha256 on one line each")
    changed = "\n".join(lines)
    if parse_pin(changed, path) != pin:
        raise DataError(f"{path}: could not be edited safely: write it as plain `key: value` lines")
    return changed
