"""Report what was collected, in the words that the command prints."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.core.messages import Note
from autograder.core.printable import one_line


@dataclass(frozen=True)
class CollectedSubmission:
    """Describe a submission that is now in `term/submitted`.

    Attributes:
        student: the student's id.
        received: when it was received, in UTC, ISO 8601; "unknown" if the download doesn't say.
        name: what it was called in the exchange or the download.
        notes: what its student is told.
    """

    student: str
    received: str
    name: str
    notes: list[Note]


@dataclass
class CollectResult:
    """List what became of everything that was there.

    Attributes:
        taken: new submissions.
        unchanged: students whose submission was there already, or is newer than this one.
        refused: a sentence for each submission that was not taken.
        warnings: a sentence for each thing the instructor should look at.
    """

    assignment: str
    taken: list[CollectedSubmission] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.assignment}: {len(self.taken)} taken, {len(self.unchanged)} unchanged, "
            f"{len(self.refused)} refused."
        ]
        for one in self.taken:
            said = " ".join(note.text() for note in one.notes)
            lines.append(f"  {one.student}  {one.received}  {said}".rstrip())
        lines += [f"  refused: {sentence}" for sentence in self.refused]
        lines += [f"  look at: {sentence}" for sentence in self.warnings]
        # Names that students gave are in there; none of them makes a line of its own.
        return "\n".join(map(one_line, lines))
