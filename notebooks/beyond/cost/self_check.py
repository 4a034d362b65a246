"""Self-check of lesson 4, "The cost formula"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("A model reads 2,000 tokens and writes 100. What must you know to price the call?"),
            (
                Choice(
                    _("The number of tokens, 2,100, and one price per token."),
                    _(
                        "Input and output have prices of their own; in the lesson's table output "
                        "costs up to 5 times as much."
                    ),
                ),
                Choice(
                    _("Both numbers of tokens, and the price of input and of output."),
                    _("Each number is multiplied by its own price, then the two are added."),
                    right=True,
                ),
                Choice(
                    _("The number of letters, because providers charge by letters."),
                    _("Text models are priced by tokens, and letters per token vary by language."),
                ),
                Choice(
                    _("Only the output tokens; reading is free."),
                    _("Reading has a price, and prompts are often much longer than answers."),
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
                    _("From 3,000,000 calls."),
                    _("That is 300 ÷ 0.0001, but the 0.0001 is lost with each call, not saved."),
                ),
                Choice(
                    _("From 750,000 calls."),
                    _("That divides by the cost before; only the difference is saved per call."),
                ),
                Choice(
                    _("It never pays through the cost of tokens."),
                    _(
                        "Each call is dearer than before, so N* is infinite. Only better answers "
                        "could still justify it."
                    ),
                    right=True,
                ),
                Choice(
                    _("At once, because a fine-tuned model needs shorter prompts."),
                    _("Shorter prompts are already in the cost per call, and it went up."),
                ),
            ),
        ),
        Question(
            _("Model A's tokens cost half as much as model B's. When can A's bill be higher?"),
            (
                Choice(
                    _("Never: half the price is half the bill."),
                    _("The bill is tokens × price, and the number of tokens isn't the same."),
                ),
                Choice(
                    _("When A's tokenizer cuts the same text into more than twice as many tokens."),
                    _(
                        "Half the price times more than twice the tokens is more. Wrong answers "
                        "that somebody must repair can turn the comparison round as well."
                    ),
                    right=True,
                ),
                Choice(
                    _("When B has more parameters."),
                    _(
                        "Parameters aren't in the formula; the provider's price already "
                        "covers them."
                    ),
                ),
                Choice(
                    _("When there are many calls."),
                    _("The calls multiply both bills alike, so they can't swap the order."),
                ),
            ),
        ),
        Question(
            _(
                "Prompting reaches 80 %, you want 90 %, and the wrong answers lack facts that are "
                "in your documents. What comes next?"
            ),
            (
                Choice(
                    _("Fine-tune on the documents, so that the model knows them."),
                    _("Fine-tuning mainly fixes behavior and format; it adds facts unreliably."),
                ),
                Choice(
                    _("Retrieval, and measure again."),
                    _(
                        "It is the next rung of the ladder, and putting facts into the prompt is "
                        "what it does."
                    ),
                    right=True,
                ),
                Choice(
                    _("A small model on the device."),
                    _("That may lower cost and latency, but it brings no missing facts."),
                ),
                Choice(
                    _("Nothing: 80 % is as far as prompting goes."),
                    _("The ladder has two more rungs; this one is cheap to try."),
                ),
            ),
        ),
    ]
