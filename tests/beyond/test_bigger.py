"""beyond.bigger: what is here, asked of a small server that speaks like Ollama."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch

from beyond import bigger


class Speaks(BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        embeds = [
            {"name": "mxbai-embed-large"},
            {"name": "all-minilm", "details": {"family": "bert"}},
        ]
        self.answer({"models": [*embeds, {"name": "tiny:1b"}, {"name": "other:2b"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Speaks.asked.append(body)
        if body["model"] != "tiny:1b":
            self.send_error(404)
            return
        self.answer(
            {
                "response": " Blue. ", "prompt_eval_count": 7, "eval_count": 4,
                "prompt_eval_duration": 500_000_000, "eval_duration": 2_000_000_000,
            }
        )  # fmt: skip

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_said):
        pass


@pytest.fixture
def ollama(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Speaks)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nobody(monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Speaks) as server:
        port = server.server_port
    monkeypatch.setenv("OLLAMA_HOST", f"http://127.0.0.1:{port}/")


def test_what_a_running_ollama_has(ollama):
    here = bigger.look()
    assert here.ollama == ("tiny:1b", "other:2b")  # not those that only make embeddings
    assert "tiny:1b, other:2b" in str(here)


def test_nothing_is_here(nobody, monkeypatch):
    monkeypatch.setattr(bigger, "_gpu_name", lambda: "")
    here = bigger.look()
    assert here == bigger.Here((), "")
    assert "ollama pull" in str(here) and "no graphics card" in str(here)


def test_a_reply_and_its_speed(ollama):
    reply = bigger.ask("What colour is the sky?", "tiny:1b")
    assert reply.text == "Blue."
    assert (reply.prompt_tokens, reply.new_tokens) == (7, 4)
    assert reply.prompt_seconds == pytest.approx(0.5)
    assert reply.tokens_per_second == pytest.approx(2.0)
    assert Speaks.asked[-1]["options"]["temperature"] == 0


def test_a_model_that_ollama_lacks(ollama):
    with pytest.raises(bigger.NoReply, match="ollama list"):
        bigger.ask("x", "huge:900b")


def test_no_ollama(nobody):
    with pytest.raises(bigger.NoReply, match="ollama serve"):
        bigger.ask("x", "tiny:1b")


def test_the_address(monkeypatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert bigger._address() == bigger.OLLAMA
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:9")
    assert bigger._address() == "http://127.0.0.1:9"


def test_a_model_on_the_device_is_a_function():
    class Twice(torch.nn.Module):
        def forward(self, ids):
            return type("Answer", (), {"logits": 2 * ids.half()})

    ids = torch.ones(1, 3)
    assert torch.equal(bigger.on_device(Twice())(ids), 2 * ids)
