"""Apply the model's chat template to a question, and generate the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import MllamaForConditionalGeneration, MllamaProcessor


def prompt(processor: MllamaProcessor, question: str) -> str:
    """Return the text that asks `question` about one image, up to the start of the answer."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    messages: list[Any] = [{"role": "user", "content": content}]
    return processor.apply_chat_template(messages, add_generation_prompt=True)


def generate(
    model: MllamaForConditionalGeneration,
    processor: MllamaProcessor,
    images: Sequence[Image.Image],
    texts: Sequence[str],
    most: int = 64,
) -> list[str]:
    """Generate greedy answers to prompts about one image each."""
    inputs = processor(
        images=[[image] for image in images],
        text=list(texts),
        add_special_tokens=False,
        padding=True,
        padding_side="left",
        return_tensors="pt",
    ).to(model.device)
    generator: Any = model  # transformers' mixin declares a different class for `self`
    with torch.inference_mode():
        tokens = generator.generate(**inputs, do_sample=False, max_new_tokens=most)
    new = tokens[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
