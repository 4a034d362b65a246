import json

import numpy as np
import pytest
import torch

from beyond.vision.batches import Batch, Texts, random_batch
from beyond.vision.load import load
from beyond.vision.model import MllamaShape
from beyond.vision.scenes import held_out_digits
from tools import make_mllama

pytest.importorskip("sklearn")
SHORT = make_mllama.Plan(6, images=4, questions=3, warm_up=2, cool_down=3, easy=2)


def weights(training: make_mllama.Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.model.parameters()])


def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path):
    whole = make_mllama.Training(SHORT, MllamaShape(), threads=2)  # one half of each step next door
    make_mllama.run(whole, tmp_path / "whole", every=3)
    whole.close()
    first = make_mllama.Training(SHORT, MllamaShape(), threads=1)
    for _ in range(3):
        first.train_step()
    first.save_checkpoint(tmp_path / "cut")
    second = make_mllama.Training(SHORT, MllamaShape(), threads=1)
    second.resume(tmp_path / "cut")
    assert second.step == 3 and second.seconds == first.seconds > 0
    make_mllama.run(second, tmp_path / "cut", every=3)
    assert torch.equal(weights(whole), weights(second))
    note = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert note["step"] == SHORT.steps


def test_a_second_process_that_has_ended_is_said():
    training = make_mllama.Training(SHORT, MllamaShape(), threads=2)
    training._partner._process.kill()
    training._partner._process.join()
    with pytest.raises(RuntimeError, match="The second process ended"):
        training.train_step()
    training.close()


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    training = make_mllama.Training(SHORT, MllamaShape(), threads=1)
    training.train_step()
    training.save_checkpoint(tmp_path / "c")
    other = make_mllama.Training(
        make_mllama.Plan(7, images=4, questions=3), MllamaShape(), threads=1
    )
    with pytest.raises(ValueError, match="other settings"):
        other.resume(tmp_path / "c")


def test_a_quick_run_writes_a_folder_that_answers(tmp_path, capsys):
    target = tmp_path / "quick"
    make_mllama.main(["--quick", "--to", str(target)])
    said = capsys.readouterr().out
    assert "40 steps" in said and not (tmp_path / "quick.checkpoint").exists()
    vision_model = load(target)
    batch = random_batch(
        np.random.default_rng(0), vision_model.processor, held_out_digits(), 4, 3, 2
    )
    namer = torch.nn.Linear(MllamaShape().text_width, sum(make_mllama.LABELS))
    answering, naming = make_mllama.losses(vision_model.model, namer, batch)
    assert 0 < answering.item() < 6 and naming.item() > 0


def test_the_loss_falls(tmp_path):
    plan = make_mllama.Plan(15, images=4, questions=2, warm_up=3, cool_down=3)
    training = make_mllama.Training(plan, MllamaShape(), threads=1)
    found = [training.train_step() for _ in range(15)]
    for part in range(2):
        values = [pair[part] for pair in found]
        assert sum(values[-4:]) < 0.8 * sum(values[:4])


def test_the_rate_rises_and_falls():
    plan = make_mllama.Plan(1_000, warm_up=100, cool_down=300)
    rates = [plan.rate_at(step) for step in range(1_000)]
    assert rates[0] == 0.01 and rates[99] == rates[700] == 1 and rates[850] == 0.5
    assert 0 < rates[-1] < 0.01


def test_scenes_get_harder():
    plan = make_mllama.Plan(easy=200)
    assert [plan.most_things(step) for step in (0, 199, 200, 450, 999)] == [1, 1, 2, 3, 4]


def test_a_token_of_a_short_answer_weighs_more():
    training = make_mllama.Training(SHORT, MllamaShape(), threads=1)
    batch = random_batch(np.random.default_rng(0), training.processor, held_out_digits(), 4, 5, 4)
    whole = make_mllama.losses(training.model, training.namer, batch)[0].item()
    each = []
    for texts in batch.texts:
        for row in range(len(texts.image)):
            one = Texts(*(part[row : row + 1] for part in vars(texts).values()))
            alone = Batch(*list(vars(batch).values())[:4], [one])
            loss = make_mllama.losses(training.model, training.namer, alone)[0].item()
            each.append((loss, int((one.labels[:, 1:] != -100).sum())))
    losses, counts = np.array(each).T
    assert whole == pytest.approx(np.average(losses, weights=counts**0.5), rel=1e-4)


def test_the_keys_and_values_of_an_image_are_those_that_the_layers_make():
    training = make_mllama.Training(SHORT, MllamaShape(), threads=1)
    model = training.model
    with torch.no_grad():  # gates start at 0, and nothing of the image would be seen
        for name, parameter in model.named_parameters():
            if name.endswith("gate"):
                parameter.fill_(1.0)
    batch = random_batch(np.random.default_rng(1), training.processor, held_out_digits(), 3, 4, 4)
    found = make_mllama.losses(model, training.namer, batch)[0].item()
    total, weight = 0.0, 0.0
    with torch.no_grad():
        for texts in batch.texts:
            sees = batch.ratio_mask[texts.image][:, None].expand(-1, texts.tokens.shape[1], -1, -1)
            logits = model(
                input_ids=texts.tokens,
                pixel_values=batch.pixels[texts.image],
                aspect_ratio_ids=batch.ratio_ids[texts.image],
                aspect_ratio_mask=batch.ratio_mask[texts.image],
                cross_attention_mask=sees,
            ).logits
            for row, labels in zip(logits, texts.labels[:, 1:], strict=True):
                count = (labels != -100).sum()
                loss = torch.nn.functional.cross_entropy(row[:-1], labels)
                total, weight = total + loss * count**0.5, weight + count**0.5
    assert found == pytest.approx((total / weight).item(), rel=1e-4)
