"""Build, release, collect, grade and report the assignments of a Jupyter course."""
