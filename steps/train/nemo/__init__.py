"""Training on many nodes with NeMo-RL: prepare its files, run inside its container, collect the candidate.

`launch`, `environment`, `processor`, `scorer` and `progress` are imported by NeMo-RL's own Python, where
our dependencies are missing: they use the standard library, and NeMo-RL, Ray and torch inside functions.
"""
