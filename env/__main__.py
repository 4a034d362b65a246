"""The course's launcher: `python3 env lab`, `python3 env test`, `python3 env run COMMAND`.

This file uses only syntax that any Python understands, so that one that is too old can say so.
"""

import sys

# The launcher's own; where it is older than the course needs, uv brings another Python.
OLDEST = (3, 9)


def too_old(version):
    """Return the error for a Python of this (major, minor, …) version; None if supported."""
    if tuple(version[:2]) >= OLDEST:
        return None
    return (
        "This is Python %d.%d, but the course needs Python 3.11 or newer; "
        "install one (python.org, or your system's packages) and start with it, "
        "for example: python3.12 env lab" % tuple(version[:2])
    )


if __name__ == "__main__":
    sentence = too_old(sys.version_info)
    if sentence:
        sys.stderr.write(sentence + "\n")
        sys.exit(3)
    from launcher import main

    sys.exit(main(sys.argv[1:]))
