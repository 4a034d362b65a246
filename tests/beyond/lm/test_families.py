"""beyond.lm.families: the data file is whole, dated and sourced."""

import datetime
import re

import pytest

from beyond.lm.families import as_of, families, family, table
from beyond.small_models.laptop import verdicts


def test_the_file_is_dated():
    assert datetime.date.fromisoformat(as_of()) >= datetime.date(2026, 11, 1)


@pytest.mark.parametrize("model", families(), ids=lambda model: model.name)
def test_each_model_is_complete(model):
    assert re.fullmatch(r"20\d\d-[01]\d", model.released)
    assert model.source.startswith("https://")
    assert model.license and model.tokenizer
    assert model.context >= 8192
    assert "en" in model.languages
    assert all(re.fullmatch(r"[a-z]{2}", code) for code in model.languages)
    assert len(set(model.languages)) == len(model.languages)


def test_the_models_that_lessons_speak_of():
    names = {model.name for model in families()}
    assert names >= {
        "Phi-3.5-mini",
        "Phi-3.5-MoE",
        "Mistral Small 24.09",
        "Mistral Small 3",
        "Mistral NeMo",
        "Ministral 3 8B",
        "Llama 3.2 1B",
        "Llama 3.2 3B",
        "EXAONE 4.0 1.2B",
        "HyperCLOVA X SEED 1.5B",
        "Kanana 1.5 2.1B",
        "Qwen3 4B 2507",
        "Gemma 3 4B",
        "Phi-4-mini",
        "gpt-oss-20b",
    }


def test_the_challenge_keeps_its_catalogue():
    """Autumn 2024: what came later would change the answer of the course's page."""
    chosen = [model.name for model in families() if model.challenge]
    assert chosen == ["Llama 3.2 1B", "Llama 3.2 3B", "Phi-3.5-mini", "Mistral NeMo"]


def test_korean_is_not_among_llamas_languages():
    assert "ko" not in family("Llama 3.2 3B").languages
    assert "ko" in family("Phi-3.5-mini").languages


def test_korean_models_list_korean():
    for name in ("EXAONE 4.0 1.2B", "HyperCLOVA X SEED 1.5B", "Kanana 1.5 2.1B"):
        assert "ko" in family(name).languages


def test_a_license_that_anyone_may_use_for_anything_is_marked():
    open_source = {"Apache-2.0", "MIT"}
    assert all(model.free == (model.license in open_source) for model in families())


def test_languages_that_are_counted_but_not_named():
    rows = {row[0]: row[5] for row in table().rows}
    assert rows["Gemma 3 4B"] == "140" and rows["Qwen3 4B 2507"] == "119, Korean"
    assert rows["Kanana 1.5 2.1B"] == "2, Korean"


def test_dimensions_that_nobody_could_compare_are_marked_where_they_are_used():
    open_ones = {model.name for model in families() if not model.dimensions_confirmed}
    assert open_ones == {"HyperCLOVA X SEED 1.5B", "Kanana 1.5 2.1B"}
    for rows, column in ((table().rows, 2), (verdicts().rows, 1)):
        assert {row[0] for row in rows if "not confirmed" in row[column]} == open_ones


def test_llamas_exclusion_in_the_eu_is_told_with_its_limits():
    for name in ("Llama 3.2 1B", "Llama 3.2 3B"):
        remark = family(name).remark
        assert "only the multimodal models" in remark and "end users" in remark


def test_an_unknown_name():
    with pytest.raises(LookupError, match="no model 'GPT-7'"):
        family("GPT-7")


def test_the_table_has_a_row_for_each():
    shown = table()
    assert [row[0] for row in shown.rows] == [model.name for model in families()]
    assert as_of() in shown.caption
