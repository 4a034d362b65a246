"""Self-check of lesson 2, "Retrieval"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _(
                "recall@5 is 92%, and 61% of the answers are correct. Which part do you work on "
                "first?"
            ),
            (
                Choice(
                    _("The search: 8% of the passages are still missing from the first five."),
                    _("Even a perfect search would add at most these 8 points; 31 are elsewhere."),
                ),
                Choice(
                    _("The reader: most failures have the passage in the prompt already."),
                    _(
                        "For at least 31 of 100 questions the passage was there and the answer was "
                        "wrong: fewer passages, a better prompt or a stronger reader may help."
                    ),
                    right=True,
                ),
                Choice(
                    _("Neither: the two numbers can't be compared, as they measure two things."),
                    _(
                        "They can, for the same questions: what wasn't found can't be read, so "
                        "recall bounds what the reader can answer from the passages."
                    ),
                ),
            ),
        ),
        Question(
            _(
                "A passage reads: “It may go into the dishwasher.” Nobody finds it by asking about "
                "the mixer. What is the cheapest remedy?"
            ),
            (
                Choice(
                    _("Give every passage an overlap of one sentence with the next one."),
                    _("The overlap repeats a neighboring sentence, which may not name it either."),
                ),
                Choice(
                    _("Put the title of its section in front of each passage's text."),
                    _("The title names what the passage is about, for a few tokens each."),
                    right=True,
                ),
                Choice(
                    _("Replace the search by words with a search by embeddings."),
                    _(
                        "Nothing in the passage means a mixer, so its vector can't be near the "
                        "question's because of that."
                    ),
                ),
            ),
        ),
        Question(
            _("Which search do you expect to find part number “KX-2210” in 10,000 passages?"),
            (
                Choice(
                    _("BM25, because a term in one passage has a high idf."),
                    _("A rare exact term is the best case of a search by words."),
                    right=True,
                ),
                Choice(
                    _("Embeddings, because they also recognize rare names."),
                    _(
                        "A part number has no meaning that training could have taught; its tokens "
                        "are averaged with all the others."
                    ),
                ),
                Choice(
                    _("Mean-pooled states, because the model reads context."),
                    _("They were the lesson's weakest search, and context doesn't help here."),
                ),
            ),
        ),
        Question(
            _(
                "With the message hidden, a system answers correctly as often as with it. What do "
                "you conclude?"
            ),
            (
                Choice(
                    _("The messages are too easy, so a harder test set is needed."),
                    _("A harder set would lower both numbers; the reader would still not read."),
                ),
                Choice(
                    _("The reader is strong: it doesn't even need the message to answer."),
                    _("It copies what the search chose by the message. That isn't strength."),
                ),
                Choice(
                    _("The answers come from the search; the reader's part isn't measured."),
                    _("The control shows it: only the search has seen the message."),
                    right=True,
                ),
            ),
        ),
        Question(
            _(
                "Every word of an answer is in the passage that it cites. Which of these can still "
                "be wrong?"
            ),
            (
                Choice(
                    _("The answer: it may be copied from a passage about something else."),
                    _(
                        "Groundedness compares the answer with the passage, not with the question. "
                        "Measure correctness too."
                    ),
                    right=True,
                ),
                Choice(
                    _("Only the citation: its number may differ from the passage's own."),
                    _("The words were found in the cited passage, so the citation fits them."),
                ),
                Choice(
                    _("Nothing: an answer that is grounded in a passage is a correct one."),
                    _("A grounded answer repeats its source; the source may not fit the question."),
                ),
            ),
        ),
    ]
