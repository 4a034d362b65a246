"""Self-checks of lessons 6 and 7, "Mixture of experts"."""

from __future__ import annotations

from beyond.locale import _
from beyond.ui.self_check import Choice, Question


def questions() -> list[Question]:
    """Return the questions of both lessons in the language that is set now."""
    return [*layer_questions(), *balance_questions()]


def layer_questions() -> list[Question]:
    """Return the questions of lesson 6 in the language that is set now."""
    return [
        Question(
            _("What grows when you add experts to an MoE layer and leave k as it is?"),
            (
                Choice(
                    _("The total parameters grow, and the computation per token hardly does."),
                    _("Only the router grows a little: it scores each additional expert."),
                    right=True,
                ),
                Choice(
                    _("The computation per token grows, and the total parameters stay."),
                    _("Each expert has weights of its own, so the total grows with each."),
                ),
                Choice(
                    _("The total parameters and the computation per token grow alike."),
                    _("That is a wider dense layer. Here a token still uses k experts."),
                ),
                Choice(
                    _("Neither grows, because all the experts share one common set of weights."),
                    _("Experts don't share weights; attention and embeddings are shared."),
                ),
            ),
        ),
        Question(
            _("Phi-3.5-MoE has 41.87 billion parameters, 6.64 billion of them active. In bf16:"),
            (
                Choice(
                    _("13.3 GB must be stored, because the other experts aren't needed."),
                    _("The next token may need any of them, so they must be stored somewhere."),
                ),
                Choice(
                    _("83.7 GB must be stored, though not all of it in the fastest memory."),
                    _(
                        "All experts must be somewhere. Offloading keeps some of them in RAM or "
                        "on disk, at a price in time."
                    ),
                    right=True,
                ),
                Choice(
                    _("121.6 GB must be stored, because 16 times 3.8 billion is 60.8."),
                    _("Only the FFNs exist 16 times; everything else exists once."),
                ),
                Choice(
                    _("83.7 GB must be in the GPU's own memory, or else the model can't be run."),
                    _("Runtimes can keep experts in RAM and compute them on the CPU."),
                ),
            ),
        ),
        Question(
            _("Why does dispatch sort the assignments by expert?"),
            (
                Choice(
                    _("So that the experts with the largest weights are computed first."),
                    _("The order of the experts doesn't matter, and weights come in at combine."),
                ),
                Choice(
                    _("So that every expert gets the same number of rows to compute."),
                    _("Sorting changes no assignment, so it doesn't balance anything."),
                ),
                Choice(
                    _("So that each expert needs one large matrix product, not many small ones."),
                    _("Its rows are next to each other. The arithmetic stays the same."),
                    right=True,
                ),
                Choice(
                    _("So that fewer multiplications are needed than in a loop over every token."),
                    _("There are as many as before. They are only done in larger pieces."),
                ),
            ),
        ),
        Question(
            _("Why do many models compute the router in float32 and the experts in bfloat16?"),
            (
                Choice(
                    _("Because softmax isn't defined for numbers in bfloat16."),
                    _("It is defined there, and coarser."),
                ),
                Choice(
                    _("Because rounding a logit can change which expert is chosen."),
                    _(
                        "Near a tie, a small error decides between two experts, and the outputs "
                        "of two experts differ by much more than rounding."
                    ),
                    right=True,
                ),
                Choice(
                    _("Because the router has more parameters than the experts have."),
                    _("It is a tiny part of the layer, which is why float32 costs little."),
                ),
                Choice(
                    _("Because float32 keeps the load of the experts uniform."),
                    _("Precision doesn't balance the load."),
                ),
            ),
        ),
        Question(
            _("A mixture and a dense model have equally many active parameters. What follows?"),
            (
                Choice(
                    _("Both need about the same arithmetic per token."),
                    _(
                        "That is all that active parameters count. Time also depends on memory "
                        "traffic, on the size of the products, and on dispatch."
                    ),
                    right=True,
                ),
                Choice(
                    _("Both have about the same latency per token."),
                    _("Latency also depends on memory traffic, product sizes, and dispatch."),
                ),
                Choice(
                    _("Both need about the same memory for their weights."),
                    _("The mixture has to store all of its experts."),
                ),
                Choice(
                    _("Both reach about the same loss in training."),
                    _("Lesson 7 compares them: at equal compute their losses differ."),
                ),
            ),
        ),
    ]


def balance_questions() -> list[Question]:
    """Return the questions of lesson 7 in the language that is set now."""
    return [
        Question(
            _("Why does the balance loss use the softmax over all experts for P?"),
            (
                Choice(
                    _("So that its value is 0 when the load is uniform."),
                    _("Its value is 1 when the load is uniform."),
                ),
                Choice(
                    _("So that experts that weren't chosen get a gradient, too."),
                    _(
                        "With the chosen experts' weights only, the others would never be pulled "
                        "up again. The count f has no gradient at all."
                    ),
                    right=True,
                ),
                Choice(
                    _("So that it is cheaper to compute than the top-k weights."),
                    _("Both cost next to nothing compared with the experts."),
                ),
                Choice(
                    _("So that the weights of a token's experts sum to 1."),
                    _("Renormalizing does that, and the balance loss doesn't touch it."),
                ),
            ),
        ),
        Question(
            _("A layer's balance loss is 1.0. What do you know about its load?"),
            (
                Choice(
                    _("It is uniform, because 1 is the minimum of the loss."),
                    _("The value can go below 1, and an uneven load can have the value 1."),
                ),
                Choice(
                    _("It has collapsed, because the loss no longer falls."),
                    _("A full collapse has the value E / k, which is larger than 1."),
                ),
                Choice(
                    _("Little: look at the fraction of assignments of each expert."),
                    _("The value mixes f and P. Only f itself shows the load."),
                    right=True,
                ),
                Choice(
                    _("No expert exceeds its capacity, so no token's assignment is dropped."),
                    _("The loss doesn't know the capacity."),
                ),
            ),
        ),
        Question(
            _("In training, one expert gets half of the assignments. What reduces its load?"),
            (
                Choice(
                    _("A z-loss, because it makes the logits smaller."),
                    _("Small logits can still all prefer the same expert."),
                ),
                Choice(
                    _("A capacity, because it drops what is too much."),
                    _("It drops assignments, but the router goes on asking for that expert."),
                ),
                Choice(
                    _("A balance loss, because it acts on the router."),
                    _("Its gradient lowers the probability of experts with a large load."),
                    right=True,
                ),
                Choice(
                    _("A larger k, because then each token has more experts."),
                    _("Each token may still include the popular expert in its k."),
                ),
            ),
        ),
        Question(
            _("What limits the speed of an expert-parallel step without capacity?"),
            (
                Choice(
                    _("The mean number of rows per device."),
                    _("That would be so if the load were uniform. All wait for the busiest."),
                ),
                Choice(
                    _("The device that received the most rows."),
                    _("Combine needs all outputs, so every device waits for it."),
                    right=True,
                ),
                Choice(
                    _("The number of tokens that were dropped."),
                    _("Without a capacity nothing is dropped."),
                ),
                Choice(
                    _("The number of experts that got no token."),
                    _("They take no time; the load is elsewhere."),
                ),
            ),
        ),
        Question(
            _("Half of a mixture's experts fit in fast memory. What decides how fast it decodes?"),
            (
                Choice(
                    _("How often a needed expert is missing, and how large an expert is."),
                    _("Misses times size is what has to be read for each token."),
                    right=True,
                ),
                Choice(
                    _("Only the active parameters, as when all experts fit."),
                    _("Reading a missing expert usually takes longer than computing with it."),
                ),
                Choice(
                    _("Only the total parameters, since all of them are read for each token."),
                    _("Experts that aren't chosen needn't be read for this token."),
                ),
                Choice(
                    _("How many tokens the training of the model has seen."),
                    _("Training changes which experts are chosen, not what a read costs."),
                ),
            ),
        ),
    ]
