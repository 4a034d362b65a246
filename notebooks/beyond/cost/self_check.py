"""Self-check of lesson 4, "The cost formula"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """Return the questions in the language that is set now."""
    return [
        Question(
            _(
                "A model gets 2,000 tokens, reasons for 300 and answers with 100. Which tokens "
                "are billed at the output price?"
            ),
            (
                Choice(
                    _("The 100 tokens of the answer, because only they are shown."),
                    _("Hidden tokens are generated too, and providers bill them as output."),
                ),
                Choice(
                    _("The 400 tokens of the reasoning and of the answer together."),
                    _("Everything that the model generates is output, shown or not."),
                    right=True,
                ),
                Choice(
                    _("All 2,400 tokens, because each call has a single price."),
                    _(
                        "Input and output have separate prices; in the lesson's table output "
                        "costs up to 5 times as much."
                    ),
                ),
                Choice(
                    _("The 300 tokens of the reasoning, because thinking costs extra."),
                    _("The answer is generated as well; reasoning has no price of its own."),
                ),
            ),
        ),
        Question(
            _(
                "Every prompt begins with today's date and the time, followed by 3,000 identical "
                "tokens. What does the prompt cache save?"
            ),
            (
                Choice(
                    _("Nearly all of it: 3,000 tokens are above the minimum."),
                    _("The length suffices, but the prefix must also be identical from its start."),
                ),
                Choice(
                    _("Half of it, because the date is the same for a whole day."),
                    _("The time changes within the first tokens, so each call is a miss."),
                ),
                Choice(
                    _("Nothing until the provider turns its batch discount on."),
                    _("Batches and caches are separate discounts, and you choose batches."),
                ),
                Choice(
                    _("Nothing: the prompts already differ near their beginning."),
                    _(
                        "A hit needs the same tokens from the start. Put what changes at the end "
                        "of the prompt."
                    ),
                    right=True,
                ),
            ),
        ),
        Question(
            _(
                "Fine-tuning costs $300 a month for retraining. A call costs $0.0004 before and "
                "$0.0005 after. From how many calls a month does it pay?"
            ),
            (
                Choice(
                    _("From 3,000,000 calls, because each call makes a difference of $0.0001."),
                    _("That is 300 ÷ 0.0001, but here each call loses the 0.0001."),
                ),
                Choice(
                    _("From 750,000 calls, because that many calls cost $300 today."),
                    _("That divides by the cost before; only a saving per call can recover F."),
                ),
                Choice(
                    _("From no number of calls, as long as only tokens are counted."),
                    _(
                        "Each call costs more than before, so N* is infinite. Only better answers "
                        "could still justify the change."
                    ),
                    right=True,
                ),
                Choice(
                    _("From the first call, because a tuned model needs shorter prompts."),
                    _("Shorter prompts are already part of the cost per call, which went up."),
                ),
            ),
        ),
        Question(
            _(
                "In a cascade, you raise the threshold from 0.8 to 0.95. What happens to the cost "
                "per message?"
            ),
            (
                Choice(
                    _("It rises or stays, because at least as many messages are escalated."),
                    _(
                        "A higher threshold keeps fewer cheap answers, and each escalated message "
                        "pays for both calls."
                    ),
                    right=True,
                ),
                Choice(
                    _("It falls or stays, because fewer of the answers kept are wrong."),
                    _("The answers kept are more accurate, but more messages pay twice."),
                ),
                Choice(
                    _("It stays the same, because every message gets one answer."),
                    _("An escalated message gets one answer, but two calls are paid for it."),
                ),
                Choice(
                    _("It can move either way, depending on the strong model's accuracy."),
                    _("That accuracy changes how many answers are correct, not what calls cost."),
                ),
            ),
        ),
        Question(
            _(
                "Prompting reaches 80%, you want 90%, and the wrong answers lack facts that are "
                "in your documents. What comes next?"
            ),
            (
                Choice(
                    _("Fine-tuning on the documents, so that the model learns the facts."),
                    _("Fine-tuning mainly changes behavior and format; it adds facts unreliably."),
                ),
                Choice(
                    _("Retrieval from the documents, followed by a new measurement."),
                    _("It is the next rung, and putting facts into the prompt is its purpose."),
                    right=True,
                ),
                Choice(
                    _("A cascade to a stronger model, which will know more of the facts."),
                    _("A stronger model hasn't read your documents either."),
                ),
                Choice(
                    _("A longer few-shot prompt, so that the prefix reaches the cache."),
                    _("Caching changes the cost; the facts would still be missing."),
                ),
            ),
        ),
    ]
