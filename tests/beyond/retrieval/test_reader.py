"""The reader's prompts, answers and citations."""

import torch

from beyond.retrieval import reader
from beyond.retrieval.handbook import Passage

PASSAGES = [
    Passage("lamp/1", "lamp", "The lamp", "It hangs there."),
    Passage("bed/2", "bed", "The bed", "It folds."),
]


def test_passages_are_numbered_in_the_prompt():
    assert reader.prompt("Where is it?", PASSAGES) == (
        "[1] The lamp: It hangs there.\n[2] The bed: It folds.\nQuestion: Where is it?\nAnswer:"
    )


def test_the_citation_is_read_from_the_answer():
    assert reader.citation("there [1]") == 1
    assert reader.citation("there [1] or here [2]") == 2
    assert reader.citation("there") is None
    assert reader.citation("there [") is None
    assert reader.cited("it folds [2]", PASSAGES) == PASSAGES[1]
    assert reader.cited("it folds [3]", PASSAGES) is None
    assert reader.cited("it folds [0]", PASSAGES) is None


def test_the_answer_is_left_without_its_citation():
    assert reader.without_citation("at noon [2].") == "at noon"
    assert reader.without_citation("at noon [") == "at noon"
    assert reader.without_citation("[2]") == ""


class Bytes:
    """A tokenizer whose tokens are bytes."""

    eos_token_id = 0

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": list(text.encode())}

    def decode(self, ids, skip_special_tokens=False):
        return bytes(int(i) for i in ids if int(i)).decode()


class Echo:
    """A model that writes the last word of its prompt, a line break and more."""

    device = "cpu"

    def generate(self, input_ids, attention_mask, max_new_tokens, **_options):
        rows = []
        for row, mask in zip(input_ids.tolist(), attention_mask.tolist(), strict=True):
            text = bytes(i for i, kept in zip(row, mask, strict=True) if kept).decode()
            written = f" {text.split()[-1]}\nmore".encode()[:max_new_tokens]
            rows.append(row + list(written) + [0] * (max_new_tokens - len(written)))
        return torch.tensor(rows)


def test_answers_come_in_the_order_of_the_prompts_and_end_with_their_line():
    prompts = ["a much longer prompt than the next: one", "two", "a third: three"]
    answers = reader.generate(Echo(), Bytes(), prompts, batch=2, beginning="Examples.\n")
    assert answers == ["one", "two", "three"]
