"""Write the API of a package as Markdown pages, one for each of its folders.

Griffe reads the source without importing it. Docstrings are Markdown in Google style.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe


def pages(package: Path) -> dict[str, str]:
    """Return the pages by name; "index" is the package itself and lists the others.

    Args:
        package: its folder.
    """
    loaded = griffe.load(
        package.name,
        search_paths=[package.parent],
        docstring_parser="google",
        resolve_aliases=False,
    )
    assert isinstance(loaded, griffe.Module)
    folders = [one for one in _modules(loaded) if one.is_init_module]
    made = {one.name: _page(one) for one in folders}
    listed = "\n".join(made)
    made["index"] = f"{_page(loaded)}\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    return made


def _modules(module: griffe.Module) -> list[griffe.Module]:
    found = [one for one in module.members.values() if isinstance(one, griffe.Module)]
    return sorted((one for one in found if not one.name.startswith("_")), key=lambda one: one.name)


def _page(package: griffe.Module) -> str:
    name = package.path
    parts = [f"# {name}\n", f"```{{py:module}} {name}\n```\n", _text(package)]
    for module in _modules(package):
        if module.is_init_module:
            continue
        parts += [
            f"## {module.name}\n",
            f"```{{py:module}} {module.path}\n```\n",
            _text(module),
            *_members(module),
        ]
    if any(one.is_init_module for one in _modules(package)):
        parts.append("## Packages\n")
        parts += [
            f"- [{one.path}]({one.name}.md): {_first_line(one)}"
            for one in _modules(package)
            if one.is_init_module
        ]
    return "\n".join(parts) + "\n"


def _members(module: griffe.Module) -> Iterator[str]:
    """Yield what a module's public functions and classes are, in the order of the source."""
    for member in module.members.values():
        if member.name.startswith("_"):
            continue
        if isinstance(member, griffe.Function):
            yield _object("function", member, _signature(member))
        elif isinstance(member, griffe.Class):
            bases = ", ".join(str(base) for base in member.bases)
            inside = "\n".join(_methods(member))
            yield _object("class", member, f"({bases})" if bases else "", inside)


def _methods(owner: griffe.Class) -> Iterator[str]:
    for member in owner.members.values():
        if member.name.startswith("_"):
            continue
        if isinstance(member, griffe.Function):
            yield _object("method", member, _signature(member))
        elif isinstance(member, griffe.Attribute) and member.docstring:
            yield _object("attribute", member, "")


def _signature(function: griffe.Function) -> str:
    """Return parameters with types and defaults, and what is returned."""
    whole = str(function.signature()).replace("\n", " ")
    return whole[whole.index("(") :]


def _object(kind: str, member: griffe.Object, signature: str, inside: str = "") -> str:
    # A fence has to be longer than those inside it.
    fence = ":" * (5 if kind == "class" else 4)
    name = member.path
    return f"{fence}{{py:{kind}}} {name}{signature}\n\n{_text(member)}\n{inside}\n{fence}\n"


def _first_line(member: griffe.Object) -> str:
    return member.docstring.value.splitlines()[0] if member.docstring else ""


def _text(member: griffe.Object) -> str:
    """Return a docstring as Markdown."""
    if not member.docstring:
        return ""
    parts = []
    for part in member.docstring.parse("google", warnings=False):
        if part.kind is griffe.DocstringSectionKind.text:
            parts.append(part.value + "\n")
        elif part.kind in _HEADINGS:
            parts.append(f"**{_HEADINGS[part.kind]}**\n")
            parts += [f"- {_item(item)}" for item in part.value]
            parts.append("")
    return "\n".join(parts)


_KIND = griffe.DocstringSectionKind
_HEADINGS = {
    _KIND.parameters: "Arguments",
    _KIND.attributes: "Attributes",
    _KIND.returns: "Returns",
    _KIND.yields: "Yields",
    _KIND.raises: "Raises",
}


def _item(item: griffe.DocstringElement) -> str:
    described = " ".join(item.description.split())
    name = getattr(item, "name", "") or (
        str(item.annotation) if isinstance(item, griffe.DocstringRaise) else ""
    )
    return f"`{name}`: {described}" if name else described
