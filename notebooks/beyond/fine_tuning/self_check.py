"""Self-check of lesson 3, "Fine-tuning"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("Why do the prompt's tokens get the label −100 in supervised fine-tuning?"),
            (
                Choice(
                    _("So that the model doesn't read them while it is being trained."),
                    _("It reads them: the answer is predicted from them. They only have no loss."),
                ),
                Choice(
                    _("So that the loss, and so the gradient, comes from the answer only."),
                    _("Cross-entropy ignores this label; the prompt stays as input."),
                    right=True,
                ),
                Choice(
                    _("So that the sequence is shorter and a training step takes less time."),
                    _("The sequence has the same length with and without labels."),
                ),
            ),
        ),
        Question(
            _("A LoRA layer starts with B = 0 and random A. What does that achieve?"),
            (
                Choice(
                    _("The first step starts from exactly the base model's outputs."),
                    _("B times A is zero, so nothing is added; after one step B isn't zero."),
                    right=True,
                ),
                Choice(
                    _("The adapter needs half the memory while it is being trained."),
                    _("Zeros take as much memory as other numbers, and they change at once."),
                ),
                Choice(
                    _("Both factors get a gradient of the same size in the first step."),
                    _("The gradient of A is multiplied by B: in the first step it is zero."),
                ),
            ),
        ),
        Question(
            _(
                "After tuning, the perplexity of general text is nearly the same. Has the model "
                "forgotten nothing?"
            ),
            (
                Choice(
                    _("Nothing: perplexity is an average over everything a model knows."),
                    _("It is an average over one text. What isn't in it isn't measured."),
                ),
                Choice(
                    _("Nothing, as long as the adapter can be switched off at any time."),
                    _("With the adapter on, its users still get what the tuned model replies."),
                ),
                Choice(
                    _("Unknown: test the skills that you need, such as replies in a chat."),
                    _(
                        "A skill can be lost that running text doesn't use. A fixed set of cases "
                        "for each skill shows it."
                    ),
                    right=True,
                ),
            ),
        ),
        Question(
            _("A model is distilled from a pipeline that is correct in 65% of cases. What holds?"),
            (
                Choice(
                    _("It will mostly repeat the pipeline's systematic mistakes."),
                    _(
                        "A mistake that is made for a whole topic is what the labels teach. Only "
                        "mistakes without a pattern average out."
                    ),
                    right=True,
                ),
                Choice(
                    _("It is better than the pipeline, since it was trained."),
                    _("It can be, if the mistakes have no pattern; measure it on gold labels."),
                ),
                Choice(
                    _("It needs no gold labels at all, for training or tests."),
                    _("Without gold labels nobody would notice what the teacher gets wrong."),
                ),
            ),
        ),
        Question(
            _("Your provider may end fine-tuning. Where does that belong in the decision?"),
            (
                Choice(
                    _("In the price per token, because it raises each call's cost."),
                    _("Moving costs the same however many calls are made: it isn't per call."),
                ),
                Choice(
                    _("Nowhere, because nobody can know in advance if it happens."),
                    _("A probability times a cost is an estimate; leaving it out says zero."),
                ),
                Choice(
                    _("In the fixed cost, as probability times the cost of moving."),
                    _("It raises F, and so the number of calls from which tuning pays."),
                    right=True,
                ),
            ),
        ),
    ]
