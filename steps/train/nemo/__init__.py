"""Training on many nodes with NeMo-RL: prepare its files, run inside its container, collect the candidate.

`launch`, `actor`, `prompt_processor`, `reward_client`, `paths` and `progress` are imported by NeMo-RL's own Python, where
our dependencies are missing: they use the standard library, NeMo-RL, Ray and torch. `reward_worker` runs with our Python.
"""
