"""The library behind the course "Beyond Prompting": what its lessons import."""

from beyond import old_names

old_names.install()
