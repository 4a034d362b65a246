"""Draw the course's map: the efficiency ladder with the lesson for each rung."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from beyond.locale import _
from beyond.ui.figures import BLUE, GRAY, GREEN, ORANGE, Chart, use_style


def ladder() -> Chart:
    """Draw the ladder: prompt, then retrieval, then fine-tuning, each step more expensive."""
    use_style()
    rungs = (
        (_("1. Prompt engineering"), _("costs: your time, longer prompts"), BLUE),
        (_("2. Retrieval (RAG)"), _("adds facts; costs: a search, more tokens"), GREEN),
        (_("3. Fine-tuning"), _("fixes behavior; costs: data, compute, upkeep"), ORANGE),
    )
    figure = Figure(figsize=(8.6, 3.2))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, 10.2)
    axes.set_ylim(-0.7, 2.8)
    for i, (name, price, color) in enumerate(rungs):
        left, bottom = 3.05 * i, 0.95 * i
        axes.add_patch(Rectangle((left, bottom), 3.75, 0.82, color=color, alpha=0.16, lw=0))
        axes.add_patch(Rectangle((left, bottom), 0.07, 0.82, color=color, lw=0))
        axes.text(left + 0.2, bottom + 0.53, name, fontsize=13, va="center")
        axes.text(left + 0.2, bottom + 0.21, price, fontsize=9, color="#333333", va="center")
        if i < 2:
            axes.add_patch(
                FancyArrowPatch(
                    (left + 2.2, bottom + 0.86),
                    (left + 3.0, bottom + 1.4),
                    color=GRAY,
                    arrowstyle="-|>",
                    mutation_scale=14,
                    connectionstyle="arc3,rad=-0.3",
                )
            )
            axes.text(
                left + 2.1, bottom + 1.3, _("falls short?"), fontsize=9, color=GRAY, ha="right"
            )
    axes.text(
        0,
        -0.5,
        _("On every rung, the model may also be a smaller or a specialized one (lessons 5 to 9)"),
        fontsize=9.5,
        color="#333333",
        va="center",
    )
    alt = _(
        "Three steps going up from left to right: 1. prompt engineering, 2. retrieval (RAG), "
        "3. fine-tuning. An arrow marked 'falls short?' leads from each step to the next, so "
        "fine-tuning comes last. Below them: at every step the model may also be a smaller or a "
        "specialized one."
    )
    return Chart(figure, alt)
