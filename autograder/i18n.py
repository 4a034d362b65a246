"""The language that the grader speaks: check messages, feedback, reports, what it tells students.

Texts are literal strings in `_("…")`, looked up each time they are shown. Whoever has texts
registers a domain: the grader's own catalogs lie in `locale/` beside this module, a course adds
its own. One `set_language` switches them all; a text without a translation stays as it is
written. Which languages there are is said by those who register, not here.

A process begins in the language that the environment variable AUTOGRADER_LANGUAGE names.
"""

from __future__ import annotations

import functools
import gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Domain:
    """Texts that are translated together.

    Attributes:
        name: of the files, as in `<folder>/<language>/LC_MESSAGES/<name>.mo`.
        folder: where the catalogs lie.
        source_language: the one that the texts are written in, which needs no catalog; empty
            for a domain that doesn't say which languages there are.
    """

    name: str
    folder: Path
    source_language: str = ""

    def languages(self) -> tuple[str, ...]:
        """Return the languages that it has texts in, the one they are written in first."""
        if self in _loaded:
            found = set(_loaded[self])
        else:
            found = {path.parent.parent.name for path in self._files()}
        first = (self.source_language,) if self.source_language else ()
        return (*first, *sorted(found - {self.source_language}))

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"*/LC_MESSAGES/{self.name}.[mp]o"))

    def catalog(self, code: str) -> gettext.NullTranslations | None:
        """Return the compiled catalog of a language; None where there is none."""
        if self in _loaded:
            return _loaded[self].get(code)
        # The code may come from a student's notebook: only what a listing shows becomes a path.
        for path in self._files():
            if path.parent.parent.name == code and path.suffix == ".mo":
                status = path.stat()
                return _read(path, status.st_mtime_ns, status.st_size)
        return None


@functools.lru_cache(maxsize=32)
def _read(path: Path, _mtime: int, _size: int) -> gettext.NullTranslations | None:
    # A catalog that can't be read leaves the texts as they are written, which is better for a
    # learner than a notebook that stops in its first cell.
    with suppress(OSError, ValueError, UnicodeError), path.open("rb") as file:
        return gettext.GNUTranslations(file)
    return None


_loaded: dict[Domain, dict[str, gettext.NullTranslations | None]] = {}
_domains: list[Domain] = [Domain("autograder", Path(__file__).parent / "locale")]
_current = ""
_catalogs: list[gettext.NullTranslations] = []


def register(name: str, folder: Path, source_language: str = "") -> None:
    """Add a domain of texts; one that is registered later is asked earlier.

    Args:
        name: the base name of its catalogs' files.
        folder: the folder that holds `<language>/LC_MESSAGES/`.
        source_language: the language that the texts are written in; with it, the domain says
            which languages `set_language` takes.
    """
    domain = Domain(name, Path(folder), source_language)
    if domain in _domains:
        return
    _domains.insert(0, domain)
    known = available()
    _switch(source_language if source_language and _current not in known else _current)


def domains() -> tuple[Domain, ...]:
    """Return the registered domains, to be registered in another process."""
    return tuple(_domains)


def use(registered: tuple[Domain, ...]) -> None:
    """Register another process's domains here, and read all their catalogs once and for all.

    A process that gives up its privileges afterwards may not be allowed to enter their folders.
    """
    for domain in reversed(registered):
        register(domain.name, domain.folder, domain.source_language)
        _loaded[domain] = {code: domain.catalog(code) for code in domain.languages()}


def available() -> tuple[str, ...]:
    """Return the languages that `set_language` takes; none where nobody has said which."""
    listed = [domain.languages() for domain in _domains if domain.source_language]
    return tuple(dict.fromkeys(code for languages in listed for code in languages))


def set_language(code: str) -> None:
    """Switch every text made by code to a language.

    Args:
        code: as the folders of catalogs are named.

    Raises:
        ValueError: there are languages, and this isn't one.
    """
    known = available()
    if known and code not in known:
        raise ValueError(f"The course has no language {code!r}; choose one of: {', '.join(known)}.")
    _switch(code)


def _switch(code: str) -> None:
    global _catalogs, _current
    found = (domain.catalog(code) for domain in _domains)
    _catalogs = [catalog for catalog in found if catalog is not None]
    _current = code


def language() -> str:
    """Return the language that is set now; empty where none is."""
    return _current


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Make every text in the language `code` inside the block, as far as there are catalogs."""
    before = _current
    _switch(code)
    try:
        yield
    finally:
        _switch(before)


def _(message: str) -> str:
    """Return `message` in the language that is set now; unchanged where there is no translation."""
    # gettext("") returns a catalog's header, which no reader should ever see.
    if message:
        for catalog in _catalogs:
            said = catalog.gettext(message)
            if said != message:
                return said
    return message


_switch(os.environ.get("AUTOGRADER_LANGUAGE", ""))
