"""Self-check of lesson 8, "Seeing with Llama 3.2"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("An answer of 50 tokens is written. What does a cross-attention layer's cache do?"),
            (
                Choice(
                    _("It grows by one key and one value for each token."),
                    _("That is what the other layers' caches do; they hold the text."),
                ),
                Choice(
                    _("It stays as it is: the picture's keys and values, made once."),
                    _("The vision model runs once, and only queries are new for each token."),
                    right=True,
                ),
                Choice(
                    _("It is emptied and filled again, because each token looks anew."),
                    _("Each token asks anew, but it asks the same keys."),
                ),
                Choice(
                    _("It shrinks, as patches that were used are dropped."),
                    _("Nothing is dropped; a later token may need any patch."),
                ),
            ),
        ),
        Question(
            _("All gates of the cross-attention layers are set to 0. What do you get?"),
            (
                Choice(
                    _("An error, because the image's features have nowhere to go."),
                    _("Every layer still runs; what it adds is multiplied by tanh(0) = 0."),
                ),
                Choice(
                    _("About the text model, up to small differences."),
                    _("Not about: adding exactly 0 changes no bit."),
                ),
                Choice(
                    _("Exactly the text model, which still answers fluently."),
                    _("So training could begin from the text model without harming it."),
                    right=True,
                ),
                Choice(
                    _("A model that says that it can't see."),
                    _("It guesses with the same assurance; nothing in it notices."),
                ),
            ),
        ),
        Question(
            _("A model answers 68 % of yes-or-no questions about pictures. Does it look at them?"),
            (
                Choice(
                    _("Yes, 68 % is clearly more than half."),
                    _("Half is the level only if yes and no are as frequent; check the questions."),
                ),
                Choice(
                    _("Unknown: ask again with other pictures and compare."),
                    _("If the share stays at 68 %, it guesses from the questions."),
                    right=True,
                ),
                Choice(
                    _("No, it would have to be above 90 %."),
                    _("A weak model can look too; only the difference shows it."),
                ),
                Choice(
                    _("Yes, if its attention lies on the right thing."),
                    _("Attention shows what was taken, not what the answer depends on."),
                ),
            ),
        ),
        Question(
            _("You cover a corner of the image, and the answer becomes much less probable. So …"),
            (
                Choice(
                    _("… the answer depends on that corner or on the cover itself."),
                    _("The cover is something to see as well, so try another color."),
                    right=True,
                ),
                Choice(
                    _("… attention must be highest in that corner of the image."),
                    _("The two often differ: information travels through the vision layers first."),
                ),
                Choice(
                    _("… the model has understood what the corner shows."),
                    _("Depending on something and understanding it are different claims."),
                ),
                Choice(
                    _("… the image was divided into too few tiles to begin with."),
                    _("The number of tiles follows from its shape and size, not from the answer."),
                ),
            ),
        ),
        Question(
            _("A company in the EU wants to build on Llama 3.2 11B Vision. What comes first?"),
            (
                Choice(
                    _("Buying a GPU with more than 20 GB of memory for the weights."),
                    _("Memory comes later: a model that you may not use needs none."),
                ),
                Choice(
                    _("Installing Ollama, which takes care of the license by itself."),
                    _("Current Ollama doesn't run it, and no program changes a license."),
                ),
                Choice(
                    _("Reading the license, which leaves out companies in the EU."),
                    _("It stands in Meta's terms: look first, and choose another model."),
                    right=True,
                ),
                Choice(
                    _("Quantizing it to 4 bits, so that legally it is another model."),
                    _("Quantizing changes memory and quality, and no terms."),
                ),
            ),
        ),
    ]
