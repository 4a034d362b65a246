"""Translate on a laptop with any local model, without a network.

    python -m beyond.edge.translate --to ko "The library is closed."
    python -m beyond.edge.translate --to ko --file notes.txt --output notes.ko.txt
    python -m beyond.edge.translate --to ko --check           check that it can translate
    python -m beyond.edge.translate --models                  the models that this machine can run

With each translation it reports how well the model was measured to translate; before the first
one into a language it runs a short measurement. The course's own small model can't translate into
Korean, and the tool says so; with a multilingual model in Ollama (`--model ollama:NAME`) the same
command translates well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from beyond import locale
from beyond.edge import translation_check
from beyond.edge.sentences import LANGUAGES
from beyond.edge.translation import TOKENS, one_line, translate
from beyond.edge.translators import Translator, found_here, open_translator
from beyond.lm import models
from beyond.lm.hardware import free_memory
from beyond.lm.models import NoModel
from beyond.locale import _
from beyond.old_names import handed_on
from beyond.ui.tables import Table

__getattr__ = handed_on(__name__)


def translate_lines(
    lines: Iterable[str], to: str, translator: Translator, tokens: int = TOKENS
) -> Iterator[str]:
    """Translate each line separately; empty lines are kept."""
    for line in lines:
        yield one_line(translator, line, to, tokens) if line.strip() else ""


def translate_file(
    source: Path,
    target: Path,
    to: str,
    translator: Translator,
    tokens: int = TOKENS,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> int:
    """Translate a text file line by line; the target is written when all lines are done.

    Until then the finished lines are in a file next to it whose name ends in .part.

    Returns:
        How many lines there were.

    Raises:
        ValueError: if the source isn't text in UTF-8, or source and target are the same file.
        OSError: if a file can't be read or written.
    """
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            _("{file} isn't text in UTF-8; save it as UTF-8 first.").format(file=source.name)
        ) from None
    if target.exists() and target.samefile(source):
        raise ValueError(_("The translation would replace {file}.").format(file=source.name))
    beside = target.with_name(target.name + ".part")
    with beside.open("w", encoding="utf-8") as stream:
        for line in translate_lines(progress(lines), to, translator, tokens):
            stream.write(line + "\n")
            stream.flush()
    beside.replace(target)
    return len(lines)


def runnable(host: str | None = None) -> Table:
    """List the models this machine can run now: the course's own, and those in its Ollama."""
    rows = [
        (one.name, f"{one.size / 1e9:.2f}", "✓" if one.fits else _("too large"))
        for one in found_here(host)
    ]
    caption = _("Models here; {free:.1f} GB of memory are free").format(free=free_memory() / 1e9)
    return Table(caption, (_("model"), _("GB of weights"), _("fits")), rows)


def evidence(
    translator: Translator,
    to: str,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> str:
    """Return the measurement of a model; if there is none, measure it on a few sentences now.

    It isn't measured if the course has no sentences in the language or the model fails.
    """
    if to in LANGUAGES and translation_check.kept(translator.identity, to) is None:
        try:
            check = translation_check.measure(
                translator, to, count=translation_check.FIRST_LOOK, progress=progress
            )
            translation_check.keep(check, translator.identity)
        except (NoModel, ValueError, KeyboardInterrupt):
            pass  # the code below says that nothing was measured
    return translation_check.honest_words(translator.identity, translator.name, to)


def advice(name: str, host: str | None = None) -> str:
    """Name a larger local model that fits, if `translator` can't translate; else ""."""
    here = found_here(host)
    own = next((one.size for one in here if one.name == name), 0)
    larger = [one for one in here if one.fits and one.size > max(own, 10**9) and one.name != name]
    if larger:
        return _("Larger, here, and fits: --model {name}").format(name=larger[0].name)
    return _(
        "Try a multilingual model of about 7 GB: install Ollama, then `ollama pull NAME` and "
        "--model ollama:NAME --check."
    )


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. " + _("See --help.") + "\n")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    made = _Parser(
        prog="translate", description=_("Translate with a model on this machine; no network.")
    )
    add = made.add_argument
    add("text", nargs="*", help=_("what to translate"))
    add(
        "--to",
        metavar="LANGUAGE",
        help=_("{codes}, or a language's name in English").format(codes=", ".join(LANGUAGES)),
    )
    add(
        "--model",
        default=models.SMOLLM2,
        metavar="NAME",
        help=_("a model's folder, a .gguf file, ollama:NAME, or {name}").format(
            name=models.SMOLLM2
        ),
    )
    add("--file", type=Path, metavar="FILE", help=_("translate a text file, line by line"))
    add("--output", type=Path, metavar="FILE", help=_("where to write its translation"))
    add("--check", action="store_true", help=_("measure whether the model can translate"))
    add("--sentences", type=int, metavar="N", help=_("with --check: only the first N"))
    add("--models", action="store_true", help=_("list what this machine could run"))
    add("--tokens", type=int, default=TOKENS, metavar="N", help=_("the most tokens of an answer"))
    add("--host", metavar="URL", help=_("Ollama's address on this machine"))
    add(
        "--language",
        default=locale.language(),
        choices=locale.available(),
        help=_("language of the output"),
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 on success, 1 on failure, 2 for wrong arguments."""
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--language")
    code = early.parse_known_args(arguments)[0].language
    if code in locale.available():  # first, because the parser's texts are translated, too
        locale.set_language(code)
    made = parser()
    given = made.parse_args(arguments)
    if given.models:
        print(runnable(given.host))
        return 0
    if not given.to:
        made.error(_("say into which language, such as --to ko"))
    if sum([bool(given.text), given.file is not None, given.check]) != 1:
        made.error(_("give a text, --file FILE or --check, one of them"))
    if given.file and not given.output:
        made.error(_("say with --output where to write the translation"))
    if given.tokens < 1:
        made.error(_("--tokens must be 1 or more"))
    codes = {name.lower(): code for code, name in LANGUAGES.items()}
    given.to = codes.get(given.to.lower(), given.to)
    try:
        return _run(given)
    except (NoModel, ValueError) as problem:
        print(problem, file=sys.stderr)
    except OSError as problem:
        place = problem.filename or given.file
        print(
            _("{file} can't be used: {reason}.").format(file=place, reason=problem.strerror),
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print(_("Stopped."), file=sys.stderr)
    return 1


def _run(given: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    translator = open_translator(given.model, given.host)

    def bar(items: Sequence[str]) -> Iterable[str]:
        return tqdm(items, desc=_("Translating"), unit=_(" lines"), disable=None)

    if given.check:
        check = translation_check.measure(translator, given.to, count=given.sentences, progress=bar)
        translation_check.keep(check, translator.identity)
        for source, answer in check.examples:
            print(f"{source}\n→ {answer}\n")
        print(check)
        if not check.is_fit:
            print(advice(translator.name, given.host))
        return 0
    if given.file:
        translate_file(given.file, given.output, given.to, translator, given.tokens, bar)
    else:
        for piece in translate(" ".join(given.text), given.to, translator, given.tokens):
            print(piece, end="", flush=True)
        print()

    def first_look(items: Sequence[str]) -> Iterable[str]:
        return tqdm(
            items, desc=_("Measuring once how well it translates (Ctrl-C skips it)"), disable=None
        )

    print(evidence(translator, given.to, first_look), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
