"""Other systems' configuration, made of our settings: pure functions, whose results are text."""
