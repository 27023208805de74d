"""The OpenAI chat completions protocol: requests read strictly, documents written. No I/O.

What this server cannot do is refused by name instead of ignored, when ignoring it
would change the answer (tools, logprobs, penalties).

Source:
    https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from steps.serve.model.sampling import Sampling

MAX_CHOICES = 64
MAX_BODY_BYTES = 8 << 20
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "tools": (None, []),
    "functions": (None, []),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "response_format": (None, {"type": "text"}),
    "audio": (None,),
}


class RequestError(Exception):
    """A request that is refused; the message goes to the client and never to a log.

    Attributes:
        status: HTTP status, 400 to 599.
        kind: OpenAI's error type.
        param: the request key at fault, or None.
        code: short machine-readable reason, or None.
    """

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.param, self.code = status, kind, param, code

    def document(self) -> dict[str, Any]:
        """The error body."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


class _Part(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One turn of a conversation. Content is a text or a list of text parts."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part]

    @property
    def text(self) -> str:
        """The whole text of the turn."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class _StreamOptions(BaseModel):
    include_usage: bool = False


def _stops(value: Any) -> Any:
    """Wrap a single stop text in a list."""
    return [value] if isinstance(value, str) else value or []


_StopTexts = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], BeforeValidator(_stops), Field(max_length=16)]


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="allow", strict=True)

    messages: list[Message] = Field(min_length=1)
    model: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: _StopTexts = []
    stream: bool | None = None
    stream_options: _StreamOptions | None = None

    @property
    def limit(self) -> int | None:
        """Longest answer asked for, in tokens."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def count(self) -> int:
        """Answers asked for."""
        return self.n or 1

    def conversation(self) -> list[dict[str, str]]:
        """The turns as the chat template takes them."""
        return [{"role": message.role, "content": message.text} for message in self.messages]


def parse_chat(body: bytes, served_model: str) -> ChatRequest:
    """Read and check a request body.

    Raises:
        RequestError: 400 for what is malformed or not supported, 404 for another model.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestError(400, "the body is not valid JSON in UTF-8", code="invalid_json") from None
    if not isinstance(document, dict):
        raise RequestError(400, "the body must be a JSON object", code="invalid_json")
    try:
        request = ChatRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        param = ".".join(str(part) for part in first["loc"])
        raise RequestError(400, f"{param}: {first['msg']}", param=param, code="invalid_value") from None
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply", code="invalid_json") from None
    if request.model is not None and request.model != served_model:
        message = f"the model {request.model[:100]!r} does not exist here; this server has {served_model!r}"
        raise RequestError(404, message, param="model", code="model_not_found")
    for key, neutral in _NEUTRAL.items():
        if document.get(key) not in neutral:
            raise RequestError(400, f"{key} is not supported by this server: leave it out", param=key, code="unsupported_parameter")
    return request


def sampling_of(request: ChatRequest, prompt_tokens: int, context_tokens: int) -> Sampling:
    """The sampling a request asks for, within the model's context.

    Raises:
        RequestError: prompt and answer do not fit.
    """
    room = context_tokens - prompt_tokens
    wanted = request.limit
    if room < 1 or (wanted is not None and wanted > room):
        demand = f"{prompt_tokens} in the messages" + (f" and {wanted} for the answer" if wanted else "")
        raise RequestError(
            400,
            f"this model's maximum context length is {context_tokens} tokens, but {demand} were requested: shorten either",
            param="messages" if room < 1 else "max_tokens",
            code="context_length_exceeded",
        )
    return Sampling(
        max_tokens=wanted or room,
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=request.seed,
        stop=tuple(request.stop),
    )


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Token counts of one request."""
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens}


def _envelope(kind: str, head: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    named = {"id": head["id"], "object": kind, "created": head["created"], "model": head["model"]}
    return named | {"system_fingerprint": head["version"], "choices": choices}


def completion(head: Mapping[str, Any], answers: Sequence[tuple[str, str]], tokens: Mapping[str, int]) -> dict[str, Any]:
    """The answer document.

    Args:
        head: `id`, `created` (Unix seconds), `model`, `version`.
        answers: (text, finish reason) by choice.
        tokens: from `usage`.
    """
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": reason}
        for index, (text, reason) in enumerate(answers)
    ]
    return _envelope("chat.completion", head, choices) | {"usage": dict(tokens)}


def chunk(head: Mapping[str, Any], index: int, delta: Mapping[str, str], reason: str | None = None) -> dict[str, Any]:
    """One piece of a streamed answer."""
    return _envelope("chat.completion.chunk", head, [{"index": index, "delta": dict(delta), "logprobs": None, "finish_reason": reason}])


def usage_chunk(head: Mapping[str, Any], tokens: Mapping[str, int]) -> dict[str, Any]:
    """The last piece when `stream_options.include_usage` is set."""
    return _envelope("chat.completion.chunk", head, []) | {"usage": dict(tokens)}


def model_list(model: str, created: int, context_tokens: int | None) -> dict[str, Any]:
    """The body of `GET /v1/models`."""
    entry = {"id": model, "object": "model", "created": created, "owned_by": "ctp", "max_model_len": context_tokens}
    return {"object": "list", "data": [entry]}
