"""Build and save the course's small Mllama: its dimensions, tokenizer and processor.

Every class is transformers' own, as for Llama 3.2 Vision; only the dimensions are smaller. Folder
layout and file names are the hub's, so the same loader reads both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    MllamaConfig,
    MllamaForConditionalGeneration,
    MllamaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.mllama.configuration_mllama import MllamaTextConfig, MllamaVisionConfig

from beyond.lm.quiet import quiet
from beyond.old_names import handed_on
from beyond.vision.scenes import PATCH, TILE

__getattr__ = handed_on(__name__)

IMAGE_TOKEN = "<|image|>"
BEGIN, END_OF_TEXT, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"
END_OF_TURN = "<|eot_id|>"
SPECIAL = (BEGIN, END_OF_TEXT, PAD, END_OF_TURN, "<|python_tag|>")

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['content'] is not string -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' %}{{ '<|image|>' }}{% endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{{ bos_token }}
{%- for message in messages -%}
{%- if message['content'] is string -%}
{{ message['content'] | trim }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'text' %}{{ part['text'] | trim }}{% endif -%}
{%- endfor -%}
{%- endif -%}
{{ '<|eot_id|>' }}
{%- endfor -%}
"""
"""Turns end as in Llama 3, but without its role headers, which would be half of each text and of
the training time. The image token comes first, so that every text token may attend to the image."""


@dataclass(frozen=True)
class MllamaShape:
    """The dimensions that differ from Llama 3.2 11B Vision (in parentheses)."""

    tile: int = TILE  # (560) pixels
    patch: int = PATCH  # (14) pixels
    vision_width: int = 128  # (1280)
    local_layers: int = 4  # (32) local transformer layers, before the second tile embedding
    global_layers: int = 2  # (8)
    kept_layers: tuple[int, ...] = (
        1,
        3,
    )  # (3, 7, 15, 23, 30) whose outputs are used in addition to the last one's
    text_width: int = 128  # (4096)
    text_layers: int = 6  # (40)
    cross_attention: tuple[int, ...] = (1, 3, 5)  # (3, 8, 13, 18, 23, 28, 33, 38)
    heads: int = 4  # (16 vision, 32 text)
    vocabulary: int = 640  # (128,256)
    initial_spread: float = 0.07  # (0.02) a larger value lets a narrow model learn sooner


def make_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer, like Llama 3's, which can encode any text.

    Args:
        texts: the training data for the merges.
        vocabulary: the number of tokens, without the image token, as in Llama 3.2.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Added after the merges, so that the special tokens have the last numbers, and the image
    # token the one right behind the vocabulary.
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    fillers = [
        f"<|reserved_special_token_{n}|>" for n in range(vocabulary - tokenizer.get_vocab_size())
    ]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in fillers])
    tokenizer.add_special_tokens([AddedToken(IMAGE_TOKEN, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        padding_side="right",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def make_processor(tokenizer: PreTrainedTokenizerFast, shape: MllamaShape) -> MllamaProcessor:
    """Combine tokenizer and image processor, with the chat template."""
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    images = MllamaImageProcessorPil(
        size={"height": shape.tile, "width": shape.tile},
        max_image_tiles=4,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.25, 0.25, 0.25],
        resample=2,  # bilinear
    )
    return MllamaProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)


def make_model(
    tokenizer: PreTrainedTokenizerFast, shape: MllamaShape, seed: int
) -> MllamaForConditionalGeneration:
    """Create a model with these dimensions and random weights."""
    if len(tokenizer) != shape.vocabulary + 1:
        raise ValueError(f"The tokenizer has {len(tokenizer)} tokens, not {shape.vocabulary + 1}.")

    def token(text: str) -> int:
        found = tokenizer.convert_tokens_to_ids(text)
        assert isinstance(found, int)
        return found

    text = MllamaTextConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads // 2,
        intermediate_size=shape.text_width * 2,
        max_position_embeddings=512,
        cross_attention_layers=list(shape.cross_attention),
        initializer_range=shape.initial_spread,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=token(BEGIN),
        eos_token_id=token(END_OF_TURN),
        pad_token_id=token(PAD),
    )
    vision = MllamaVisionConfig(
        hidden_size=shape.vision_width,
        num_hidden_layers=shape.local_layers,
        num_global_layers=shape.global_layers,
        attention_heads=shape.heads,
        intermediate_size=shape.vision_width * 4,
        vision_output_dim=shape.vision_width * (1 + len(shape.kept_layers)),
        image_size=shape.tile,
        patch_size=shape.patch,
        max_num_tiles=4,
        intermediate_layers_indices=list(shape.kept_layers),
        initializer_range=shape.initial_spread,
    )
    config = MllamaConfig(
        vision_config=vision, text_config=text, image_token_index=token(IMAGE_TOKEN)
    )
    torch.manual_seed(seed)
    model = MllamaForConditionalGeneration(config)
    model.generation_config.eos_token_id = token(END_OF_TURN)
    model.generation_config.pad_token_id = token(PAD)
    model.generation_config.bos_token_id = token(BEGIN)
    return model


def save(folder: Path, model: MllamaForConditionalGeneration, processor: MllamaProcessor) -> None:
    """Write the hub's files into `folder`; the weights as bfloat16, as the hub's Llama has them."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        halved = copy.deepcopy(model)
        torch.nn.Module.to(halved, "cpu", torch.bfloat16)
        halved.save_pretrained(folder)
    processor.save_pretrained(folder)


def count_parameters(model: torch.nn.Module) -> int:
    """Count the parameters of a model."""
    return sum(p.numel() for p in model.parameters())
