"""Training of the candidate: DPO on preference pairs, or GRPO with the reward judge in the loop."""
