"""The embedded world of `ctp run`: a fictional platform, its users' questions and the first model."""
