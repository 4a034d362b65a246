"""Self-check of lesson 8, "Multimodal: Llama 3.2"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """Return the questions in the language that is set now."""
    return [
        Question(
            _("An answer of 50 tokens is decoded. What does a cross-attention layer's cache do?"),
            (
                Choice(
                    _("It grows by one key and one value for each new token."),
                    _("The self-attention layers' caches do that; they hold the text."),
                ),
                Choice(
                    _("It stays as it is: the image's keys and values, made once."),
                    _("The vision model runs once; each token only adds a new query."),
                    right=True,
                ),
                Choice(
                    _("It is emptied and filled again, because each token looks anew."),
                    _("Each token has its own query, but the keys don't change."),
                ),
                Choice(
                    _("It shrinks, because patches that were used are dropped."),
                    _("Nothing is dropped; a later token may need any patch."),
                ),
            ),
        ),
        Question(
            _("All gates of the cross-attention layers are set to 0. What do you get?"),
            (
                Choice(
                    _("An error, because the image's features are no longer used."),
                    _("Every layer still runs; what it adds is multiplied by tanh(0) = 0."),
                ),
                Choice(
                    _("Nearly the text model, up to small rounding differences."),
                    _("Adding exactly 0 changes no bit, so it isn't only nearly."),
                ),
                Choice(
                    _("Exactly the text model, which still answers fluently."),
                    _("So training could start from the text model without harming it."),
                    right=True,
                ),
                Choice(
                    _("A model that reports that it can't see the image."),
                    _("It guesses as confidently as before; nothing in it notices."),
                ),
            ),
        ),
        Question(
            _("A model answers 68% of yes-or-no questions about images. Does it use the images?"),
            (
                Choice(
                    _("Yes, because 68% is clearly more than one half."),
                    _("Half is chance only if yes and no are equally frequent."),
                ),
                Choice(
                    _("Unknown: swap the images and compare the accuracy."),
                    _("If it stays at 68%, the model guesses from the questions."),
                    right=True,
                ),
                Choice(
                    _("No, because it would have to be above 90% for that."),
                    _("A weak model can use the image, too; the difference shows it."),
                ),
                Choice(
                    _("Yes, if its attention is highest on the correct thing."),
                    _("Its weights say where values come from; the answer may not need them."),
                ),
            ),
        ),
        Question(
            _("A model scores 97% on held-out images, and 60% when things are half as large. Why?"),
            (
                Choice(
                    _("The held-out images leaked into the training data."),
                    _("A leak would raise the first score; it doesn't lower the second."),
                ),
                Choice(
                    _("It overfitted, which more training steps would repair."),
                    _("It does well on new images of the usual sizes; that isn't overfitting."),
                ),
                Choice(
                    _("The held-out images had the training data's sizes."),
                    _("A held-out score holds for the distribution it was drawn from."),
                    right=True,
                ),
                Choice(
                    _("Cross-attention can't handle small things in principle."),
                    _("With small things in training, the same architecture can learn them."),
                ),
            ),
        ),
        Question(
            _("Patches join the token sequence. What are the labels at their positions?"),
            (
                Choice(
                    _("The patches' own numbers, so that the model learns to draw."),
                    _("This model predicts words only; it has no output for patches."),
                ),
                Choice(
                    _("The number of the image token, once for each patch."),
                    _("Then the model would be trained to predict image tokens."),
                ),
                Choice(
                    _("The next word of the caption, which they are to predict."),
                    _(
                        "Labels stand at the tokens themselves; the loss shifts them, so the last "
                        "patch still predicts the word after it."
                    ),
                ),
                Choice(
                    _("A value that the loss ignores, such as -100 in PyTorch."),
                    _("A patch is no word; the word after the image keeps its own label."),
                    right=True,
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
                    _("Reading the license, which grants such companies no rights in it."),
                    _("End users of a product that contains the model aren't affected."),
                    right=True,
                ),
                Choice(
                    _("Quantizing it to 4 bits, so that legally it is another model."),
                    _("Quantizing changes memory and quality, not the license."),
                ),
            ),
        ),
    ]
