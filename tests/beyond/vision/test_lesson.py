"""Lesson 8 and its appendix: what the prose says about numbers holds, the exercises take the shown
solutions, and likely mistakes get the hint that fits.
"""

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import MllamaConfig
from transformers.models.mllama.configuration_mllama import MllamaVisionConfig

from beyond.cost.formula import call_cost, price
from beyond.vision import audio, fusion, inside, self_check
from beyond.vision.asking import ask
from beyond.vision.evaluate import evaluate
from beyond.vision.load import COURSE_MODEL, MARGIN, count_parameters, load
from beyond.vision.questions import held_out_items
from beyond.vision.scenes import PLACES, compose, draw, shrunk
from beyond.vision.viewer import explain

NOTEBOOKS = Path(__file__).parents[3] / "notebooks" / "en"


@pytest.fixture(scope="module")
def cells():
    found = nbformat.read(NOTEBOOKS / "08-multimodal-llama-3-2.ipynb", 4).cells
    return {cell.id: cell.source for cell in found}


EXERCISES = {
    "project-patches": ["project-patches"],
    "join": ["join"],
    "may-attend": ["may-attend"],
    "pictures-that-fit": ["pictures-that-fit"],
}


def run_checks(cells, exercise, code, capsys):
    bound = {}
    start = "import torch\nimport torch.nn.functional as F\n"
    start += "from beyond.checks import check, expect, report, written_here\n"
    start += 'FUSION = ("beyond.vision.fusion",)\n'
    exec(start + code + "\n" + cells[f"{exercise}-checks"], bound)
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


def solution(cells, exercise):
    return re.search(r"```python\n(.*?)```", cells[f"{exercise}-solution"], re.DOTALL).group(1)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_shown_solution_passes_and_the_stub_is_no_answer(cells, exercise, capsys):
    assert "✗" not in run_checks(cells, exercise, solution(cells, exercise), capsys)
    stub = cells[exercise]
    assert "return None  # your code here" in stub
    shown = run_checks(cells, exercise, stub, capsys)
    optional = exercise in ("project-patches", "pictures-that-fit")
    assert ("Optional, not done" if optional else "Not answered yet") in shown


@pytest.mark.parametrize(
    ("exercise", "old", "new", "hint"),
    [
        ("project-patches", "F.gelu(patches @ first.T)", "patches @ first.T", "no more than one"),
        ("project-patches", "F.gelu(", "F.relu(", "That is ReLU"),
        ("project-patches", "first.T", "first", "transpose them"),
        (
            "project-patches",
            "return F.gelu(patches @ first.T) @ second.T",
            "return F.gelu(F.gelu(patches @ first.T) @ second.T)",
            "not after the second",
        ),
        (
            "project-patches",
            "return F.gelu(patches @ first.T) @ second.T",
            "return F.gelu(patches @ first.T @ second.T)",
            "not after both",
        ),
        ("project-patches", "F.gelu(patches @ first.T)", "F.gelu(patches) @ first.T", "before the"),
        (
            "project-patches",
            "return F.gelu(patches @ first.T) @ second.T",
            "return (F.gelu(patches @ first.T) @ second.T).tolist()",
            "Return a tensor",
        ),
        ("join", "text[:, place + 1 :]", "text[:, place:]", "has to go"),
        ("join", "text[:, :place], image", "text[:, :place + 1], image", "has to go"),
        ("join", "[text[:, :place], image,", "[image, text[:, :place],", "at position `place`"),
        ("join", "text[:, place + 1 :]], dim=1", "text[:, place + 1 :]], dim=2", "dimension 1"),
        (
            "join",
            "image, text[:, place + 1 :]]",
            "text[:, place + 1 :], image]",
            "Not at the end",
        ),
        ("join", "text[:, :place]", "text[:place]", "text[:, ...]"),
        (
            "join",
            "[text[:, :place], image, text[:, place + 1 :]]",
            "[text[:place], image, text[place + 1 :]]",
            "text[:, ...]",
        ),
        (
            "join",
            "return torch.cat([text[:, :place], image, text[:, place + 1 :]], dim=1)",
            "text[:, place] = image\n    return text",
            "text[:, ...]",
        ),
        ("join", "[text[:, :place], image, text[:, place + 1 :]]", "text, image, text", "one list"),
        ("join", "text[:, :place]", "text[:, : place - 1]", "without place itself"),
        (
            "join",
            "torch.cat([text[:, :place], image, text[:, place + 1 :]], dim=1)",
            "torch.cat([text[0, :place], image[0], text[0, place + 1 :]])[None]",
            "Keep every text",
        ),
        ("join", "text[:, place + 1 :]", "text[:, place + image.shape[1] :]", "at place + 1"),
        ("join", "-100)", "0)", "leaves out -100"),
        ("join", "(len(labels), patches)", "(len(labels), 1)", "One label for each patch"),
        ("join", "labels[:, place + 1 :]", "labels[:, place:]", "own label has to go"),
        (
            "join",
            "[labels[:, :place], ignored",
            "[ignored, labels[:, :place]",
            "at position `place`",
        ),
        ("join", "(len(labels), patches)", "(1, patches)", "Each text of the batch"),
        (
            "join",
            "[labels[:, :place], ignored, labels[:, place + 1 :]]",
            "[labels[:, :1], ignored, labels[:, 2:]]",
            "isn't always 1",
        ),
        (
            "join",
            "labels.new_full((len(labels), patches), -100)",
            "-100 * torch.ones(len(labels), patches)",
            "Labels are whole numbers",
        ),
        (
            "join",
            "labels.new_full((len(labels), patches), -100)",
            "labels.new_full(patches, -100)",
            "new_full a shape, (len(labels), patches)",
        ),
        (
            "join",
            "labels.new_full((len(labels), patches), -100)",
            "torch.full((patches,), -100)",
            "each part needs two dimensions",
        ),
        (
            "join",
            "[labels[:, :place], ignored, labels[:, place + 1 :]], dim=1)",
            "labels[:, :place], ignored, labels[:, place + 1 :])",
            "torch.cat takes one list",
        ),
        (
            "join",
            "labels[:, place + 1 :]], dim=1)",
            "labels[:, place + 1 :]], dim=1).tolist()",
            "Return a tensor",
        ),
        (
            "may-attend",
            "    allowed[before : before + patches, before : before + patches] = True\n",
            "",
            "That is causal",
        ),
        (
            "may-attend",
            "allowed[before : before + patches, before : before + patches]",
            "allowed[: before + patches, : before + patches]",
            "Text before the image",
        ),
        *(
            (
                "may-attend",
                "before : before + patches, before : before + patches",
                f"before {by} : before {by} + patches, before {by} : before {by} + patches",
                "The first patch is at position `before`",
            )
            for by in ("+ 1", "- 1")
        ),
        ("may-attend", ".tril()", ".triu()", "Rows attend"),
        ("may-attend", ".tril()", "", "later text"),
        (
            "may-attend",
            "allowed[before : before + patches, before : before + patches]",
            "allowed[before : before + patches]",
            "the text after them",
        ),
        ("may-attend", ".tril()", ".tril(-1)", "attend to itself"),
        ("may-attend", "return allowed", "return ~allowed", "This is the reverse"),
        (
            "may-attend",
            "    return allowed",
            "    allowed[before + patches :, before + patches :] = True\n    return allowed",
            "causal again",
        ),
        (
            "may-attend",
            "    allowed[before : before + patches, before : before + patches] = True\n",
            "    for i in range(before, before + patches - 1):\n        allowed[i, i + 1] = True\n",
            "not only to the next one",
        ),
        (
            "may-attend",
            "before : before + patches, before : before + patches",
            "before:patches, before:patches",
            "A slice of the patches ends at",
        ),
        ("pictures-that-fit", "2 * vectors", "vectors", "Keys *and* values"),
        ("pictures-that-fit", "int(free // (", "round(free / (", "you didn't round down"),
        ("pictures-that-fit", "int(free // (", "(free / (", "Round down"),
        ("pictures-that-fit", " * 2)", ")", "4 bytes in all"),
        ("pictures-that-fit", "layers * ", "", "Each of the layers"),
    ],
)
def test_a_likely_mistake_gets_its_hint(cells, exercise, old, new, hint, capsys):
    right = solution(cells, exercise)
    assert old in right
    assert hint in run_checks(cells, exercise, right.replace(old, new), capsys)


def test_the_librarys_functions_are_no_answer(cells, capsys):
    for exercise, name in (("project-patches", "project"), ("may-attend", "may_attend")):
        code = f"from beyond.vision import fusion\n{name} = fusion.{name}"
        assert "write it yourself" in run_checks(cells, exercise, code, capsys)


def test_the_messages_draw_the_masks(cells, capsys):
    wrong = solution(cells, "may-attend").replace(".tril()", "")
    assert "returned 'xxxx xxxx xxxx xxxx'; expected 'x... xxx. xxx. xxxx'" in run_checks(
        cells, "may-attend", wrong, capsys
    )


def test_training_takes_only_what_works_for_every_text_and_position():
    def project(patches, first, second):
        return fusion.project(patches, first, second).tolist()

    def one_text(labels, patches, place):
        ignored = torch.tensor([[-100] * patches])
        return torch.cat([labels[:, :place], ignored, labels[:, place + 1 :]], dim=1)

    def one_place(labels, patches, place):
        return fusion.join_labels(labels, patches, 1)

    def no_whole_numbers(labels, patches, place):
        return fusion.join_labels(labels.float(), patches, place)

    for wrong in (one_text, one_place, no_whole_numbers):
        wrong.__name__ = "join_labels"
        assert fusion.chosen_steps(wrong)[1] == ["join_labels"]
    assert fusion.chosen_steps(project)[1] == ["project"]


def test_wrong_functions_are_replaced_in_training():
    def join(text, image, place):
        return text

    def may_attend(before, patches, after):
        return fusion.may_attend(before, patches, after).tolist()

    steps, replaced = fusion.chosen_steps(join, may_attend)
    assert replaced == ["join"]
    assert steps.may_attend is may_attend and steps.join is fusion.join


def test_the_sizes_of_the_11b(cells):
    base = count_parameters(MllamaConfig())
    instruct = count_parameters(MllamaConfig(vision_config=MllamaVisionConfig(image_size=560)))
    assert MllamaVisionConfig().image_size == 448
    assert f"{base / 1e9:.2f}" == "10.64" and f"{instruct / 1e9:.2f}" == "10.67"
    weights = 2 * instruct / 1e9
    assert f"{weights:.0f}" == "21" and f"{weights * MARGIN:.1f}" == "24.5"
    assert "about 21 GB" in cells["take-away"] and "24.5 GB" in cells["take-away"]


def test_which_tiles_an_image_gets():
    processor = load(COURSE_MODEL).processor

    def tiles(width, height):
        picture = Image.new("RGB", (width, height))
        found = processor(images=picture, text="<|image|>", return_tensors="pt")
        return int(found["aspect_ratio_mask"].sum())

    assert [tiles(20, 20), tiles(30, 15), tiles(640, 320), tiles(4000, 1200)] == [1, 1, 2, 4]
    assert tiles(40, 40) == tiles(256, 256) == 4


def test_an_image_of_one_tile_takes_as_many_vectors_as_one_of_four():
    vision_model = load(COURSE_MODEL)
    text = vision_model.prompt_for("what is in the image?")
    for side, used in ((20, 1), (64, 4)):
        inputs = inside.inputs_for(vision_model, Image.new("RGB", (side, side)), text)
        assert int(inputs["aspect_ratio_mask"].sum()) == used
        assert inside.image_features(vision_model, inputs).shape[1] == 4 * 17


def test_not_every_head_looks_at_the_circle_and_a_blind_model_names_a_place():
    vision_model, question = load(COURSE_MODEL), "where is the red circle?"
    scene = compose({"top left": "red circle", "right": "blue 7", "bottom": "yellow triangle"})
    image = draw(scene, scale=4)
    on_it, heads = explain(vision_model, image, question).heads_on(scene, "red circle")
    assert 0 < on_it < heads == 12
    with inside.gates(vision_model, 0):
        assert ask(vision_model, image, question).text in PLACES


def test_what_an_image_costs(cells):
    text = MllamaConfig().text_config
    vectors = 4 * ((560 // 14) ** 2 + 1)
    assert vectors == 6404 and "6,404" in cells["predict-costs"]
    cross = len(text.cross_attention_layers)
    assert (text.num_hidden_layers - cross, cross) == (32, 8)
    assert (336 // 14) ** 2 == 576
    assert f"{576 * 32 / (vectors * cross):.0%}" == "36%" and "36%" in cells["read-costs"]
    mini = price("openai/gpt-4o-mini")
    costs = [call_cost(20 + extra, 30, mini).total for extra in (1, 576, vectors)]
    assert costs == sorted(costs)


def test_smaller_things_are_read_less_well_whichever_scenes_are_drawn():
    """Digits suffer most and relations least, over five draws."""
    vision_model = load(COURSE_MODEL)
    for seed in range(5):
        items = held_out_items(60, seed=seed)

        def score(factor, items=items):
            smaller = [replace(item, scene=shrunk(item.scene, factor)) for item in items]
            return evaluate(vision_model.model, vision_model.processor, smaller)

        usual, half = score(1), score(0.5)
        assert usual.exact > 0.85 and half.exact < usual.exact - 0.2
        kinds = half.by("kind")
        assert kinds["relation"] > kinds["digit"]
        # "the table shows some that it confuses"
        assert sum(item.kind == "digit" for item, _said in half.wrong()) >= 2


def test_both_designs_recorded_over_five_seeds(cells):
    runs = fusion.recorded()
    for design in (fusion.CROSS, fusion.TOKENS):
        own = [run for run in runs if run.design == design]
        assert len({run.seed for run in own}) == len(own) == 5
        for run in own:  # at equal compute
            assert fusion.BUDGET * 0.98 < run.flops[-1] <= fusion.BUDGET
            assert run.flops[-1] == run.steps[-1] * fusion.step_flops(design)
    # "In all five recorded seeds, patches as tokens learn faster": compared halfway, and at the end
    half = {
        design: [run.accuracy[len(run.accuracy) // 2 - 1] for run in runs if run.design == design]
        for design in (fusion.CROSS, fusion.TOKENS)
    }
    assert min(half[fusion.TOKENS]) > max(half[fusion.CROSS])
    assert fusion.spread(runs, fusion.TOKENS)[0] > fusion.spread(runs, fusion.CROSS)[0]
    # "four of the five recorded seeds end within 5 percentage points, and one … ahead"
    ends = [fusion.outcome([run for run in runs if run.seed == seed]) for seed in range(5)]
    assert sorted(ends) == ["equal"] * 4 + ["tokens"]
    assert "four of the five recorded seeds end within 5 percentage points" in cells["read-designs"]


@pytest.mark.parametrize(
    ("cross", "tokens", "outcome"),
    [(0.9, 0.95, "equal"), (0.95, 0.9, "equal"), (0.9, 0.96, "tokens"), (0.96, 0.9, "cross")],
)
def test_designs_within_five_percentage_points_are_equal(cross, tokens, outcome):
    ends = ((fusion.CROSS, cross), (fusion.TOKENS, tokens))
    assert fusion.outcome([fusion.Run(name, 0, accuracy=[0, end]) for name, end in ends]) == outcome


def test_the_cost_of_tokens_grows_faster_with_patches():
    cross, tokens = (
        [fusion.step_flops(design, patches=n) for n in (16, 64, 256)]
        for design in (fusion.CROSS, fusion.TOKENS)
    )
    assert abs(tokens[0] / cross[0] - 1) < 0.2  # "cost nearly the same per step"
    assert tokens[0] / cross[0] < tokens[1] / cross[1] < tokens[2] / cross[2]


def test_closed_gates_make_a_reader_that_ignores_the_picture():
    model = fusion.Reader(fusion.CROSS)  # the gates start at 0
    tokens = fusion.captions(2).tokens
    one, other = (model(tokens, torch.randn(2, fusion.PATCHES, 192)) for _picture in range(2))
    assert torch.equal(one, other)


def test_patches_are_cut_as_they_are_in_the_picture():
    data = fusion.captions(1, seed=3)
    assert data.patches.shape == (1, 16, 192) and data.patches.abs().max() <= 1
    words = [fusion.vocabulary()[token] for token in data.tokens[0]]
    assert words[0] == fusion.IMAGE and words[-1] == fusion.END and len(words) == fusion.LONGEST


def test_the_choices_of_the_self_check_are_even():
    longest = 0
    for question in self_check.questions():
        lengths = [len(choice.text) for choice in question.choices]
        right = next(len(choice.text) for choice in question.choices if choice.right)
        assert max(lengths) <= 1.6 * min(lengths), question.text
        longest += right == max(lengths)
    assert longest <= len(self_check.questions()) / 2


def test_the_learner_decides_with_the_license_in_view(cells):
    order = list(cells)
    assert order.index("the-real-one") < order.index("run-the-real-one")
    text = cells["the-real-one"]
    assert "doesn't apply to end users" in text
    assert "English is the only officially supported language" in text
    assert "llama.cpp never supported" in text and "Vulkan" in text


def test_the_spoken_digits_are_all_there():
    assert len(audio.voices()) == 14
    assert set(audio.HELD_OUT_VOICES) < set(audio.voices())
    for voice in audio.voices():
        for number in range(10):
            samples = audio.digit(voice, number).samples
            assert 0.2 < len(samples) / audio.RATE < audio.SECONDS
            assert 0.9 < np.abs(samples).max() <= 1.01
    assert audio.SPOKEN.stat().st_size < 500_000


def test_training_never_hears_the_held_out_voices():
    known = {sound.voice for sound in audio.training_sounds(200)}
    assert not known & set(audio.HELD_OUT_VOICES)


def test_what_a_constant_answer_achieves():
    constant = audio.best_constant(audio.held_out_sounds())
    assert constant[audio.DIGIT] == 0.1 and constant[audio.PITCH] == 26 / 40
    text = nbformat.read(NOTEBOOKS / "appendix-audio.ipynb", 4)
    told = next(cell.source for cell in text.cells if cell.id == "read-audio")
    assert "65% for rising or falling, because 26 of these 40 sounds fall" in told


def test_a_spectrogram_has_its_tone_where_it_is():
    time = np.arange(int(audio.SECONDS * audio.RATE)) / audio.RATE
    low, high = (
        audio.spectrogram(np.sin(2 * np.pi * pitch * time).astype(np.float32)).mean(1).argmax()
        for pitch in (300, 2_000)
    )
    assert low < high
    assert audio.patches(torch.zeros(2, audio.BANDS, 80)).shape == (2, 16, 120)


def test_digits_by_new_voices_are_recognized_whichever_seed():
    """With half of the appendix's steps; silence gets the same answer each time."""
    sounds, new = audio.training_sounds(800, seed=1), audio.held_out_sounds()
    digits = [sound for sound in new if sound.question == audio.DIGIT]
    for seed in range(5):
        model = audio.train(sounds, 250, seed=seed)
        heard = audio.answers(model, digits)
        right = [sound.answer == answer for sound, answer in zip(digits, heard, strict=True)]
        assert sum(right) > 0.3 * len(right)
        assert len(set(audio.answers(model, digits, silent=True))) == 1
