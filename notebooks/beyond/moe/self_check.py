"""Self-check of lesson 6, "Mixture of experts"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """The questions in the language that is set now."""
    return [
        Question(
            _("Which architecture grows a model's size and keeps the computing per token low?"),
            (
                Choice(
                    _("Retrieval-augmented generation (RAG)."),
                    _("RAG puts texts into the prompt; the model's size doesn't change."),
                ),
                Choice(
                    _("Mixture of experts (MoE)."),
                    _("All experts are there, and only some of them work on a given token."),
                    right=True,
                ),
                Choice(
                    _("Supervised fine-tuning (SFT)."),
                    _("Fine-tuning changes weights; their number stays the same."),
                ),
                Choice(
                    _("Multimodality."),
                    _("That adds kinds of input, not cheap parameters."),
                ),
            ),
        ),
        Question(
            _(
                "Phi-3.5-MoE uses 6.64 of its 41.87 billion parameters for a token. "
                "How much memory?"
            ),
            (
                Choice(
                    _("That of 6.64 billion, because the others rest."),
                    _("The next token may ask for any of them, so they can't be elsewhere."),
                ),
                Choice(
                    _("That of 60.8 billion: 16 times 3.8."),
                    _("Only the experts exist 16 times; attention and embedding are shared."),
                ),
                Choice(
                    _("That of 41.87 billion: all experts must be at hand."),
                    _("A mixture saves computing, not memory: 83.7 GB in bf16."),
                    right=True,
                ),
                Choice(
                    _("That of 2 experts per layer, loaded when they are chosen."),
                    _(
                        "Loading them for each token and layer would take far longer than "
                        "computing with them."
                    ),
                ),
            ),
        ),
        Question(
            _("Why does the load-balancing loss use the softmax over all experts?"),
            (
                Choice(
                    _("Because the weights of the chosen experts don't sum to 1."),
                    _("Renormalized ones do; the trouble is who gets no gradient."),
                ),
                Choice(
                    _("So that experts that weren't chosen get a gradient, and can come back."),
                    _(
                        "The chosen ones' weights leave the others out. The share f carries no "
                        "gradient at all, so everything depends on P."
                    ),
                    right=True,
                ),
                Choice(
                    _("Because it is cheaper to compute."),
                    _("Both cost next to nothing beside the experts."),
                ),
                Choice(
                    _("So that the loss is 0 when the load is even."),
                    _("It is 1 when the load is even."),
                ),
            ),
        ),
        Question(
            _("A 12-layer mixture's balance loss, pooled over the layers, is 1.0. What follows?"),
            (
                Choice(
                    _("Each layer's load is even."),
                    _("Each layer could be collapsed on another expert, and the sum looks even."),
                ),
                Choice(
                    _("Nothing about a single layer; look at each by itself."),
                    _("Pooling adds the layers up first, and that hides what each does."),
                    right=True,
                ),
                Choice(
                    _("The router has stopped learning."),
                    _("The value says nothing about that."),
                ),
                Choice(
                    _("Half of the tokens are dropped."),
                    _("Tokens are dropped by capacity, not by this loss."),
                ),
            ),
        ),
        Question(
            _("Why does the fast layer sort the choices by expert?"),
            (
                Choice(
                    _("So that the best experts come first."),
                    _("The order of the experts has no meaning; what matters is who is together."),
                ),
                Choice(
                    _("So that each expert computes one large product instead of many small ones."),
                    _("Rows of one expert lie side by side; the sums are the same as in the loop."),
                    right=True,
                ),
                Choice(
                    _("So that every expert gets the same number of tokens."),
                    _("Sorting changes no choice; balance needs a loss, a bias or a capacity."),
                ),
                Choice(
                    _("So that fewer multiplications are needed."),
                    _("There are as many as before; they are only done in larger pieces."),
                ),
            ),
        ),
    ]
