"""Split an answer into tokens that stay the same when somebody disguises a copy.

| in code                                        | becomes                          |
|------------------------------------------------|----------------------------------|
| a comment, a line break, indentation           | nothing                          |
| a name that the student could have chosen      | the same as any other such name  |
| a string                                       | the same as any other string     |
| a number                                       | the same as any other number     |
| a keyword, a builtin, an attribute, an operator| itself                           |

Prose is split into words, in lower case and without punctuation.

Student text is split by regular expressions without a choice to come back to, so the time is
proportional to the length whatever the text is; nothing of it is compiled or run.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
import zlib
from dataclasses import dataclass

_CODE = re.compile(
    r"""
    (?P<nothing>\#[^\n]*+|\s++|\\\n)
  | (?P<string>(?:\b[bfrtuBFRTU]{1,2}+)?+
        (?:\"\"\"(?:[^"\\]|\\.|"(?!""))*+(?:\"\"\")?+
         | '''(?:[^'\\]|\\.|'(?!''))*+(?:''')?+
         | "(?:[^"\\\n]|\\.)*+"?+
         | '(?:[^'\\\n]|\\.)*+'?+))
  | (?P<name>[^\W\d]\w*+)
  | (?P<number>\.?+\d[\w.]*+)
  | (?P<operator>\*\*=?+|//=?+|>>=?+|<<=?+|->|[-+*/%&|^@:=!<>]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w++")

_KEPT = frozenset(keyword.kwlist) | frozenset(dir(builtins))
"""Names that nobody can rename, or that say what code does."""

_NAME, _STRING, _NUMBER = "name", "a string", "a number"
_OWN_OBJECTS = frozenset(["self", "cls"])
"""Before a dot: what follows is the student's own choice again."""

_FIRST_SIGN, _SIGNS = 0x100, 0xD000
"""The range of characters that tokens are written as: below the surrogates."""


@dataclass(frozen=True)
class TokenizedText:
    """Hold a text's tokens.

    Attributes:
        signs: a character for each token; the same token is the same character in every text.
        places: where each token begins and ends in the text.
    """

    signs: str
    places: tuple[tuple[int, int], ...]


def tokenize_code(source: str) -> TokenizedText:
    """Split Python code, valid or not, into its tokens."""
    signs: list[str] = []
    places: list[tuple[int, int]] = []
    before = ("", "")
    for found in _CODE.finditer(source):
        kind, text = str(found.lastgroup), found[0]
        if kind == "nothing":
            continue
        if kind == "name":
            is_attribute = before[1] == "." and before[0] not in _OWN_OBJECTS
            sign = text if is_attribute or text in _KEPT else _NAME
        else:
            sign = {"string": _STRING, "number": _NUMBER}.get(kind, text)
        before = (before[1], text)
        signs.append(_sign(sign))
        places.append(found.span())
    return TokenizedText("".join(signs), tuple(places))


def tokenize_prose(text: str) -> TokenizedText:
    """Split prose into its words."""
    found = list(_WORD.finditer(text))
    words = (unicodedata.normalize("NFC", one[0]).casefold() for one in found)
    return TokenizedText("".join(map(_sign, words)), tuple(one.span() for one in found))


def _sign(token: str) -> str:
    """Return the character of a token, the same in every process."""
    return chr(_FIRST_SIGN + zlib.crc32(token.encode("utf-8", "replace")) % _SIGNS)
