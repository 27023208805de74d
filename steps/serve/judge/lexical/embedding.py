"""Embedding `lexical-hash-512`: signed feature hashing of word stems and letter groups.

Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning" (arXiv 0902.2206).
"""

from __future__ import annotations

import hashlib
import math
from array import array
from functools import lru_cache

from steps.serve.judge.lexical.tokens import fold, tokenize

NAME = "lexical-hash-512"
DIMENSIONS = 512
_GROUP = 4
_GROUP_WEIGHT = 0.2
_MAX_CHARS = 20_000


@lru_cache(maxsize=65536)
def _slot(feature: str) -> tuple[int, float]:
    """Place and sign of one feature."""
    value = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return value % DIMENSIONS, 1.0 if value >> 63 else -1.0


@lru_cache(maxsize=4096)
def embed(text: str) -> bytes:
    """Unit vector of a text as 512 little-endian float32; never all zero."""
    vector = [0.0] * DIMENSIONS
    tokens, _ = tokenize(text[:_MAX_CHARS])
    features = [(token.stem, token.weight) for token in tokens]
    for stem, weight in tuple(features):
        size = 2 if stem[0] >= "\u3040" else _GROUP
        features.extend(("#" + stem[i : i + size], weight * _GROUP_WEIGHT) for i in range(len(stem) - size + 1) if len(stem) > size)
    for feature, weight in features or [("text:" + fold(text)[:200], 1.0)]:
        place, sign = _slot(feature)
        vector[place] += sign * weight
    norm = math.sqrt(sum(value * value for value in vector))
    if norm == 0.0:
        vector[0] = norm = 1.0
    packed = array("f", (value / norm for value in vector))
    return packed.tobytes()
