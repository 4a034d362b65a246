"""Build, release, collect, grade and report the assignments of Beyond Prompting."""
