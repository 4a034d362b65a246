"""Compute what a model costs: per call, per month, and the break-even number of calls.

The formula of the lesson, with input and output counted separately:

    cost of a call = (input tokens × input price + output tokens × output price) / 1,000,000
    cost of a month = calls × cost of a call + hosting + retraining
    N* = fixed cost / (cost per call before − cost per call after)

Money is in US dollars, prices in US dollars per million tokens. Prices come from the data that
the package `genai-prices` contains, so no network is needed; `prices.json` is the dated
snapshot of the rows that the lessons quote.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

from beyond.locale import _, translated

TOKENS_PER_PRICE = 1_000_000
"""The number of tokens that providers quote prices for."""

MONTHS_PER_YEAR = 12

_SNAPSHOT = json.loads((Path(__file__).parent / "prices.json").read_text("utf-8"))

PRICES_DATE = date.fromisoformat(_SNAPSHOT["date"])
"""The date of the prices that the course uses."""


@dataclass(frozen=True)
class Price:
    """The price of a model's tokens, in US dollars per million."""

    input: float
    """Dollars per million tokens that are sent to the model."""
    output: float
    """Dollars per million tokens that the model generates."""
    model: str = field(default="", repr=False)
    """`provider/model`, as `genai-prices` names it; empty for a price of your own."""
    label: str = field(default="", repr=False)
    """The display name."""
    source: str = field(default="", repr=False)
    """The provider's own price page."""
    up_to: int | None = field(default=None, repr=False)
    """Longest input, in tokens, for which this price holds; None: no limit known."""
    cache_read: float | None = None
    """Dollars per million tokens that are read from the prompt cache; None: none is listed."""
    cache_write: float | None = None
    """Dollars per million tokens that are written to the cache; None: billed as input."""
    batch: float | None = None
    """Factor on every price for batch processing, such as 0.5; None: no batch price is listed."""

    def __post_init__(self) -> None:
        _not_negative(input_price=self.input, output_price=self.output)
        for name in ("cache_read", "cache_write", "batch"):
            amount = getattr(self, name)
            if amount is not None:
                _not_negative(**{name: amount})


@dataclass(frozen=True)
class CallCost:
    """What one call costs, in US dollars, input and output separately."""

    input: float
    output: float

    @property
    def total(self) -> float:
        """Dollars for the whole call."""
        return self.input + self.output


@dataclass(frozen=True)
class Option:
    """One way to do a task: tokens per call, their price, and the fixed costs."""

    price: Price
    input_tokens: float
    """Tokens sent per call."""
    output_tokens: float
    """Tokens generated per call."""
    hosting: float = 0.0
    """Dollars per month, regardless of the number of calls."""
    training: float = 0.0
    """Dollars for each training run: preparing the data, and computing."""
    trainings_per_year: float = 0.0
    """How often the training is repeated, not counting the first run."""
    label: str = ""
    """What charts and tables call it, translated into the reader's language."""
    reserve: float = 0.0
    """Dollars a month set aside for a move to another provider: probability a year × cost / 12."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", translated(self.label))

    @property
    def call(self) -> float:
        """Dollars per call."""
        return call_cost(self.input_tokens, self.output_tokens, self.price).total

    @property
    def fixed(self) -> float:
        """Dollars a month that do not depend on the calls: hosting, retraining, the reserve."""
        return self.reserve + fixed_monthly_cost(
            self.hosting, self.training, self.trainings_per_year
        )

    def monthly(self, calls: float) -> float:
        """Return the dollars of a month with `calls` calls, without the first training run."""
        return monthly_cost(calls, self.call) + self.fixed


@dataclass(frozen=True)
class Swing:
    """How far one unknown moves a result when everything else stays as it is."""

    name: str
    low: float
    """The unknown's low value."""
    high: float
    at_low: float
    """The result at the low value."""
    at_high: float

    @property
    def width(self) -> float:
        """Distance between the two results; infinite if exactly one of them is."""
        return 0.0 if self.at_low == self.at_high else abs(self.at_high - self.at_low)


def price(model: str, on: date = PRICES_DATE) -> Price:
    """Return the price of `model` ("provider/model", e.g. "openai/gpt-6-luna") on the day `on`.

    Where a provider's price depends on the length of the prompt, this is the price of short
    prompts, and `up_to` says how far it holds. Where it depends on the hour, it is the price
    at noon UTC.

    Source: the data in the installed package `genai-prices`; no network.

    Raises:
        LookupError: if the package knows no such provider or model.
        ValueError: if the model isn't priced by tokens of input and output.
    """
    # Imported late: loading its 1.6 MB of data takes time, and not every lesson needs it.
    from genai_prices.types import TieredPrices

    provider, info = _find(model)
    noon = datetime.combine(on, time(12), tzinfo=UTC)
    row = info.get_prices(noon)
    limits: list[int] = []

    def amount(unit: str) -> float | None:
        found = getattr(row, f"{unit}_mtok", None)
        if isinstance(found, TieredPrices):
            limits.extend(tier.start for tier in found.tiers)
            found = found.base
        return None if found is None else float(found)

    listed = {unit: amount(unit) for unit in ("input", "output", "cache_read", "cache_write")}
    if listed["input"] is None or listed["output"] is None:
        raise ValueError(f"{model} has no price per token of input and output.")
    row = info.get_prices(noon, {"processing": "batch"})
    in_batch = amount("input")
    known = [*_SNAPSHOT["models"], *_SNAPSHOT["adapters"], *_SNAPSHOT["former"]]
    quoted: dict = next((row for row in known if row["model"] == model), {})
    label = quoted.get("label") or info.name or info.id
    if quoted.get("tuned"):
        label = _("{model}, fine-tuned").format(model=label)
    return Price(
        input=listed["input"],
        output=listed["output"],
        model=model,
        label=label,
        source=(provider.pricing_urls or [""])[0],
        up_to=min(limits, default=None),
        cache_read=listed["cache_read"],
        cache_write=listed["cache_write"],
        batch=in_batch / listed["input"] if in_batch and in_batch < listed["input"] else None,
    )


def catalog() -> list[Price]:
    """Return the models that lesson 4 compares, with their prices on `PRICES_DATE`.

    For none of them had an end been announced when the list was made; see `prices.json`.
    """
    return [price(row["model"]) for row in _SNAPSHOT["models"]]


def call_cost(input_tokens: float, output_tokens: float, price: Price) -> CallCost:
    """Compute what one call costs, in dollars: tokens × price / 1,000,000, in and out.

    Raises:
        ValueError: if a number of tokens is negative or not a number.
    """
    _not_negative(input_tokens=input_tokens, output_tokens=output_tokens)
    return CallCost(
        input=input_tokens * price.input / TOKENS_PER_PRICE,
        output=output_tokens * price.output / TOKENS_PER_PRICE,
    )


def fixed_monthly_cost(
    hosting: float = 0.0, training: float = 0.0, trainings_per_year: float = 0.0
) -> float:
    """Compute the dollars per month that don't depend on the number of calls.

    Hosting + training × runs a year / 12.
    """
    _not_negative(hosting=hosting, training=training, trainings_per_year=trainings_per_year)
    return hosting + training * trainings_per_year / MONTHS_PER_YEAR


def monthly_cost(
    calls: float,
    cost_per_call: float,
    hosting: float = 0.0,
    training: float = 0.0,
    trainings_per_year: float = 0.0,
) -> float:
    """Compute a month's dollars: calls × cost per call + hosting + training × runs a year / 12.

    Args:
        calls: calls in a month.
        cost_per_call: dollars per call.
        hosting: dollars a month.
        training: dollars per training run.
        trainings_per_year: runs a year, the first one not counted (it comes once).

    Raises:
        ValueError: if an argument is negative or not a number.
    """
    _not_negative(calls=calls, cost_per_call=cost_per_call)
    return calls * cost_per_call + fixed_monthly_cost(hosting, training, trainings_per_year)


def break_even(fixed: float, before: float, after: float) -> float:
    """Compute N*, the break-even number of calls: fixed / (before − after).

    Args:
        fixed: dollars that the change costs, however many calls follow. Dollars once give calls
            in all; dollars a month give calls a month.
        before: dollars per call without the change.
        after: dollars per call with it.

    Returns:
        The number of calls; infinite when `after` isn't smaller than `before`, because then no
        number of calls recovers the fixed cost.

    Raises:
        ValueError: if an argument is negative or not a number.
    """
    _not_negative(fixed=fixed, before=before, after=after)
    if after >= before:
        return math.inf
    return fixed / (before - after)


def payback_months(once: float, before_month: float, after_month: float) -> float:
    """Compute the months until a one-time cost is recovered: once / (before − after).

    Infinite when the month afterwards isn't cheaper.
    """
    return break_even(once, before_month, after_month)


def task_cost(cost_per_call: float, success_rate: float, cost_of_failure: float) -> float:
    """Compute the expected dollars per task when each wrong answer has a cost.

    cost per call + (1 − success rate) × cost of a failure

    Raises:
        ValueError: if the rate isn't between 0 and 1, or a cost is negative.
    """
    _not_negative(cost_per_call=cost_per_call, cost_of_failure=cost_of_failure)
    if not 0 <= success_rate <= 1:
        raise ValueError(f"success_rate is {success_rate}; it must lie between 0 and 1.")
    return cost_per_call + (1 - success_rate) * cost_of_failure


def sensitivity(
    result: Callable[..., float],
    base: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
) -> list[Swing]:
    """Vary one unknown at a time from its low to its high value; the widest swing comes first.

    Args:
        result: a function that takes the unknowns of `base` by name and returns a number.
        base: the value of each unknown while another is varied.
        ranges: (low, high) of those that are to be varied.

    Raises:
        KeyError: if `ranges` names an unknown that `base` doesn't have.
    """
    swings = []
    for name, (low, high) in ranges.items():
        if name not in base:
            raise KeyError(f"{name} has a range but no base value.")
        at_low, at_high = (result(**{**base, name: value}) for value in (low, high))
        swings.append(Swing(name, low, high, at_low, at_high))
    return sorted(swings, key=lambda swing: swing.width, reverse=True)


def dollars(amount: float, digits: int = 3) -> str:
    """Format `amount` for display: "$1,234.50".

    Below a dollar up to `digits` significant digits.
    """
    if not math.isfinite(amount):
        return "∞" if amount > 0 else str(amount)
    sign = "−" if amount < 0 else ""
    amount = abs(amount)
    if amount == 0 or amount >= 1:
        return f"{sign}${amount:,.2f}"
    places = max(2, digits - 1 - math.floor(math.log10(amount)))
    whole, _point, cents = f"{amount:.{places}f}".partition(".")
    return f"{sign}${whole}.{cents.rstrip('0'):0<2}"


@cache
def _find(model: str):
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    provider_id, slash, name = model.partition("/")
    if not slash:
        raise LookupError(f"{model!r} names no provider; write it as provider/model.")
    providers = get_snapshot().providers
    provider = find_provider_by_id(providers, provider_id)
    if provider is None:
        raise LookupError(f"genai-prices knows no provider {provider_id!r}.")
    # The exact name first: find_model matches the names that calls use, by rules such as
    # "starts with ft:gpt-4o-2024-", and so doesn't find every row by its own name.
    for info in provider.models:
        if info.id == name:
            return provider, info
    found = provider.find_model(name.lower(), all_providers=providers)
    if found is None:
        raise LookupError(f"genai-prices knows no model {name!r} of {provider_id}.")
    return provider, found


def _not_negative(**amounts: float) -> None:
    for name, amount in amounts.items():
        if math.isnan(amount) or amount < 0:
            raise ValueError(f"{name} is {amount}; it must be 0 or more.")
