"""What holds for all tests."""

from hypothesis import settings

# How long an example takes is the machine's affair; timings belong in bench.
settings.register_profile("towline", deadline=None)
settings.load_profile("towline")
