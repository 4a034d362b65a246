"""The library behind the course "Beyond Prompting": what its lessons import."""
