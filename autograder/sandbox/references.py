"""Name things that can't be sent by value to a student's process, in the arguments of a request.

References go one way only. A handle names an object that lies in the student's process already, a
function one of the test's that may be called back, and a library's name something that both sides
have installed. What arrives from a student's process holds none.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["h", "f", "l"]

HANDLE: Kind = "h"
FUNCTION: Kind = "f"
LIBRARY: Kind = "l"


@dataclass(frozen=True)
class Reference:
    """What is named in a request.

    Attributes:
        kind: `HANDLE`, `FUNCTION` or `LIBRARY`.
        number: of a handle or function.
        name: of what a library has: its module, a colon, and the qualified name.
    """

    kind: Kind
    number: int = 0
    name: str = ""


def from_library(name: str) -> Any:
    """Return what a library has under a name.

    Raises:
        ImportError, AttributeError: there is nothing of that name.
    """
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split(".") if path else ():
        found = getattr(found, part)
    return found
