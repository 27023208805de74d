"""The agent manifest of one environment: `charts/environments/<env>/agent.yaml`.

The file holds exactly one mapping, `agent`, with the version of the agent and what it is made of:
model, prompt and tools. A release changes model and version together with the pin, in one commit;
prompt and tools are people's. Editing replaces the three values that are the release's and nothing
else. The version only grows, also when a release is undone: one number never means two agents.
"""

from __future__ import annotations

import re

from pydantic import Field, ValidationError

from steps.contract.errors import DataError
from steps.contract.refs import Frozen
from steps.release.model_pin import Pin, only_block, pin_path

_OURS = ("version", "model_name", "model_version")
_LINE = re.compile(
    r"""^(?P<head>[ ]+(?P<key>version|model_name|model_version):)[ ]*
    ("(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | [^\s#'"][^\#\r\n]*? | )
    (?P<tail>[ ]*(?:[ ]\#[^\r\n]*)?\r?)$""",
    re.VERBOSE,
)

INITIAL_AGENT = """\
# The agent: which model, prompt and tools belong together, and the number of this combination. The release step
# sets the model with every pin (model.yaml) and counts the version up; people's commits change prompt_version and
# tools. The chart makes a ConfigMap of it. It must not shape the pods: a reverted pin has to give back the very
# pod template that is running.
agent:
  version: 0
  model_name: {name}
  model_version: {version}
  prompt_version: "v1"
  tools: []
"""


class Agent(Frozen):
    """One combination of model, prompt and tools."""

    version: int = Field(ge=0, description="of the combination; counts every change that a release made; 0: nothing was released")
    model_name: str = Field(pattern=r"^[\w.-]+$", description="the pinned model")
    model_version: int = Field(ge=0, description="its version")
    prompt_version: str = Field(pattern=r"^[\w.@:/+-]{1,200}$", description="of the system prompt, as the agent's clients know it")
    tools: tuple[str, ...] = Field(default=(), description="names of the tools, with a version where they have one (`search@2`)")

    def agrees(self, pin: Pin) -> bool:
        """Whether it names the pinned model."""
        return (self.model_name, self.model_version) == (pin.name, pin.version)


def agent_path(environment: str) -> str:
    """Path of an environment's manifest inside the repository, beside the pin.

    Raises:
        ConfigError: as for `pin_path`.
    """
    return pin_path(environment).removesuffix("model.yaml") + "agent.yaml"


def parse_agent(text: str, path: str) -> Agent:
    """Read a manifest.

    Raises:
        DataError: it is not YAML, or holds more, less or other than the five keys below `agent`.
    """
    block = only_block(text, path, "agent")
    if not isinstance(block.get("tools", []), list):
        raise DataError(f"{path}: agent.tools: must be a list of names")
    try:
        return Agent.model_validate({**block, "tools": tuple(block.get("tools", []))}, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: agent.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def replace_agent(text: str, pin: Pin, path: str) -> str:
    """The same file with the pinned model and the next version; every other character is kept.

    Raises:
        DataError: the file is no manifest, or is not written as one key a line.
    """
    before = parse_agent(text, path)
    after = before.model_copy(update={"version": before.version + 1, "model_name": pin.name, "model_version": pin.version})
    written: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match:
            lines[number] = f"{match['head']} {getattr(after, match['key'])}{match['tail']}"
            written.append(match["key"])
    changed = "\n".join(lines)
    if sorted(written) != sorted(_OURS) or parse_agent(changed, path) != after:
        raise DataError(f"{path}: write agent.version, .model_name and .model_version as plain `key: value` on one line each")
    return changed


def check_agreement(text: str | None, pin: Pin, path: str) -> None:
    """Refuse a manifest that names another model than the pin; a missing one agrees with everything.

    Raises:
        DataError: they disagree, or the manifest is malformed.
    """
    if text is None:
        return
    agent = parse_agent(text, path)
    if not agent.agrees(pin):
        named = f"{agent.model_name}@{agent.model_version}"
        raise DataError(f"{path}: expected {pin.name}@{pin.version}, which is pinned, found {named}: commit which of both is right")


def next_agent(text: str | None, pin: Pin, path: str) -> str:
    """The manifest that belongs to a new pin; an environment that has none yet gets its first.

    Raises:
        DataError: as for `replace_agent`.
    """
    return replace_agent(text if text is not None else INITIAL_AGENT.format(name=pin.name, version=0), pin, path)
