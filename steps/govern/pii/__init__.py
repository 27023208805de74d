"""Search for personal data and secrets in text: find, mask, and prove that nothing is left."""
