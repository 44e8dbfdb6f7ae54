"""What holds for all tests."""

try:
    from hypothesis import settings
except ImportError:  # some tests also run in environments that hold one library and pytest (tests/venvs.py)
    pass
else:
    # No test is a timing: a slow machine must not fail one, and hypothesis' deadline of 200 ms would.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
