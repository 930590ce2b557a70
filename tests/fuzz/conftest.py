"""`make fuzz` runs these with many more examples: `pytest tests/fuzz --hypothesis-profile=long`."""

from hypothesis import HealthCheck, settings

LONG = 5000

settings.register_profile("long", deadline=None, max_examples=LONG, suppress_health_check=list(HealthCheck))
