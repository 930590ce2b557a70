"""Watching calls pass: the hooks in HTTP libraries, the copy of the answer, the span at its end."""
