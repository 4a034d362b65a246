"""Where things lie behind the walls."""

COURSE = "/course"
"""The lesson library and this package's modules."""

SCRATCH = "/scratch"
"""The file system that each child has to itself."""

WORK = f"{SCRATCH}/work"
"""The working folder and home, with the files that the assignment gives."""

BEHIND = "/behind"
"""Where the folders wait that a child's own /tmp would cover, until it is mounted."""
