"""Submissions to `moe-gate` with one mistake each, and the score that each deserves.

Reasoned out by hand from what the mistake does to each check, and not taken from a run: a check
that is passed or failed by accident shows as a difference. Everything but the one answer cell is
right. The written answer waits for a person, so everything right is 19 points here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

# The checks of each test cell with their weights, under a short name.
CHECKS = {
    "gate": {
        "sum": ("a token's probabilities sum to 1", 1),
        "row": ("a score is a token times an expert's row", 1),
        "half": ("half precision comes in, float32 comes out", 1),
        "others": ("other tokens and routers", 3),
        "large": ("very large scores", 1),
    },
    "top-k": {
        "largest": ("the k largest come first, with their experts", 1),
        "ratio": ("renormalized weights sum to 1 and keep their ratio", 1),
        "gradient": ("the gate gets a gradient through the weights", 1),
        "others": ("other sizes", 3),
        "gradients": ("other gradients", 2),
        "untouched": ("what was passed in stays as it was", 1),
    },
    "mixture": {
        "chosen": ("a token's expert is the one that was chosen", 1),
        "two": ("two experts are added up, each with its weight", 1),
        "dropped": ("a dropped choice adds nothing", 1),
        "once": ("each expert is called once, on its own tokens", 1),
        "others": ("other tokens, weights and experts", 3),
        "learns": ("gradients reach the tokens, the weights and the experts", 1),
        "gradients": ("gradients of tokens, weights and experts", 2),
        "others once": ("other experts work once, on their own tokens", 1),
    },
    "balance-loss": {
        "balanced": ("balanced is 1, whatever k is", 1),
        "one expert": ("all tokens on one expert", 1),
        "twice": ("twice the tokens, the same loss", 1),
        "others": ("other batches", 3),
        "moves": ("the loss moves the probability of every expert that was chosen", 1),
        "gradient": ("the gradient of the loss", 2),
    },
    "capacity": {
        "fits": ("no expert takes more than fits", 1),
        "ranks": ("first choices come before second ones", 1),
        "untouched": ("the choices passed in stay as they were", 1),
        "others": ("other choices and capacities", 3),
        "extremes": ("no room, and room for all", 1),
    },
    "layer": {
        "numbers": ("the output has the input's shape and the correct numbers", 1),
        "parameters": ("parameters() lists the router and every expert", 1),
        "learns": ("the router learns from the task", 1),
        "others": ("other layers", 3),
        "gradients": ("gradients of other layers", 2),
        "step": ("a step of gradient descent changes the router and the experts", 1),
        "drops": ("with a factor choices are dropped, and the loss counts them all", 1),
        "capacity": ("layers with a capacity", 2),
    },
}
POINTS = {"gate": 2, "top-k": 3, "mixture": 4, "balance-loss": 3, "capacity": 3, "layer": 4}
RIGHT = 19


def all_of(cell: str, *but: str) -> set[str]:
    """Every check of a cell but these."""
    return set(CHECKS[cell]) - set(but)


@dataclass(frozen=True)
class Mistake:
    """One mistake in one answer cell.

    Attributes:
        cell: the answer cell.
        change: (old, new) pieces of the right answer, or a whole answer cell.
        broken: the checks that fail, by answer cell: only in that cell, since the layer is
            checked with stand-ins for the other functions.
        score: the points of the whole submission.
        why: what the broken checks have seen, where the mistake's name doesn't say it.
    """

    cell: str
    change: tuple[str, str] | str
    broken: dict[str, set[str]]
    score: Fraction
    why: str = ""

    def answer(self, right: str) -> str:
        if isinstance(self.change, str):
            return self.change.strip()
        old, new = self.change
        assert right.count(old) == 1, old
        return right.replace(old, new)


def part(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


LOOP_OVER_TOKENS = """
def mixture(x, weights, chosen, experts):
    rows = []
    for token, shares, numbers in zip(x, weights, chosen):
        total = torch.zeros_like(token)
        for share, number in zip(shares, numbers):
            if number >= 0:
                total = total + share * experts[int(number)](token.unsqueeze(0))[0]
        rows.append(total)
    return torch.stack(rows)
"""
EVERY_EXPERT_ON_EVERY_TOKEN = """
def mixture(x, weights, chosen, experts):
    total = torch.zeros_like(x)
    for number, expert in enumerate(experts):
        share = (weights * (chosen == number)).sum(dim=-1, keepdim=True)
        total = total + share * expert(x)
    return total
"""
EACH_PLACE_BY_ITSELF = """
def mixture(x, weights, chosen, experts):
    total = torch.zeros_like(x)
    for place in range(chosen.shape[1]):
        for number, expert in enumerate(experts):
            rows = torch.where(chosen[:, place] == number)[0]
            if len(rows):
                total = total.index_add(0, rows, weights[rows, place, None] * expert(x[rows]))
    return total
"""
EXPERT_BY_PLACE = """
def mixture(x, weights, chosen, experts):
    total = torch.zeros_like(x)
    for place in range(chosen.shape[1]):
        total = total + weights[:, place, None] * experts[place](x)
    return total
"""
MARKED_IN_THE_CALLERS_TENSOR = """
def top_k(probabilities, k, renormalize=True):
    weights, chosen = [], []
    for _ in range(k):
        best = probabilities.argmax(dim=-1, keepdim=True)
        weights.append(probabilities.gather(-1, best))
        chosen.append(best)
        probabilities.scatter_(-1, best, -1.0)
    weights, chosen = torch.cat(weights, dim=-1), torch.cat(chosen, dim=-1)
    if renormalize:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights, chosen
"""
MARKED_BEHIND_AUTOGRADS_BACK = """
def top_k(probabilities, k, renormalize=True):
    weights, chosen = torch.topk(probabilities, k, dim=-1)
    if renormalize:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    probabilities.data.scatter_(-1, chosen, -1.0)
    return weights, chosen
"""
THE_BEST_ONE_ONLY = """
def top_k(probabilities, k, renormalize=True):
    chosen = probabilities.argmax(dim=-1, keepdim=True)
    return torch.ones_like(chosen), chosen
"""
CHOSEN_ONLY = """
def balance_loss(probabilities, chosen):
    tokens, experts = probabilities.shape
    kept = torch.zeros_like(probabilities).scatter(1, chosen, probabilities.gather(1, chosen))
    kept = kept / kept.sum(dim=-1, keepdim=True)
    fractions = torch.bincount(chosen.flatten(), minlength=experts) / chosen.numel()
    return experts * (fractions * kept.mean(dim=0)).sum()
"""
ON_A_VIEW = """
def within_capacity(chosen, experts, factor):
    tokens, k = chosen.shape
    capacity = math.ceil(factor * tokens * k / experts)
    room = [capacity] * experts
    for place in range(k):
        column = chosen[:, place]
        for number in range(experts):
            mine = torch.where(column == number)[0]
            column[mine[room[number]:]] = -1
            room[number] = max(0, room[number] - len(mine))
    return chosen
"""

MISTAKES = {
    # gate: weights 1 1 1 3 1, of 7
    "softmax over the tokens": Mistake(
        "gate",
        ("dim=-1", "dim=0"),
        {"gate": all_of("gate")},
        RIGHT - 2,
        "the columns sum to 1 instead",
    ),
    "no softmax": Mistake(
        "gate",
        ("torch.softmax(scores, dim=-1)", "scores"),
        {"gate": all_of("gate")},
        RIGHT - 2,
        "scores, not probabilities",
    ),
    "softmax after rounding": Mistake(
        "gate",
        ("x.float() @ router.float().T", "(x @ router.T).float()"),
        {"gate": {"half"}},
        RIGHT - part(1, 7) * 2,
    ),
    "router not transposed": Mistake(
        "gate",
        ("router.float().T", "router.float()"),
        {"gate": all_of("gate")},
        RIGHT - 2,
        "nothing fits: the shapes don't match",
    ),
    "softmax by hand, which overflows": Mistake(
        "gate",
        ("torch.softmax(scores, dim=-1)", "scores.exp() / scores.exp().sum(dim=-1, keepdim=True)"),
        {"gate": {"large"}},
        RIGHT - part(1, 7) * 2,
    ),
    "1 for the best": Mistake(
        "gate",
        ("torch.softmax(scores, dim=-1)", "F.one_hot(scores.argmax(dim=-1), len(router)).float()"),
        {"gate": all_of("gate", "sum")},
        RIGHT - part(6, 7) * 2,
        "sums to 1, and no more is right",
    ),
    "uniform": Mistake(
        "gate",
        ("torch.softmax(scores, dim=-1)", "torch.softmax(0 * scores, dim=-1)"),
        {"gate": all_of("gate")},
        RIGHT - 2,
        "a gate that knows nothing",
    ),
    # top-k: weights 1 1 1 3 2 1, of 9
    "never renormalized": Mistake(
        "top-k",
        ("if renormalize", "if False"),
        {
            "top-k": {"ratio", "others", "gradients"},
        },
        RIGHT - part(6, 9) * 3,
    ),
    "always renormalized": Mistake(
        "top-k",
        ("if renormalize", "if True"),
        {"top-k": {"largest", "gradient", "others", "gradients"}},
        RIGHT - part(7, 9) * 3,
    ),
    "softmax over the chosen": Mistake(
        "top-k",
        ("weights / weights.sum(dim=-1, keepdim=True)", "weights.softmax(dim=-1)"),
        {
            "top-k": {"ratio", "others", "gradients"},
        },
        RIGHT - part(6, 9) * 3,
        "a softmax of probabilities: sums to 1, but at another ratio",
    ),
    "keepdim forgotten": Mistake(
        "top-k",
        (", keepdim=True", ""),
        {"top-k": all_of("top-k", "largest", "gradient")},
        RIGHT - part(7, 9) * 3,
        "an error, or worse, none where there are as many tokens as choices",
    ),
    "weights and experts swapped": Mistake(
        "top-k",
        ("return weights, chosen", "return chosen, weights"),
        {"top-k": all_of("top-k")},
        RIGHT - 3,
    ),
    "marked in the caller's tensor": Mistake(
        "top-k",
        MARKED_IN_THE_CALLERS_TENSOR,
        {"top-k": {"gradient", "gradients", "untouched"}},
        RIGHT - part(4, 9) * 3,
        "the right numbers; but gather and softmax keep that tensor, so backward raises",
    ),
    "marked behind autograd's back": Mistake(
        "top-k",
        MARKED_BEHIND_AUTOGRADS_BACK,
        {"top-k": {"untouched"}},
        RIGHT - part(1, 9) * 3,
        "no error tells",
    ),
    "experts numbered in floats": Mistake(
        "top-k",
        ("return weights, chosen", "return weights, chosen.float()"),
        {"top-k": {"largest", "others", "untouched"}},
        RIGHT - part(5, 9) * 3,
    ),
    "weights as numbers": Mistake(
        "top-k",
        ("return weights, chosen", "return torch.tensor(weights.tolist()), chosen"),
        {"top-k": {"gradient", "gradients"}},
        RIGHT - part(3, 9) * 3,
        "the right numbers, without a gradient",
    ),
    "the best one only": Mistake(
        "top-k",
        THE_BEST_ONE_ONLY,
        {"top-k": all_of("top-k")},
        RIGHT - 3,
        "argmax without gradient",
    ),
    # mixture: weights 1 1 1 1 1 3 2 1, of 11
    "a loop over the tokens": Mistake(
        "mixture",
        LOOP_OVER_TOKENS,
        {"mixture": {"once", "others once"}},
        RIGHT - part(2, 11) * 4,
        "right but slow",
    ),
    "every expert on every token": Mistake(
        "mixture",
        EVERY_EXPERT_ON_EVERY_TOKEN,
        {"mixture": {"once", "others once"}},
        RIGHT - part(2, 11) * 4,
        "right, and nothing is saved",
    ),
    "each place by itself": Mistake(
        "mixture",
        EACH_PLACE_BY_ITSELF,
        {"mixture": {"once", "others once"}},
        RIGHT - part(2, 11) * 4,
        "right, with up to k calls of each expert",
    ),
    "each expert called twice": Mistake(
        "mixture",
        ("        if len(rows):\n", "        if len(rows):\n            expert(x[rows])\n"),
        {"mixture": {"once", "others once"}},
        RIGHT - part(2, 11) * 4,
    ),
    "-1 taken for the last expert": Mistake(
        "mixture",
        LOOP_OVER_TOKENS.replace("if number >= 0:", "if True:"),
        {
            "mixture": {"dropped", "once", "others", "learns", "gradients", "others once"},
        },
        RIGHT - part(9, 11) * 4,
    ),
    "written over, not added": Mistake(
        "mixture",
        ("combined.index_add_(0, rows, answers)", "combined[rows] = answers"),
        {
            "mixture": {"two", "others", "learns", "gradients"},
        },
        RIGHT - part(7, 11) * 4,
    ),
    "weights forgotten": Mistake(
        "mixture",
        (" * weights[rows, places].unsqueeze(-1)", ""),
        {
            "mixture": {"two", "dropped", "others", "learns", "gradients"},
        },
        RIGHT - part(8, 11) * 4,
    ),
    "the first place's weight for all": Mistake(
        "mixture",
        ("weights[rows, places]", "weights[rows, 0]"),
        {
            "mixture": {"two", "others", "learns", "gradients"},
        },
        RIGHT - part(7, 11) * 4,
    ),
    "experts by place": Mistake(
        "mixture",
        EXPERT_BY_PLACE,
        {
            "mixture": all_of("mixture"),
        },
        RIGHT - 4,
    ),
    "tokens detached": Mistake(
        "mixture",
        ("expert(x[rows])", "expert(x[rows].detach())"),
        {"mixture": {"learns", "gradients"}},
        RIGHT - part(3, 11) * 4,
        "the experts and the weights still learn; what lies below the layer would not",
    ),
    "no gradient at all": Mistake(
        "mixture",
        ("    return combined", "    return combined.detach()"),
        {
            "mixture": {"learns", "gradients"},
        },
        RIGHT - part(3, 11) * 4,
    ),
    "added to the input": Mistake(
        "mixture",
        ("torch.zeros_like(x)", "x"),
        {"mixture": all_of("mixture")},
        RIGHT - 4,
        "in place: later experts get tokens that earlier ones have changed, and backward fails",
    ),
    # balance loss: weights 1 1 1 1 3 2, of 9
    "counts, not fractions": Mistake(
        "balance-loss",
        (" / chosen.numel()", ""),
        {
            "balance-loss": all_of("balance-loss"),
        },
        RIGHT - 3,
    ),
    "not divided by k": Mistake(
        "balance-loss",
        ("chosen.numel()", "len(chosen)"),
        {
            "balance-loss": {"balanced", "others", "moves", "gradient"},
        },
        RIGHT - part(7, 9) * 3,
    ),
    "sum, not mean": Mistake(
        "balance-loss",
        (".mean(dim=0)", ".sum(dim=0)"),
        {
            "balance-loss": all_of("balance-loss"),
        },
        RIGHT - 3,
    ),
    "not times the experts": Mistake(
        "balance-loss",
        ("experts * (fractions", "(fractions"),
        {
            "balance-loss": all_of("balance-loss"),
        },
        RIGHT - 3,
    ),
    "mean of the chosen only": Mistake(
        "balance-loss",
        CHOSEN_ONLY,
        {"balance-loss": all_of("balance-loss")},
        RIGHT - 3,
        "renormalized top-k in place of the full softmax; only evenly spread choices give the same",
    ),
    "bincount too short": Mistake(
        "balance-loss",
        (", minlength=experts", ""),
        {
            "balance-loss": {"one expert", "others", "moves", "gradient"},
        },
        RIGHT - part(7, 9) * 3,
        "an error whenever the last expert gets nothing",
    ),
    "loss without gradient": Mistake(
        "balance-loss",
        ("probabilities.mean", "probabilities.detach().mean"),
        {"balance-loss": {"moves", "gradient"}},
        RIGHT - part(3, 9) * 3,
    ),
    "always balanced": Mistake(
        "balance-loss",
        "def balance_loss(probabilities, chosen):\n    return torch.tensor(1.0)",
        {
            "balance-loss": all_of("balance-loss"),
        },
        RIGHT - 3,
    ),
    # capacity: weights 1 1 1 3 1, of 7
    "capacity rounded down": Mistake(
        "capacity",
        ("math.ceil", "math.floor"),
        {"capacity": {"fits", "others"}},
        RIGHT - part(4, 7) * 3,
        "2.5 in a visible check; 2 is 2 either way",
    ),
    "k left out of the capacity": Mistake(
        "capacity",
        ("factor * tokens * k", "factor * tokens"),
        {"capacity": {"fits", "ranks", "others"}},
        RIGHT - part(5, 7) * 3,
        "room for every token is still enough, since none has an expert twice",
    ),
    "served token by token": Mistake(
        "capacity",
        """
def within_capacity(chosen, experts, factor):
    capacity = math.ceil(factor * chosen.numel() / experts)
    line = chosen.flatten()
    place = F.one_hot(line, experts).cumsum(0).gather(1, line[:, None])[:, 0]
    return torch.where(place <= capacity, line, -1).reshape(chosen.shape)
""",
        {"capacity": {"ranks", "others"}},
        RIGHT - part(4, 7) * 3,
    ),
    "-1 written through a view": Mistake(
        "capacity",
        ON_A_VIEW,
        {"capacity": {"untouched"}},
        RIGHT - part(1, 7) * 3,
        "right but for the caller's tensor",
    ),
    "dropped ones go to expert 0": Mistake(
        "capacity",
        ("queue, -1)", "queue, 0)"),
        {"capacity": all_of("capacity", "untouched")},
        RIGHT - part(6, 7) * 3,
    ),
    "one place too few": Mistake(
        "capacity",
        ("place <= capacity", "place < capacity"),
        {"capacity": {"fits", "ranks", "others"}},
        RIGHT - part(5, 7) * 3,
    ),
    "nothing is dropped": Mistake(
        "capacity",
        "def within_capacity(chosen, experts, factor):\n    return chosen.clone()",
        {"capacity": all_of("capacity", "untouched")},
        RIGHT - part(6, 7) * 3,
    ),
    # layer: weights 1 1 1 1 3 2 1 2, of 12
    "experts in a plain list": Mistake(
        "layer",
        ("nn.ModuleList(experts)", "experts"),
        {"layer": {"parameters", "step"}},
        RIGHT - part(2, 12) * 4,
        "a step of gradient descent leaves the experts as they were",
    ),
    "the router a plain tensor": Mistake(
        "layer",
        ("nn.Parameter(router)", "router"),
        {"layer": {"parameters", "learns", "gradients", "step", "capacity"}},
        RIGHT - part(7, 12) * 4,
    ),
    "not renormalized": Mistake(
        "layer",
        ("top_k(probabilities, self.k)", "top_k(probabilities, self.k, False)"),
        {"layer": {"numbers", "others", "gradients", "step", "drops", "capacity"}},
        RIGHT - part(10, 12) * 4,
        "the router's gradient keeps its direction",
    ),
    "batch and length mixed up": Mistake(
        "layer",
        ("x.reshape(-1, x.shape[-1])", "x.transpose(0, 1).reshape(-1, x.shape[-1])"),
        {"layer": {"numbers", "others", "gradients", "step", "capacity"}},
        RIGHT - part(9, 12) * 4,
        "each output lands on another position, but for one sequence alone",
    ),
    "left as tokens": Mistake(
        "layer",
        (".reshape(x.shape), loss", ", loss"),
        {"layer": {"numbers", "others", "step", "capacity"}},
        RIGHT - part(7, 12) * 4,
    ),
    "no limit": Mistake(
        "layer",
        ("if self.factor is not None", "if False"),
        {"layer": {"drops", "capacity"}},
        RIGHT - part(3, 12) * 4,
    ),
    "the loss after dropping": Mistake(
        "layer",
        (
            "        loss = balance_loss(probabilities, chosen)\n"
            "        if self.factor is not None:\n"
            "            chosen = within_capacity(chosen, len(self.experts), self.factor)\n",
            "        if self.factor is not None:\n"
            "            chosen = within_capacity(chosen, len(self.experts), self.factor)\n"
            "        loss = balance_loss(probabilities, chosen.clamp(min=0))\n",
        ),
        {"layer": {"drops", "capacity"}},
        RIGHT - part(3, 12) * 4,
    ),
    "the output alone": Mistake(
        "layer",
        (".reshape(x.shape), loss", ".reshape(x.shape)"),
        {"layer": {"others", "gradients", "step", "drops", "capacity"}},
        RIGHT - part(9, 12) * 4,
        "the output and what lies behind it are right, and the loss is missing",
    ),
}

FITTING = {
    "softmax over the tokens": (
        "The softmax ran over the tokens: take it over the last axis,",
        "Each token's row must sum to 1: take the softmax over the la",
    ),
    "no softmax": (
        "These are the sums of the scores: apply a softmax.",
        "These are the scores: apply the softmax.",
    ),
    "softmax after rounding": ("The scores were rounded: convert both to float32 before you",),
    "router not transposed": ("The router has one row for each expert: x @ router.T",),
    "never renormalized": ("Divide each token's weights by their sum.",),
    "always renormalized": ("Leave the weights as they are when renormalize is False.",),
    "softmax over the chosen": ("A second softmax changes the ratio of the weights: divide by",),
    "keepdim forgotten": ("Each row has a sum of its own: keepdim=True keeps the axis t",),
    "weights and experts swapped": (
        "First the weights, then the experts' numbers.",
        "The weights, which come first, carry no gradient: argmax, .i",
    ),
    "weights as numbers": ("The weights, which come first, carry no gradient: argmax, .i",),
    "the best one only": ("The weights, which come first, carry no gradient: argmax, .i",),
    "a loop over the tokens": ("Expert 2 was called more than once: collect its tokens, at w",),
    "every expert on every token": (
        "Each expert got all the tokens: give it only those that chos",
    ),
    "each place by itself": ("Expert 2 was called more than once: collect its tokens, at w",),
    "-1 taken for the last expert": ("To Python, experts[-1] is the last expert: leave -1 out.",),
    "written over, not added": ("Add the answers up: the second expert's replaces the first o",),
    "weights forgotten": (
        "Multiply each expert's answer by its weight.",
        "These get no gradient: they aren't used, or .detach(), .item",
    ),
    "the first place's weight for all": (
        "Each choice has a weight of its own: weights[row, place].",
    ),
    "experts by place": (
        "All tokens went to expert 0: a choice is an expert's number,",
        "These get no gradient: they aren't used, or .detach(), .item",
    ),
    "tokens detached": ("These get no gradient: they aren't used, or .detach(), .item",),
    "no gradient at all": ("These get no gradient: they aren't used, or .detach(), .item",),
    "counts, not fractions": (
        "Use fractions and means, not counts and sums: the loss must",
        "Use fractions, not counts: the loss must not grow with the b",
    ),
    "not divided by k": ("Divide the counts by the number of all choices, tokens times",),
    "sum, not mean": (
        "Use fractions and means, not counts and sums: the loss must",
        "Take the mean over the tokens, not the sum.",
    ),
    "not times the experts": ("Multiply by the number of experts.",),
    "mean of the chosen only": ("Take the mean of the full softmax, not of the chosen probabi",),
    "bincount too short": ("Experts without tokens count too: bincount needs minlength.",),
    "loss without gradient": ("The gradient comes through the mean probabilities, which .de",),
    "always balanced": ("The gradient comes through the mean probabilities, which .de",),
    "capacity rounded down": ("There is room for three: the capacity is rounded up, and its",),
    "k left out of the capacity": ("The capacity counts all k choices of a token.",),
    "served token by token": ("Serve the choices rank by rank (chosen.T), not token by toke",),
    "-1 written through a view": ("-1 was written into the tensor that was passed in. A column",),
    "dropped ones go to expert 0": (
        "There is room for three, but expert 0 took four: put -1 in p",
    ),
    "one place too few": ("There is room for three: the capacity is rounded up, and its",),
    "nothing is dropped": ("There is room for three, but expert 0 took four: put -1 in p",),
    "experts in a plain list": ("A plain list hides modules from parameters(): put the expert",),
    "the router a plain tensor": (
        "A plain tensor isn't a parameter: make the router an nn.Para",
        "No gradient reached the router: it must be an nn.Parameter,",
    ),
    "not renormalized": ("The weights of the chosen experts are to be renormalized.",),
    "batch and length mixed up": ("The tokens changed places: reshape, don't transpose.",),
    "left as tokens": ("These are the tokens: the output needs the shape of x again.",),
    "no limit": ("Nothing was dropped: give mixture the choices that within_ca",),
    "the loss after dropping": ("Take the balance loss of all choices, before any is dropped.",),
    "the output alone": ("forward has to return two things: the output and the balance",),
}
"""How the hints begin that fit a mistake. Another one would mislead; none at all is right, too."""

HONEST = {
    "gate": """
def gate(x, router):
    print("계산합니다", x.shape)
    scores = F.linear(x.to(torch.float32), router.to(torch.float32))
    scores = scores - scores.max(dim=1, keepdim=True).values
    return scores.exp() / scores.exp().sum(1, keepdim=True)
""",
    "top-k": """
def top_k(probabilities, k, renormalize=True):
    order = probabilities.argsort(dim=1, descending=True)[:, :k]
    weights = torch.gather(probabilities, 1, order)
    if renormalize:
        weights = F.normalize(weights, p=1, dim=1)
    return [weights, order]
""",
    "mixture": """
def mixture(x, weights, chosen, experts):
    k = chosen.shape[1]
    flat = chosen.flatten()
    order = flat.argsort(stable=True)
    order = order[flat[order] >= 0]
    counts = torch.bincount(flat[order], minlength=len(experts)).tolist()
    tokens = order // k
    answers = [expert(batch) for expert, batch in zip(experts, x[tokens].split(counts))]
    answers = torch.cat(answers) * weights.flatten()[order, None]
    return torch.zeros_like(x).index_add(0, tokens, answers)
""",
    "balance-loss": """
def balance_loss(probabilities, chosen):
    tokens, experts = probabilities.size()
    received = F.one_hot(chosen, experts).sum(dim=(0, 1)).float()
    mean = probabilities.sum(0) / tokens
    return torch.dot(received / received.sum(), mean) * experts
""",
    "capacity": """
import numpy as np

def within_capacity(chosen, experts, factor):
    kept = np.array(chosen)
    most = -int(-(factor * kept.size / experts) // 1)
    taken = np.zeros(experts, dtype=int)
    for place in range(kept.shape[1]):
        for row in range(kept.shape[0]):
            expert = kept[row, place]
            if taken[expert] >= most:
                kept[row, place] = -1
            else:
                taken[expert] += 1
    return torch.from_numpy(kept)
""",
    "layer": """
class MixtureOfExperts(nn.Module):
    def __init__(self, router, experts, k, factor=None):
        super().__init__()
        self.scores = nn.Linear(*router.shape[::-1], bias=False)
        with torch.no_grad():
            self.scores.weight.copy_(router)
        for number, expert in enumerate(experts):
            self.add_module(f"expert_{number}", expert)
        self.count, self.k, self.factor = len(experts), k, factor

    def forward(self, x):
        batch, length, width = x.shape
        flat = x.view(batch * length, width)
        odds = gate(flat, self.scores.weight)
        shares, numbers = top_k(odds, self.k, renormalize=True)
        balance = balance_loss(odds, numbers)
        if self.factor:
            numbers = within_capacity(numbers, self.count, self.factor)
        experts = [getattr(self, f"expert_{number}") for number in range(self.count)]
        return mixture(flat, shares, numbers, experts).view(batch, length, width), balance
""",
}
"""Right, in other ways than the instructor's."""

CONSTANTS = {
    "gate": "def gate(x, router):\n    return torch.full((len(x), len(router)), 1 / len(router))",
    "top-k": (
        "def top_k(probabilities, k, renormalize=True):\n"
        "    chosen = torch.arange(k).repeat(len(probabilities), 1)\n"
        "    return probabilities[:, :k] * 0 + 1 / k, chosen"
    ),
    "mixture": "def mixture(x, weights, chosen, experts):\n    return 0 * x",
    "balance-loss": (
        "def balance_loss(probabilities, chosen):\n    return 0 * probabilities.sum() + 1"
    ),
    "capacity": "def within_capacity(chosen, experts, factor):\n    return 0 * chosen - 1",
    "layer": """
class MixtureOfExperts(nn.Module):
    def __init__(self, router, experts, k, factor=None):
        super().__init__()

    def forward(self, x):
        return 0 * x, torch.tensor(1.0)
""",
}
"""Of the right shape and nothing else."""

FORGERIES = {
    "a record of its own of what experts saw": (
        "mixture",
        EVERY_EXPERT_ON_EVERY_TOKEN.replace(
            "    return total",
            "    for number, expert in enumerate(experts):\n"
            "        rows = (chosen == number).any(-1)\n"
            "        expert.seen, expert.calls = [x[rows].detach()], 1\n"
            "    return total",
        ),
        {"mixture": {"once", "others once"}},
    ),
    "another class of experts": (
        "mixture",
        EVERY_EXPERT_ON_EVERY_TOKEN + "class Sham(Expert):\n"
        "    calls = property(lambda self: 1, lambda self, value: None)\n"
        "    seen = []\n"
        "SociableExpert = Sham\n",
        {"mixture": {"once", "others once"}},
    ),
    "parameters() that says what is wanted": (
        "layer",
        """
class MixtureOfExperts(nn.Module):
    def __init__(self, router, experts, k, factor=None):
        super().__init__()
        self.router, self.hidden, self.k, self.factor = router, tuple(experts), k, factor
        self.router = nn.Parameter(router)

    def parameters(self):
        yield self.router
        for one in self.hidden:
            yield from (torch.zeros_like(two) for two in one.parameters())

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        probabilities = gate(tokens, self.router)
        weights, chosen = top_k(probabilities, self.k)
        loss = balance_loss(probabilities, chosen)
        if self.factor is not None:
            chosen = within_capacity(chosen, len(self.hidden), self.factor)
        return mixture(tokens, weights, chosen, self.hidden).reshape(x.shape), loss
""",
        {"layer": {"step"}},
    ),
    "gradients without numbers": (
        "layer",
        """
class Endless(torch.autograd.Function):
    @staticmethod
    def forward(ctx, router):
        ctx.shape = router.shape
        return router * 0

    @staticmethod
    def backward(ctx, direction):
        return torch.full(ctx.shape, float("inf"))

class MixtureOfExperts(nn.Module):
    def __init__(self, router, experts, k, factor=None):
        super().__init__()
        self.router, self.experts = nn.Parameter(router), nn.ModuleList(experts)

    def forward(self, x):
        return x * 0 + Endless.apply(self.router).sum(), torch.tensor(1.0)
""",
        {"layer": all_of("layer", "parameters")},
    ),
}
"""What a submission that isn't right may say of itself, and what it fails all the same."""
