"""Self-check of lesson 1, "Prompting, and when it stops being enough"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("Asked to choose, a model names the same team for 98 of 100 messages. What first?"),
            (
                Choice(
                    _("Fine-tune it: it has evidently learned nothing about messages."),
                    _(
                        "That is the dearest step, and the lesson's model gave twice as many right "
                        "answers once its leaning was subtracted."
                    ),
                ),
                Choice(
                    _("See whether its probabilities differ between messages, and calibrate."),
                    _(
                        "A leaning hides what the model knows about a message. Subtracting it "
                        "costs nothing and tells whether there is more to gain here."
                    ),
                    right=True,
                ),
                Choice(
                    _("Take a larger model."),
                    _("Perhaps later; larger models lean as well, and this costs nothing to try."),
                ),
            ),
        ),
        Question(
            _(
                "After five examples were put into the prompt, answers have the right form but are "
                "hardly more often right. What does that say?"
            ),
            (
                Choice(
                    _("The examples were bad; other ones would show all rules."),
                    _(
                        "Five examples show at most five of the 20 rules. No choice of five can "
                        "show the others."
                    ),
                ),
                Choice(
                    _("Few-shot prompting is useless."),
                    _("It brought the form, which had been missing altogether."),
                ),
                Choice(
                    _("Form was one problem, missing facts are another."),
                    _("So the next rung is the one that brings facts: retrieval."),
                    right=True,
                ),
                Choice(
                    _("The model needs 300 examples in the prompt."),
                    _(
                        "Measure before you pay: in the lesson, four times the examples cost three "
                        "times the tokens of every call, and brought little."
                    ),
                ),
            ),
        ),
        Question(
            _("recall@3 is higher than recall@1, yet with 3 rules fewer answers are right. Why?"),
            (
                Choice(
                    _("The search is broken."),
                    _("The search found more right rules, as recall@3 says."),
                ),
                Choice(
                    _("The reader is confused by rules that don't belong to the message."),
                    _(
                        "Search and reader are two machines. A small reader copies from the wrong "
                        "rule; what helps one can hurt the other."
                    ),
                    right=True,
                ),
                Choice(
                    _("The intervals are too wide to say anything."),
                    _(
                        "For a difference this large they are not: compare message by message, as "
                        "in exercise 1."
                    ),
                ),
            ),
        ),
        Question(
            _("The kettle moves to another team. The adapter was trained last month. What now?"),
            (
                Choice(
                    _("Nothing: it learned how teams are chosen, so it will adapt."),
                    _("Its weights hold last month's answer and it will go on giving it."),
                ),
                Choice(
                    _("Edit one rule in the handbook, and let retrieval bring it."),
                    _(
                        "A fact that changes belongs where it can be edited. Behavior that "
                        "stays is what belongs in weights."
                    ),
                    right=True,
                ),
                Choice(
                    _("Retrain at once, each time a fact changes."),
                    _("It works, and puts labeling and training into every month's bill."),
                ),
                Choice(
                    _("Write the new rule into the instructions of the adapter's prompt."),
                    _(
                        "It was trained on bare questions; whether it reads a rule at all would "
                        "have to be measured, and the saving in tokens is gone."
                    ),
                ),
            ),
        ),
        Question(
            _("When does the course recommend fine-tuning?"),
            (
                Choice(
                    _("As soon as there are 300 labeled messages."),
                    _("Having data makes it possible, not worthwhile."),
                ),
                Choice(
                    _(
                        "When gain in quality and saved tokens outweigh compute and data "
                        "preparation, and the rungs below were measured."
                    ),
                    _("That is the rule; N* is its arithmetic, wrong answers included."),
                    right=True,
                ),
                Choice(
                    _("Whenever its share of right answers is the highest."),
                    _(
                        "The highest share may still cost more than it earns, or go stale with the "
                        "next new fact."
                    ),
                ),
            ),
        ),
    ]
