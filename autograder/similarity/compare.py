"""Find the answers of a class that share more than chance and the task explain.

Fingerprints are the hashes of all runs of `RUN` tokens (Schleimer, Wilkerson and Aiken,
"Winnowing: local algorithms for document fingerprinting", SIGMOD 2003), made and matched by
copydetect. Its tokens aren't used: it takes files, and its highlights slip behind a class's name.
Nor are fingerprints thinned out: an answer is short, and a copied line may be all there is.

Fingerprints of what was given are left out. The others count by how few have them: one that two
students have counts 1, one that `n` have 2 / n, and from `shared_by_many` on nothing, since
what half a class writes is the usual way to solve the task.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autograder.errors import EnvironmentFault
from autograder.similarity.tokens import TokenizedText, tokenize_code, tokenize_prose

CODE, PROSE = "code", "markdown"
"""The kinds of answers, as cells have them."""

RUN = {CODE: 12, PROSE: 6}
"""How many tokens in a row have to be the same to count as shared."""

MIN_TOKENS = {CODE: 40, PROSE: 30}
"""The fewest tokens of an answer that is compared, what was given not counted."""

MIN_SHARED = {CODE: 24, PROSE: 14}
"""The fewest tokens that two answers have to share."""

MIN_SHARED_CODE = 60
"""The fewest tokens of code that two students have to share in all their answers, without prose."""

MIN_FRACTION = 0.65
"""The least part of the shorter answer that has to be shared."""

MAX_CHARS = 40_000
"""The most characters of an answer that is compared."""


@dataclass(frozen=True)
class Answer:
    """One student's answer at one place of an assignment.

    Attributes:
        student: the student's id.
        place: the notebook's name and the id of its answer cell, empty for the student's own cells.
        kind: `CODE` or `PROSE`.
        text: what the student wrote there.
    """

    student: str
    place: tuple[str, str]
    kind: str
    text: str


@dataclass(frozen=True)
class Side:
    """One of two answers that resemble each other.

    Attributes:
        passages: where the shared passages begin and end in its text, in order.
    """

    answer: Answer
    passages: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SharedAnswer:
    """Two answers that resemble each other.

    Attributes:
        tokens: the tokens in shared passages, each by how few students have it.
        fraction: the part of the shorter answer that is shared, 0 to 1, counted the same way.
    """

    left: Side
    right: Side
    tokens: float
    fraction: float


@dataclass(frozen=True)
class SimilarPair:
    """Two students with answers that resemble each other.

    Attributes:
        students: their ids, in order.
        answers: the answers, those that share most first.
    """

    students: tuple[str, str]
    answers: tuple[SharedAnswer, ...]

    @property
    def tokens(self) -> float:
        """How many tokens they share, each by how few students have it."""
        return sum(one.tokens for one in self.answers)

    @property
    def fraction(self) -> float:
        """The part that they share of their most similar answer, 0 to 1."""
        return max(one.fraction for one in self.answers)


@dataclass(frozen=True)
class Comparison:
    """What came of comparing a class.

    Attributes:
        pairs: those that share most first.
        compared: the number of answers that were compared.
        short: the number of answers that were too short to be.
        long: the students whose answers were too long to be, sorted.
        many: from how many students on a shared passage is left out.
    """

    pairs: tuple[SimilarPair, ...]
    compared: int
    short: int
    long: tuple[str, ...]
    many: int


def compare(answers: Iterable[Answer], given: Mapping[str, Iterable[str]]) -> Comparison:
    """Compare every answer with those of all other students.

    Args:
        answers: the class's.
        given: by kind, the texts that students were given.

    Raises:
        EnvironmentFault: copydetect isn't installed.
    """
    every = list(answers)
    many = shared_by_many(len({one.student for one in every}))
    pairs: dict[tuple[str, str], list[SharedAnswer]] = defaultdict(list)
    compared = short = 0
    long: set[str] = set()
    for kind in (CODE, PROSE):
        known = _given_hashes(kind, given.get(kind, ()))
        documents = []
        for one in every:
            if one.kind != kind:
                continue
            if len(one.text) > MAX_CHARS:
                long.add(one.student)
                continue
            made = _Document(one, known)
            if made.own_tokens < MIN_TOKENS[kind]:
                short += made.own_tokens > 0
                continue
            documents.append(made)
        compared += len(documents)
        for names, shared in _shared(documents, many):
            pairs[names].append(shared)
    every_pair = (SimilarPair(names, _matched(shared)) for names, shared in pairs.items())
    found = [one for one in every_pair if _is_enough(one)]
    found.sort(key=lambda one: (-one.tokens, one.students))
    return Comparison(tuple(found), compared, short, tuple(sorted(long)), many)


def shared_by_many(students: int) -> int:
    """Return from how many students on a passage counts as the usual way to solve the task."""
    return min(10, max(5, students // 4)) + 1


def _matched(shared: Iterable[SharedAnswer]) -> tuple[SharedAnswer, ...]:
    """Return each answer with the one that it shares most with, and no answer twice.

    Functions of one assignment resemble each other, too.
    """
    kept: list[SharedAnswer] = []
    taken: set[Answer] = set()
    for one in sorted(shared, key=lambda one: (-one.tokens, -_is_same_place(one))):
        if not taken & {one.left.answer, one.right.answer}:
            taken |= {one.left.answer, one.right.answer}
            kept.append(one)
    return tuple(kept)


def _is_enough(pair: SimilarPair) -> bool:
    return pair.tokens >= MIN_SHARED_CODE or any(
        one.left.answer.kind == PROSE for one in pair.answers
    )


def _is_same_place(shared: SharedAnswer) -> bool:
    return shared.left.answer.place == shared.right.answer.place


def _tokenize(kind: str, text: str) -> TokenizedText:
    return tokenize_code(text) if kind == CODE else tokenize_prose(text)


def _fingerprints(kind: str, signs: str) -> dict[int, list[int]]:
    """Return by hash where each run of tokens begins."""
    try:
        from copydetect.utils import get_document_fingerprints
    except ImportError:
        raise EnvironmentFault(
            "Comparing submissions needs copydetect, which isn't installed; "
            "install the extra `similar` and try again."
        ) from None
    if len(signs) < RUN[kind]:
        return {}
    found: dict[int, list[int]] = get_document_fingerprints(signs, RUN[kind], 1)[1]
    return found


def _given_hashes(kind: str, texts: Iterable[str]) -> frozenset[int]:
    return frozenset(
        one for text in texts for one in _fingerprints(kind, _tokenize(kind, text).signs)
    )


class _Document:
    """An answer with its fingerprints, without those of what was given."""

    def __init__(self, answer: Answer, given: frozenset[int]) -> None:
        self.answer = answer
        self._tokens = _tokenize(answer.kind, answer.text)
        found = _fingerprints(answer.kind, self._tokens.signs)
        self.fingerprints = found
        size = len(self._tokens.signs)
        self.own_tokens = size - self.covered(found.keys() & given)
        self.drop(given)

    def drop(self, hashes: frozenset[int]) -> None:
        """Leave out fingerprints."""
        self.fingerprints = {one: at for one, at in self.fingerprints.items() if one not in hashes}

    def covered(self, hashes: Iterable[int]) -> int:
        """Return how many tokens are in a run with one of these fingerprints."""
        return round(self.weighed(hashes, Counter()))

    def weighed(self, hashes: Iterable[int], students: Mapping[int, int]) -> float:
        """Return how many tokens are in runs with these fingerprints, each by its rarest run.

        Args:
            hashes: the fingerprints.
            students: by fingerprint, how many students have it.
        """
        weights = [0.0] * len(self._tokens.signs)
        # The rarest last, so that they stay.
        for one in sorted(hashes, key=lambda one: -students[one]):
            weight = 2 / max(2, students[one])
            for start in self.fingerprints[one]:
                weights[start : start + RUN[self.answer.kind]] = [weight] * RUN[self.answer.kind]
        return sum(weights)

    def passages(self, starts: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Return where runs that begin at these tokens lie in the text, joined where they touch."""
        from copydetect.utils import get_copied_slices

        begins, ends = get_copied_slices(starts, RUN[self.answer.kind])
        places = self._tokens.places
        return tuple(
            (places[int(begin)][0], places[int(end) - 1][1])
            for begin, end in zip(begins, ends, strict=True)
        )


def _shared(
    documents: Sequence[_Document], many: int
) -> Iterable[tuple[tuple[str, str], SharedAnswer]]:
    """Yield the answers of two students each that resemble each other enough."""
    owners: dict[int, set[str]] = defaultdict(set)
    for one in documents:
        for fingerprint in one.fingerprints:
            owners[fingerprint].add(one.answer.student)
    students = {one: len(found) for one, found in owners.items()}
    usual = frozenset(one for one, number in students.items() if number >= many)
    holders: dict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(documents):
        one.drop(usual)
        for fingerprint in one.fingerprints:
            holders[fingerprint].append(number)
    counts = Counter(
        (left, right)
        for numbers in holders.values()
        for place, left in enumerate(numbers)
        for right in numbers[place + 1 :]
        if documents[left].answer.student != documents[right].answer.student
    )
    for left, right in sorted(counts):
        made = _compared(documents[left], documents[right], students)
        if made is not None:
            yield made


def _compared(
    one: _Document, other: _Document, students: Mapping[int, int]
) -> tuple[tuple[str, str], SharedAnswer] | None:
    """Return what two answers share, if it is enough."""
    from copydetect.utils import find_fingerprint_overlap

    left, right = sorted((one, other), key=lambda each: each.answer.student)
    kind = left.answer.kind
    shared = left.fingerprints.keys() & right.fingerprints.keys()
    tokens = min(each.weighed(shared, students) for each in (left, right))
    least = min(each.weighed(each.fingerprints, students) for each in (left, right))
    if tokens < MIN_SHARED[kind] or tokens < MIN_FRACTION * least:
        return None
    starts = find_fingerprint_overlap(
        set(left.fingerprints), set(right.fingerprints), left.fingerprints, right.fingerprints
    )
    sides = [
        Side(each.answer, each.passages(sorted({int(at) for at in found})))
        for each, found in zip((left, right), starts, strict=True)
    ]
    names = (left.answer.student, right.answer.student)
    return names, SharedAnswer(sides[0], sides[1], tokens, min(1.0, tokens / least))
