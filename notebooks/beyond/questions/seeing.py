"""Self-check of lesson 5, "Seeing with Llama 3.2"."""

from __future__ import annotations

from beyond.locale import _
from beyond.questions import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("How does a picture get into Llama 3.2 Vision's text model?"),
            (
                Choice(
                    _("Its patches become tokens and stand in the sequence before the question."),
                    _("That is how LLaVA and many others do it; here one token marks the picture."),
                ),
                Choice(
                    _("Cross-attention layers take keys and values from it; it stays beside."),
                    _("Queries come from the text, keys and values from the picture."),
                    right=True,
                ),
                Choice(
                    _("A second model writes a caption, and the text model reads it."),
                    _("No words are made of the picture on the way; only vectors are handed on."),
                ),
                Choice(
                    _("It replaces the embedding of the image token."),
                    _("One vector could not hold it: there are 6,404 for four tiles."),
                ),
            ),
        ),
        Question(
            _("All gates of the cross-attention layers are set to 0. What do you get?"),
            (
                Choice(
                    _("An error, because the picture has nowhere to go."),
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
            _("You cover a corner of the picture, and the answer gets much less probable. So …"),
            (
                Choice(
                    _("… the answer depends on that corner, or on what the cover looks like."),
                    _("The cover is something to see as well, so try another colour."),
                    right=True,
                ),
                Choice(
                    _("… attention must be highest there."),
                    _("The two often differ: information travels through the vision layers first."),
                ),
                Choice(
                    _("… the model has understood the corner."),
                    _("Depending on something and understanding it are different claims."),
                ),
                Choice(
                    _("… the picture had too few tiles."),
                    _("The number of tiles follows from its shape and size, not from the answer."),
                ),
            ),
        ),
        Question(
            _("A company in the EU wants Llama 3.2 11B Vision for Korean questions on photos."),
            (
                Choice(
                    _("Fine: it is open, and Korean works because the tokenizer knows Hangul."),
                    _("Open weights come with a licence, and a tokenizer is no training."),
                ),
                Choice(
                    _("Fine through Ollama, which handles the licence."),
                    _("Current Ollama doesn't run it, and no program changes a licence."),
                ),
                Choice(
                    _("It has no licence for that there, and Korean isn't supported either."),
                    _("Both stand in Meta's terms and in the model card: look before you build."),
                    right=True,
                ),
                Choice(
                    _("Fine, as long as it runs in 4 bits."),
                    _("Quantising changes memory and quality, and no terms."),
                ),
            ),
        ),
    ]
