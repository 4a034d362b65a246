"""Generate questions about a scene, in English and Korean, each with one right answer.

Six kinds: describe, where, count, digit, exists, relation. Yes/no questions have
both answers equally often, so that guessing from the question alone gets half of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from beyond.vision.scenes import COLORS, DIGITS, SHAPES, Scene, Thing, random_scene

KINDS = ("describe", "where", "count", "digit", "exists", "relation")
LANGUAGES = ("en", "ko")

_ROWS = {2: ("top", "bottom"), 3: ("top", "", "bottom")}
_COLUMNS = {2: ("left", "right"), 3: ("left", "", "right")}

_KO = {
    "red": "빨간색",
    "green": "초록색",
    "blue": "파란색",
    "yellow": "노란색",
    "purple": "보라색",
    "circle": "원",
    "square": "사각형",
    "triangle": "삼각형",
    "cross": "십자가",
    "top": "위",
    "bottom": "아래",
    "left": "왼쪽",
    "right": "오른쪽",
    "centre": "가운데",
    "yes": "네",
    "no": "아니요",
    "nothing": "없음",
}

_ASK: dict[str, dict[str, Any]] = {
    "describe": {
        "en": ("describe the image.", "what is in the image?"),
        "ko": ("이미지를 설명해 주세요.", "이미지에 무엇이 있나요?"),
    },
    "where": {
        "en": ("where is the {thing}?",),
        "ko": ("{thing}{topic} 어디에 있나요?",),
    },
    "what": {
        "en": ("what is at the {place}?",),
        "ko": ("{place}에 무엇이 있나요?",),
    },
    "count": {
        "en": ("how many {what} are there?",),
        "ko": ("{what}{subject} 몇 개 있나요?",),
    },
    "digit": {
        "en": ("which digit is {where}?",),
        "ko": ("{where} 숫자는 무엇인가요?",),
    },
    "exists": {
        "en": ("is there a {thing}?",),
        "ko": ("{thing}{subject} 있나요?",),
    },
    "left": {
        "en": ("is the {thing} left of the {other}?",),
        "ko": ("{thing}{topic} {other}보다 왼쪽에 있나요?",),
    },
    "above": {
        "en": ("is the {thing} above the {other}?",),
        "ko": ("{thing}{topic} {other}보다 위에 있나요?",),
    },
}


@dataclass(frozen=True)
class Item:
    """A question about a scene and its answer."""

    scene: Scene
    kind: str
    language: str
    question: str
    answer: str


def ask(rng: np.random.Generator, scene: Scene, kind: str, language: str) -> Item | None:
    """Generate a question of this kind about the scene, or None if none applies.

    Args:
        rng: the source of randomness.
        scene: what the question is about.
        kind: one of `KINDS`.
        language: one of `LANGUAGES`.
    """
    made = _MAKERS[kind](rng, scene, language)
    return None if made is None else Item(scene, kind, language, *made)


def held_out_items(number: int, seed: int = 2026) -> list[Item]:
    """Generate test items with alternating kinds and languages, each with its own scene.

    All scenes are of the held-out tenth, with held-out digits, and no two show the same.
    """
    rng = np.random.default_rng(seed)
    items: list[Item] = []
    seen: set[str] = set()
    while len(items) < number:
        kind = KINDS[len(items) % len(KINDS)]
        language = LANGUAGES[len(items) // len(KINDS) % len(LANGUAGES)]
        scene = random_scene(rng, held_out=True, needs_digit=kind == "digit")
        item = None if scene.key in seen else ask(rng, scene, kind, language)
        if item is not None:
            seen.add(scene.key)
            items.append(item)
    return items


def thing_name(thing: Thing, language: str) -> str:
    """Name a thing: "red circle", "blue 7"; "빨간색 원", "파란색 7"."""
    return _name(thing.color, thing.name, language)


def place_name(scene: Scene, row: int, column: int, language: str) -> str:
    """Describe where a cell is in the image: "top left", "bottom", "centre"; "왼쪽 위"."""
    words = [_ROWS[scene.rows][row], _COLUMNS[scene.columns][column]]
    words = [word for word in words if word] or ["centre"]
    if language == "ko":
        words = [_KO[word] for word in reversed(words)]
    return " ".join(words)


def thing_words(words: str, language: str) -> str:
    """Translate a color, name or place such as "top left" into the language: "왼쪽 위"."""
    parts = words.split()
    if language != "ko":
        return words
    return " ".join(_KO.get(part, part) for part in reversed(parts))


def _name(color: str, name: str, language: str) -> str:
    if language == "ko":
        return f"{_KO[color]} {_KO.get(name, name)}"
    return f"{color} {name}"


def _say(word: str, language: str) -> str:
    return _KO[word] if language == "ko" else word


def _form(rng: np.random.Generator, key: str, language: str, **words: str) -> str:
    last = words.get("thing") or words.get("what") or ""
    topic, subject = ("은", "이") if _ends_in_consonant(last) else ("는", "가")
    form = str(rng.choice(_ASK[key][language]))
    return form.format(**words, topic=topic, subject=subject)


def _ends_in_consonant(word: str) -> bool:
    """Return whether the Korean word, or a digit read aloud in Korean, ends in a consonant."""
    if word[-1:].isdigit():
        return word[-1] in "013678"
    return bool(word) and (ord(word[-1]) - 0xAC00) % 28 != 0


def _describe(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str]:
    parts = [
        f"{place_name(scene, t.row, t.column, language)}: {thing_name(t, language)}"
        for t in scene.things
    ]
    return _form(rng, "describe", language), ", ".join(parts)


def _where(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str] | None:
    if rng.random() < 0.5:
        unique = _unique(scene)
        if not unique:
            return None
        thing = _pick(rng, unique)
        question = _form(rng, "where", language, thing=thing_name(thing, language))
        return question, place_name(scene, thing.row, thing.column, language)
    taken = {(t.row, t.column): t for t in scene.things}
    cells = [(r, c) for r in range(scene.rows) for c in range(scene.columns)]
    empty = [cell for cell in cells if cell not in taken]
    if empty and rng.random() < 0.2:
        cell, answer = _pick(rng, empty), _say("nothing", language)
    else:
        cell = _pick(rng, list(taken))
        answer = thing_name(taken[cell], language)
    place = place_name(scene, cell[0], cell[1], language)
    return _form(rng, "what", language, place=place), answer


def _has(field: str, value: str) -> Callable[[Thing], bool]:
    return lambda thing: getattr(thing, field) == value


def _count(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str]:
    groups: list[tuple[str, str, Callable[[Thing], bool]]] = []
    way = rng.integers(4)
    if way == 0:
        groups = [("things", "도형이나 숫자", lambda t: True)]
    elif way == 1:
        groups = [(f"{color} things", _KO[color], _has("color", color)) for color in COLORS]
    elif way == 2:
        plural = {name: f"{name}es" if name == "cross" else f"{name}s" for name in SHAPES}
        groups = [(plural[name], _KO[name], _has("name", name)) for name in SHAPES]
    else:
        groups = [("digits", "숫자", lambda t: t.is_digit)]
    counted = [(en, ko, sum(map(test, scene.things))) for en, ko, test in groups]
    # Most groups have none; if all were equally likely, "0" would nearly always be right.
    some = [group for group in counted if group[2]]
    none = [group for group in counted if not group[2]]
    en, ko, number = _pick(rng, none if none and (not some or rng.random() < 0.25) else some)
    what = ko if language == "ko" else en
    answer = f"{number}개" if language == "ko" else str(number)
    return _form(rng, "count", language, what=what), answer


def _digit(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str] | None:
    digits = [t for t in scene.things if t.is_digit]
    if not digits:
        return None
    thing = _pick(rng, digits)
    ways = ["place"]
    if len(digits) == 1:
        ways.append("only")
    if sum(t.color == thing.color for t in digits) == 1:
        ways.append("color")
    way = _pick(rng, ways)
    place = place_name(scene, thing.row, thing.column, language)
    if language == "ko":
        where = {
            "place": f"{place}에 있는",
            "only": "이미지에 있는",
            "color": _KO[thing.color],
        }[way]
    else:
        where = {"place": f"at the {place}", "only": "there", "color": thing.color}[way]
    return _form(rng, "digit", language, where=where), thing.name


def _exists(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str]:
    there = {(t.color, t.name) for t in scene.things}
    thing = _pick(rng, scene.things)
    color, name, yes = thing.color, thing.name, rng.random() < 0.5
    while not yes and (color, name) in there:
        # A thing that isn't there usually differs from a present one in a single property.
        way = rng.integers(3)
        if way != 0:
            color = str(rng.choice(list(COLORS)))
        if way != 1:
            name = str(rng.choice(DIGITS if name in DIGITS else SHAPES))
    question = _form(rng, "exists", language, thing=_name(color, name, language))
    return question, _say("yes" if yes else "no", language)


def _relation(rng: np.random.Generator, scene: Scene, language: str) -> tuple[str, str] | None:
    unique = _unique(scene)
    pairs = [
        (key, a, b, getattr(a, axis) < getattr(b, axis))
        for key, axis in (("left", "column"), ("above", "row"))
        for a in unique
        for b in unique
        if getattr(a, axis) != getattr(b, axis)
    ]
    if not pairs:
        return None
    key, thing, other, yes = _pick(rng, pairs)
    question = _form(
        rng, key, language, thing=thing_name(thing, language), other=thing_name(other, language)
    )
    return question, _say("yes" if yes else "no", language)


def _unique(scene: Scene) -> list[Thing]:
    names = [(t.color, t.name) for t in scene.things]
    return [t for t in scene.things if names.count((t.color, t.name)) == 1]


def _pick(rng: np.random.Generator, choices):
    return choices[int(rng.integers(len(choices)))]


_MAKERS = {
    "describe": _describe,
    "where": _where,
    "count": _count,
    "digit": _digit,
    "exists": _exists,
    "relation": _relation,
}
