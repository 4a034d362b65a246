"""Self-check of lesson 9, "Edge deployment"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _(
                "A model of 4 GB runs on a laptop whose memory delivers 40 GB a second. How fast "
                "can it write one text at most?"
            ),
            (
                Choice(
                    _("About 10 tokens a second."),
                    _("Each token reads all 4 GB once, and 40 ÷ 4 is 10. Overhead comes on top."),
                    right=True,
                ),
                Choice(
                    _("About 160 tokens a second."),
                    _("That multiplies the two; more bytes per token make it slower, not faster."),
                ),
                Choice(
                    _("As fast as the processor can multiply."),
                    _("For one text the numbers arrive too slowly for the multipliers to be busy."),
                ),
                Choice(
                    _("It depends on the length of the prompt alone."),
                    _(
                        "The prompt decides the first token and the size of the cache; the weights "
                        "are read for every token."
                    ),
                ),
            ),
        ),
        Question(
            _("An exported model gives the correct first token. What have you proved?"),
            (
                Choice(
                    _("That the export is correct: every later token follows from it."),
                    _("The first run has no past, so the cache hasn't been used at all."),
                ),
                Choice(
                    _("That the weights are correct; cache and positions are untested."),
                    _(
                        "Mistakes there show only in later steps, so compare the logits at every "
                        "step of a longer generation."
                    ),
                    right=True,
                ),
                Choice(
                    _("Nothing, because the logits of two programs are never equal."),
                    _("They need not be: state a tolerance, and hold every step to it."),
                ),
                Choice(
                    _("That the exported model runs faster than the original does."),
                    _("Nobody has looked at a clock yet."),
                ),
            ),
        ),
        Question(
            _("Why can 8 bits be worse than 4?"),
            (
                Choice(
                    _("Processors compute with 4 bits more exactly than with 8."),
                    _("They compute both exactly enough; what was rounded away is the trouble."),
                ),
                Choice(
                    _("One scale for a whole matrix has to suit its largest number."),
                    _(
                        "The many small numbers then fall on a few levels. A scale for every 32 "
                        "of them, even with 4 bits, follows them closely."
                    ),
                    right=True,
                ),
                Choice(
                    _("They can't: more bits are always closer to the original."),
                    _("Only with the same grouping; the lesson's table shows the opposite case."),
                ),
                Choice(
                    _("8-bit files are larger and no longer fit into the cache."),
                    _("That would make it slower, not worse."),
                ),
            ),
        ),
        Question(
            _(
                "A colleague reports: our new variant decodes 3 times as fast. What do you ask "
                "first?"
            ),
            (
                Choice(
                    _("How many bits per weight it has, and in which format it stores them."),
                    _("The bits alone tell neither what it says nor what it weighs."),
                ),
                Choice(
                    _("Whether it was measured on a GPU, and on which model of which maker."),
                    _(
                        "Worth knowing, but a fast variant that broke the model is useless "
                        "anywhere."
                    ),
                ),
                Choice(
                    _("What its perplexity and accuracy on our task are, from the same run."),
                    _("Speed without quality in the same table is no result."),
                    right=True,
                ),
                Choice(
                    _("How large the file is, and whether the download became shorter too."),
                    _("That matters next, together with resident memory and the cache."),
                ),
            ),
        ),
        Question(
            _(
                "A product should classify messages inside an app on phones of three makers. "
                "Which tool fits?"
            ),
            (
                Choice(
                    _("Ollama, because it is ready in minutes."),
                    _("It is a server program for computers, with an installer of its own."),
                ),
                Choice(
                    _("ONNX Runtime, because it is a library inside the app."),
                    _(
                        "It runs on the phones' processors and accelerators, and classifiers are "
                        "models like any other to it. Export, check, and write the loop yourself."
                    ),
                    right=True,
                ),
                Choice(
                    _("PyTorch, because the model was trained in it."),
                    _("Training and shipping are different jobs, and its environment is large."),
                ),
                Choice(
                    _("None: phones can't run language models, not even small ones."),
                    _("At 4 bits SmolLM2-135M has about 100 MB; this lesson ran it on two cores."),
                ),
            ),
        ),
    ]
