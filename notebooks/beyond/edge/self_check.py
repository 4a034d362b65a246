"""Self-check of lesson 9, "Edge deployment"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _(
                "A model of 4 GB runs on a laptop with a memory bandwidth of 40 GB/s. How fast can "
                "it decode one text at most, one token per pass?"
            ),
            (
                Choice(
                    _("About 10 tokens per second."),
                    _("Each pass reads all 4 GB once, and 40 ÷ 4 is 10. Overhead adds time."),
                    right=True,
                ),
                Choice(
                    _("About 160 tokens per second."),
                    _("That multiplies the two; more bytes per token make it slower, not faster."),
                ),
                Choice(
                    _("As fast as it can multiply."),
                    _("Decode is memory-bound: the multipliers wait for the weights."),
                ),
                Choice(
                    _("That depends on the prompt alone."),
                    _("The prompt decides the time to first token; each pass reads all weights."),
                ),
            ),
        ),
        Question(
            _(
                "A draft has 4 tokens. The model agrees with the first two, not with the third, "
                "and again with the fourth. How many tokens does this pass add to the text?"
            ),
            (
                Choice(
                    _("Two: the ones it agrees with."),
                    _("The pass also gives the model's own token for the third place."),
                ),
                Choice(
                    _("Three: two drafted, one of its own."),
                    _("Everything after the first difference was predicted after a wrong token."),
                    right=True,
                ),
                Choice(
                    _("Four: three drafted, one of its own."),
                    _("The fourth was predicted after a token that is now rejected."),
                ),
                Choice(
                    _("Five: the whole draft, and one more."),
                    _("That would be so if it agreed with all four."),
                ),
            ),
        ),
        Question(
            _("Why does speculative decoding help less where a pass is compute-bound?"),
            (
                Choice(
                    _("Each additional token in the pass then costs about its full time."),
                    _("Verifying is cheap only while the pass waits for the weights anyway."),
                    right=True,
                ),
                Choice(
                    _("The model then accepts fewer of the tokens in each draft."),
                    _("Acceptance depends on the text and the model, not on the processor."),
                ),
                Choice(
                    _("The draft then takes as long as a pass of the model itself."),
                    _("Looking up earlier tokens takes next to no time on any processor."),
                ),
                Choice(
                    _("The KV cache then no longer fits beside the weights in memory."),
                    _("Its size depends on the number of tokens, not on what limits the speed."),
                ),
            ),
        ),
        Question(
            _("Why can 8 bits per weight be worse than 4?"),
            (
                Choice(
                    _("Processors compute with 4 bits more accurately than with 8."),
                    _("They compute accurately with both; the loss is in the rounding before."),
                ),
                Choice(
                    _("A single scale for all activations is set by the largest ones."),
                    _(
                        "The small activations are then rounded away. Quantizing only the weights, "
                        "in blocks of 32, avoids that, even with 4 bits."
                    ),
                    right=True,
                ),
                Choice(
                    _("They can't: more bits are always closer to the original."),
                    _("Only with the same grouping; the lesson's table shows the opposite case."),
                ),
                Choice(
                    _("An 8-bit file is larger and exceeds the processor's cache."),
                    _("That would make it slower, not worse."),
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
                    _("Ollama, because it is ready to use within minutes."),
                    _("It is a server program for computers, with an installer of its own."),
                ),
                Choice(
                    _("ONNX Runtime, because it is a library inside the app."),
                    _(
                        "It runs on the phones' processors and accelerators, and a classifier is a "
                        "model like any other to it."
                    ),
                    right=True,
                ),
                Choice(
                    _("PyTorch, because the model was trained with it."),
                    _("Training and shipping are different jobs, and its environment is large."),
                ),
                Choice(
                    _("None: phones can't run any language models at all yet."),
                    _("Section 9 lists phones that do, and SmolLM2 in 4 bits takes about 100 MB."),
                ),
            ),
        ),
    ]
