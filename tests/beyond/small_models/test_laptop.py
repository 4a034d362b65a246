"""beyond.small_models.laptop: what fits, what doesn't, and the widget over it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beyond.lm.families import families, family
from beyond.small_models.laptop import PROGRAM_GB, LaptopCheck, verdicts, will_it_run


def test_the_sum_by_hand():
    found = will_it_run(family("Mistral NeMo"), memory_gb=16, bits=5, context=4096)
    assert found.weights_gb == pytest.approx(12_247_782_400 * 5 / 8 / 1e9)
    assert found.cache_gb == pytest.approx(2 * 40 * 8 * 128 * 4096 * 2 / 1e9)
    assert found.needed_gb == found.weights_gb + found.cache_gb + PROGRAM_GB
    assert found.room_gb == 12
    assert found.fits and not found.fast_enough and "too slow" in str(found)
    slower = will_it_run(family("Mistral NeMo"), memory_gb=16, tokens_per_second=3)
    assert slower.runs and "runs" in str(slower)


def test_what_speaks_against_it():
    small = will_it_run(family("Mistral NeMo"), memory_gb=8, bandwidth_gb_s=60)
    assert not small.runs and small.problems == ("too large",)
    slow = will_it_run(family("Mistral NeMo"), memory_gb=16, bandwidth_gb_s=30)
    assert not slow.runs and slow.problems == ("too slow",)
    language = will_it_run(family("Llama 3.2 3B"), languages=("en", "ko"))
    assert language.problems == ("does not list ko",)
    context = will_it_run(family("Mistral Small 3"), 128, context=65_536, bandwidth_gb_s=300)
    assert context.problems == ("reads 32,768 tokens at most",)


def test_a_licence_with_conditions_is_mentioned():
    assert "Llama 3.2 Community License" in str(will_it_run(family("Llama 3.2 1B")))
    assert not will_it_run(family("Phi-3.5-mini")).notes


def test_experts_take_memory_but_not_time():
    moe, dense = (will_it_run(family(n), memory_gb=64) for n in ("Phi-3.5-MoE", "Mistral NeMo"))
    assert moe.needed_gb > 2 * dense.needed_gb
    assert moe.tokens_per_second > dense.tokens_per_second


@given(
    st.sampled_from(families()),
    st.floats(1, 512),
    st.floats(1, 32),
    st.integers(1, 10**6),
    st.floats(0.1, 64),
)
def test_more_memory_never_hurts(model, memory, bits, context, more):
    before = will_it_run(model, memory, bits, context)
    after = will_it_run(model, memory + more, bits, context)
    assert after.runs or not before.runs


@pytest.mark.parametrize("name", ["memory_gb", "bits", "context", "bandwidth_gb_s"])
def test_impossible_numbers(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        will_it_run(family("Phi-3.5-mini"), **{name: 0})


def test_the_three_verdicts_are_independent():
    def verdict(name):
        found = will_it_run(family(name), 16, languages=("en", "ko"), bandwidth_gb_s=30)
        return found.fits, found.fast_enough, found.listed

    assert verdict("Kanana 1.5 2.1B") == (True, True, True)
    assert verdict("Llama 3.2 3B") == (True, True, False)
    assert verdict("Mistral NeMo") == (True, False, True)
    assert verdict("Phi-3.5-MoE") == (False, True, True)


def test_the_widget_follows_its_controls():
    widget = LaptopCheck(memory_gb=16, bandwidth_gb_s=30)

    def marks(name):
        row = next(row for row in widget.table.rows if row[0] == name)
        return row[2], row[4], row[5]

    assert marks("Mistral NeMo") == ("✓", "✗", "✓")
    widget.controls["bandwidth"].value = 60
    assert marks("Mistral NeMo") == ("✓", "✓", "✓")
    widget.controls["memory"].value = 8
    assert marks("Mistral NeMo") == ("✗", "✓", "✓")
    widget.controls["languages"].value = "EN, xx"
    assert {row[5] for row in widget.table.rows} == {"✗"}
    widget.controls["context"].value = 65_536
    row = next(row for row in widget.table.rows if row[0] == "Mistral Small 3")
    assert "32,768 at most" in row[1]


def test_the_widget_has_a_plain_form():
    widget = LaptopCheck()
    bundle = widget._repr_mimebundle_()
    assert "Phi-3.5-mini" in bundle["text/plain"] and "<table>" in bundle["text/html"]
    assert str(verdicts(16, 5.0, 4096, ("en", "ko"))) == bundle["text/plain"]
