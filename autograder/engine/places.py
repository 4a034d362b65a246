"""Where things lie behind the walls."""

COURSE = "/course"
"""The lesson library and this package's modules."""

SCRATCH = "/scratch"
"""The file system that each child has to itself."""

WORK = f"{SCRATCH}/work"
"""The working folder and home, with the files that the assignment gives."""

BEHIND = "/behind"
"""The folders that a child's own /tmp would cover, to be found a second time."""
