"""Tool definitions of every known client in OpenAI's form `{"type": "function", "function": {name, description, parameters}}`."""

from __future__ import annotations

import re
from typing import Any

from steps.chat.values import MAX_DEPTH, as_object, as_word, decode_json, decode_object

_SCHEMA_KEYS = ("parameters", "inputSchema", "input_schema", "parameters_json_schema", "parametersJsonSchema", "schema", "jsonSchema")
_NESTED_KEYS = ("function", "toolSpec", "tool")
_LISTS = ("functionDeclarations", "function_declarations", "function_tools", "output_tools", "tools")
_INDEXED = (
    re.compile(r"llm\.tools\.(\d{1,4})\.tool\.(json_schema)$"),
    re.compile(r"llm\.request\.functions\.(\d{1,4})\.(name|description|parameters)$"),
    re.compile(r"gen_ai\.tool\.(\d{1,4})\.(name|description|parameters)$"),
)
_PREFIXES = ("llm.tools.", "llm.request.functions.", "gen_ai.tool.")


def _schema(value: Any) -> dict[str, Any]:
    """Parameters as a JSON Schema object; wrappers and the dialect's name go."""
    schema = as_object(value)
    for key in ("json", "jsonSchema"):
        if isinstance(schema.get(key), (dict, str)) and "type" not in schema:
            schema = as_object(schema[key])
    schema.pop("$schema", None)
    return schema


def parse_tools(value: Any, depth: int = 0) -> list[dict[str, Any]]:
    """Tool definitions from a list, a mapping by name, or JSON text of either; what names no function is left out."""
    value = decode_object(value)
    if depth > MAX_DEPTH or not value:
        return []
    if isinstance(value, (list, tuple)):
        return _distinct([tool for item in value for tool in parse_tools(item, depth + 1)])
    if not isinstance(value, dict):
        return []
    for key in _LISTS:
        if isinstance(value.get(key), list):
            return _distinct([tool for name in _LISTS if name in value for tool in parse_tools(value[name], depth + 1)])
    for key in _NESTED_KEYS:
        if isinstance(value.get(key), dict) and "name" in value[key]:
            return parse_tools(value[key], depth + 1)
    name = value.get("name")
    if not isinstance(name, str) or not name:
        named = [
            {"name": key, **item} for key, item in value.items() if isinstance(item, dict) and set(item) & {*_SCHEMA_KEYS, "description"}
        ]
        return parse_tools(named, depth + 1) if named else []
    parameters = next((_schema(value[key]) for key in _SCHEMA_KEYS if value.get(key) is not None), {})
    function = {"name": as_word(name), "description": as_word(value.get("description")), "parameters": parameters}
    return [{"type": "function", "function": function}]


def indexed_tools(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Tool definitions that stand one attribute each, such as `llm.tools.0.tool.json_schema`."""
    slots: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if not key.startswith(_PREFIXES):
            continue
        for pattern in _INDEXED:
            if match := pattern.match(key):
                slot = slots.setdefault(int(match[1]), {})
                if match[2] == "json_schema":
                    slot.update(as_object(value))
                else:
                    slot[match[2]] = decode_json(value)
    return _distinct([tool for _, slot in sorted(slots.items()) for tool in parse_tools(slot)])


def tools_of(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Tool definitions of a span's attributes, from the first place that has any."""
    for key in ("gen_ai.tool.definitions", "ai.prompt.tools", "langfuse.observation.tool_definitions", "tool_definitions"):
        if attributes.get(key) and (tools := parse_tools(attributes[key])):
            return tools
    if tools := indexed_tools(attributes):
        return tools
    if (request := as_object(attributes.get("model_request_parameters"))) and (tools := parse_tools(request)):
        return tools
    for key in ("langfuse.observation.metadata.tools", "langfuse.trace.metadata.tools", "metadata.tools", "llm.invocation_parameters"):
        value = decode_object(attributes.get(key))
        if isinstance(value, dict):
            value = value.get("tools")
        if isinstance(value, (list, tuple)) and (tools := parse_tools(value)):
            return tools
    return []


def _distinct(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each tool once, by its name, in order."""
    return list({tool["function"]["name"]: tool for tool in reversed(tools)}.values())[::-1]
