"""What holds for all tests."""

from hypothesis import settings

# No test is a timing: a slow machine must not fail one, and hypothesis' deadline of 200 ms would.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
