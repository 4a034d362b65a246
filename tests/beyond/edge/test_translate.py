"""The translation tool: with the course's model, a tiny folder, and an Ollama played by a server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beyond.edge import translate as tool
from beyond.edge import translation, translation_check
from beyond.edge.sentences import sentences
from beyond.edge.translators import NoModel, open_translator, pieces
from beyond.lm import models
from beyond.lm.ollama import local_address
from beyond.locale import set_language


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BEYOND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    set_language("en")


class Echo:
    """Says what it is told to say for each text."""

    name, identity = "echo", "folder-echo"

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.asked = []

    def stream(self, messages, tokens):
        text = messages[-1]["content"].split("\n\n", 1)[1]
        self.asked.append((messages, tokens))
        yield from self.answers.get(text, text.upper())


class OnceOnly(Echo):
    """Answers the first time, and is gone then."""

    def stream(self, messages, tokens):
        if self.asked:
            raise NoModel("gone")
        yield from super().stream(messages, tokens)


class FakeOllama(BaseHTTPRequestHandler):
    """As much of Ollama's API as the tool uses."""

    models: ClassVar = [
        {"model": "mistral-nemo:latest", "digest": "abc" * 20, "size": 7_000_000_000},
        {"model": "small:1b", "digest": "def" * 20, "size": 800_000_000},
        {"model": "huge:latest", "digest": "0" * 60, "size": 9 * 10**14},
        {"model": "far:480b-cloud", "digest": "1" * 60, "size": 400},
    ]
    asked: ClassVar[list] = []
    created: ClassVar[list] = []

    def _send(self, *parts, status=200):
        content = b"".join(json.dumps(part).encode() + b"\n" for part in parts)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self._send({"models": self.models + self.created})

    def do_HEAD(self):
        self._send(status=404)

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/api/blobs/" in self.path:
            self._send(status=201)
        elif self.path == "/api/create":
            name = json.loads(content)["model"]
            self.created.append({"model": f"{name}:latest", "digest": "9" * 60, "size": 5})
            self._send({"status": "success"})
        else:
            self.asked.append(json.loads(content))
            if self.asked[-1]["model"] == "small:1b":
                self._send({"error": "out of memory"}, status=500)
                return
            said = ["도서관은 ", "공휴일에 ", "", "문을 닫습니다."]
            self._send(*({"message": {"role": "assistant", "content": one}} for one in said))

    def log_message(self, *_words):
        pass


@pytest.fixture
def ollama():
    """The address of a played Ollama."""
    FakeOllama.asked, FakeOllama.created = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeOllama)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def nobody():
    """An address where no Ollama answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeOllama)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A Llama of 32 numbers a token with a byte-level tokenizer, as transformers saves it."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("tiny")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(BPE({letter: n for n, letter in enumerate(["</s>", *letters])}, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>").save_pretrained(place)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(
        vocab_size=257, max_position_embeddings=512, eos_token_id=0, **shape, **heads
    )
    LlamaForCausalLM(config).save_pretrained(place)
    return place


def test_it_streams_what_ollama_writes(ollama):
    parts = list(translation.translate("The library …", "ko", "ollama:mistral-nemo", host=ollama))
    assert parts == ["도서관은 ", "공휴일에 ", "문을 닫습니다."]
    [asked] = FakeOllama.asked
    assert asked["stream"] is True and asked["options"]["temperature"] == 0
    assert asked["messages"][-1]["content"] == "Translate into Korean:\n\nThe library …"


def test_a_gguf_file_is_given_to_ollama_once(ollama, tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and so on")
    for _time in range(2):
        assert open_translator(file, ollama).name.startswith("ollama:beyond-")
    assert len(FakeOllama.created) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ollama:unknown", "it has: huge:latest, mistral-nemo:latest, small:1b"),
        ("ollama:far:480b-cloud", "would leave this machine"),
        ("no/such/folder", "There is no model no/such/folder"),
    ],
)
def test_a_model_that_is_not_here_is_said_in_a_sentence(ollama, name, words):
    with pytest.raises(NoModel, match=words):
        open_translator(name, ollama)


def test_an_ollama_that_stops_answering(ollama):
    with pytest.raises(NoModel, match=r"refused .out of memory"):
        list(translation.translate("x", "ko", "ollama:small:1b", host=ollama))


def test_no_ollama(nobody):
    with pytest.raises(NoModel, match="ollama serve"):
        open_translator("ollama:mistral-nemo", nobody)


@pytest.mark.parametrize(
    ("given_host", "address"),
    [
        ("127.0.0.1:11435", "http://127.0.0.1:11435"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_this_machine_has_several_names(given_host, address):
    assert local_address(given_host) == address


@pytest.mark.parametrize(
    "host",
    [
        "192.168.0.7",
        "https://ollama.com",
        "http://localhost.evil.com",
        "http://8.8.8.8:1",
        "ftp://127.0.0.1",
    ],
)
def test_other_machines_are_refused(host):
    with pytest.raises(NoModel, match="isn't this machine"):
        local_address(host)


def test_the_environments_host_counts(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "example.com")
    with pytest.raises(NoModel, match="isn't this machine"):
        open_translator("ollama:mistral-nemo")


def test_a_local_folder_writes_the_likeliest_tokens(tiny):
    import torch

    translator = open_translator(tiny)
    text = "".join(translation.translate("Hello", "ko", translator, tokens=12))
    model, tokenizer = models.load(tiny)
    prompt = "\n\n".join(one["content"] for one in translation.messages("Hello", "ko")) + "\n\n"
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.inference_mode():
        out = model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert text == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).rstrip(
        "\ufffd"
    )


def test_a_text_too_long_for_the_model(tiny):
    with pytest.raises(ValueError, match="512 at most; translate it in parts"):
        list(translation.translate("a" * 600, "ko", tiny))


def test_an_onnx_folder_writes_what_its_folder_writes(tiny, tmp_path):
    import shutil

    from beyond.edge import export
    from beyond.edge.weights import FromFolder

    place = tmp_path / "onnx"
    place.mkdir()
    try:
        export.write_variant(place, FromFolder(tiny), "fp32")
    except ImportError as absent:
        pytest.skip(str(absent))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny / file, place / file)
    texts = [
        "".join(translation.translate("Bonjour", "ko", one, tokens=10)) for one in (tiny, place)
    ]
    assert texts[0] == texts[1]


def test_a_folder_with_another_kind_of_onnx_file(tiny, tmp_path):
    import shutil

    shutil.copytree(tiny, tmp_path / "x")
    (tmp_path / "x" / "model.onnx").write_bytes(b"not onnx")
    with pytest.raises(NoModel, match="isn't a language model"):
        open_translator(tmp_path / "x")


def test_the_courses_own_model_writes_something(monkeypatch):
    monkeypatch.delenv("BEYOND_CACHE")  # made once for all; half a minute otherwise
    try:
        text = "".join(translation.translate("Hello", "ko", tokens=4))
    except NoModel as absent:
        pytest.skip(str(absent))
    assert text


@given(st.text(max_size=40), st.integers(1, 4))
def test_pieces_are_whole_letters_and_all_of_them(text, size):
    content = text.encode("utf-8", "surrogatepass")
    if b"\xed" in content:  # lone surrogates aren't text
        content = text.encode("utf-8", "ignore")
    chunks = [content[n : n + size] for n in range(0, len(content), size)]

    def decode(ids):
        return b"".join(chunks[i] for i in ids).decode("utf-8", "replace")

    parts = list(pieces(iter(range(len(chunks))), decode))
    whole = content.decode("utf-8")
    assert "".join(parts) == whole or whole.endswith("\ufffd")


def test_half_a_letter_at_the_end_is_left_out():
    halves = ["한".encode()[:2]]
    assert list(pieces(iter([0]), lambda ids: b"".join(halves).decode("utf-8", "replace"))) == []


def test_a_file_line_by_line(tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("\ufeffone\n\n두 번째\nlast", encoding="utf-8")
    echo = Echo({"one": ["하", "나\n"], "두 번째": ["second ", " line\n\nand more"]})
    seen = []

    def progress(lines):
        for line in lines:
            seen.append(line)
            yield line

    assert tool.translate_file(source, target, "ko", echo, progress=progress) == 4
    assert target.read_text(encoding="utf-8").splitlines() == [
        "하나",
        "",
        "second line and more",
        "LAST",
    ]
    assert seen == ["one", "", "두 번째", "last"]
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_fails_halfway_leaves_its_lines_beside(tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("a\nb\n")
    target.write_text("older")
    with pytest.raises(NoModel):
        tool.translate_file(source, target, "ko", OnceOnly())
    assert target.read_text() == "older"
    assert (tmp_path / "out.txt.part").read_text() == "A\n"


def test_files_that_cannot_be_translated(tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes("안녕".encode("cp949"))
    with pytest.raises(ValueError, match="UTF-8"):
        tool.translate_file(source, tmp_path / "out.txt", "ko", Echo())
    source.write_text("x")
    with pytest.raises(ValueError, match="would replace"):
        tool.translate_file(source, source, "ko", Echo())


def perfect(to):
    return Echo({text: [right] for text, right in zip(sentences("en"), sentences(to), strict=True)})


@pytest.mark.parametrize("to", ["ko", "ja", "zh", "fr", "ar"])
def test_a_perfect_translator_is_fit_and_a_copier_is_not(to):
    good = translation_check.measure(perfect(to), to)
    assert good.score == pytest.approx(100) and good.is_fit and good.script > 0.9
    copier = Echo({text: [text] for text in sentences("en")})
    bad = translation_check.measure(copier, to)
    assert bad.score == pytest.approx(bad.copied) and not bad.is_fit
    assert "not fit" in str(bad) and f"chrF {bad.score:.1f}" in str(bad)


@pytest.mark.parametrize("to", ["ko", "fr"])
def test_right_sentences_in_the_wrong_places_are_not_fit(to):
    right = sentences(to)
    mixed = dict(zip(sentences("en"), ([one] for one in right[1:] + right[:1]), strict=True))
    check = translation_check.measure(Echo(mixed), to)
    assert check.score == pytest.approx(check.unrelated) and not check.is_fit


def test_a_model_that_says_nothing():
    silent = Echo({text: [" "] for text in sentences("en")})
    check = translation_check.measure(silent, "ko", count=3)
    assert (check.score, check.script, check.is_fit) == (0, 0, False)


def test_what_was_measured_is_told_later_and_belongs_to_those_weights():
    check = translation_check.measure(perfect("ko"), "ko", count=4)
    translation_check.keep(check, "folder-echo")
    assert translation_check.kept("folder-echo", "ko") == check
    assert translation_check.kept("folder-echo", "ja") is None
    assert translation_check.kept("folder-other", "ko") is None
    assert translation_check.honest_words("folder-echo", "echo", "ko") == str(check)
    assert "Not measured yet" in translation_check.honest_words("folder-other", "x", "ko")
    assert "Nobody has measured" in translation_check.honest_words("folder-x", "x", "Welsh")


def test_a_broken_result_counts_as_none(tmp_path):
    check = translation_check.measure(perfect("ko"), "ko", count=2)
    translation_check.keep(check, "folder-echo").write_text("{}")
    assert translation_check.kept("folder-echo", "ko") is None


@pytest.mark.parametrize(
    ("to", "count", "message"),
    [("en", 5, "same language"), ("ko", 1, "2 sentences"), ("xx", 5, "xx")],
)
def test_what_cannot_be_measured(to, count, message):
    with pytest.raises(ValueError, match=message):
        translation_check.measure(Echo(), to, "en", count=count)


def test_the_command_translates_and_says_what_is_known(ollama, capsys):
    words = ["--to", "ko", "--model", "ollama:mistral-nemo", "--host", ollama]
    assert tool.main([*words, "The", "library"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "도서관은 공휴일에 문을 닫습니다.\n"
    # the same answer to everything, which is right for one of the few
    assert "may be able to translate" in shown.err
    assert f"{translation_check.FIRST_LOOK} sentences" in shown.err
    asked = len(FakeOllama.asked)
    assert tool.main([*words, "The library"]) == 0
    assert "may be able to translate" in capsys.readouterr().err
    assert len(FakeOllama.asked) == asked + 1  # measured once
    assert tool.main([*words, "--check"]) == 0
    shown = capsys.readouterr().out
    assert "is not fit" in shown and "24 sentences" in shown
    assert tool.main([*words, "The library"]) == 0
    assert "is not fit" in capsys.readouterr().err


def test_a_language_may_be_named(ollama, capsys):
    words = ["--model", "ollama:mistral-nemo", "--host", ollama, "The library"]
    assert tool.main(["--to", "korean", *words]) == 0
    assert "sentences into ko" in capsys.readouterr().err
    assert tool.main(["--to", "Welsh", *words]) == 0
    assert "Nobody has measured" in capsys.readouterr().err


def test_into_english_the_source_is_korean():
    right = zip(sentences("ko"), sentences("en"), strict=True)
    check = translation_check.measure(Echo({text: [one] for text, one in right}), "en")
    assert check.score == pytest.approx(100) and check.is_fit


def test_a_first_look_that_fails_is_none():
    assert "Not measured yet" in tool.evidence(OnceOnly(), "ko")
    assert translation_check.kept("folder-echo", "ko") is None


def test_the_command_lists_what_fits(ollama, capsys):
    assert tool.main(["--models", "--host", ollama]) == 0
    shown = capsys.readouterr().out
    assert "ollama:mistral-nemo:latest" in shown and "too large" in shown
    assert "cloud" not in shown


def test_advice_names_the_larger_model_that_is_here(ollama, nobody, monkeypatch):
    monkeypatch.setattr("beyond.edge.translators.free_memory", lambda: 16 * 10**9)
    assert "ollama:mistral-nemo:latest" in tool.advice(models.SMOLLM2, ollama)
    assert "ollama pull NAME" in tool.advice(models.SMOLLM2, nobody)


def test_the_command_with_a_file(ollama, tmp_path, capsys):
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("a\n\nb\n")
    words = ["--to", "ko", "--model", "ollama:mistral-nemo", "--host", ollama]
    assert tool.main([*words, "--file", str(source), "--output", str(target)]) == 0
    line = "도서관은 공휴일에 문을 닫습니다."
    assert target.read_text(encoding="utf-8") == f"{line}\n\n{line}\n"
    assert tool.main([*words, "--file", str(tmp_path / "no.txt"), "--output", "x"]) == 1
    assert "no.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["hello"],
        ["--to", "ko"],
        ["--to", "ko", "hello", "--check"],
        ["--to", "ko", "--file", "x.txt"],
        ["--to", "ko", "hello", "--tokens", "0"],
    ],
)
def test_wrong_arguments_are_one_sentence(words, capsys):
    with pytest.raises(SystemExit) as ended:
        tool.main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_model_that_is_missing_ends_the_command_with_a_sentence(nobody, capsys):
    assert tool.main(["--to", "ko", "hi", "--model", "ollama:x", "--host", nobody]) == 1
    assert capsys.readouterr().err.count("\n") == 1
