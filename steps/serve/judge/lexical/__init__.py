"""Deterministic lexical stand-in for a judge model: tokens, two scorers, an embedding, the prompts it answers."""
