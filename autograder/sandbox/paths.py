"""Name the places in the sandbox."""

COURSE = "/course"
"""The course's packages and this package's modules."""

SCRATCH = "/scratch"
"""The file system that each child has to itself."""

WORK = f"{SCRATCH}/work"
"""The working folder and home, with the files that the assignment gives."""

SHADOWED = "/shadowed"
"""Where folders are bound that a child's own /tmp would cover, until it is mounted."""
