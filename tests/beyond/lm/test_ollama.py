"""Ollama's client against a server on this machine that answers as Ollama's documentation says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from beyond.lm import ollama

ASKED = []
BERT = {"model": "all-minilm:22m", "details": {"family": "bert"}}


class Fake(BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.path == "/api/tags"
        names = ("smollm2:135m", "llama3.2:3b", "far:480b-cloud", "mxbai-embed-large")
        models = [*({"model": name} for name in names), BERT]
        self._send([{"models": models}])

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ASKED.append((self.path, asked))
        if asked["model"] == "missing":
            self._send([{"error": "model 'missing' not found"}], status=404)
            return
        words = [{"message": {"role": "assistant", "content": w}} for w in ("The ", "sky", ".")]
        end = {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "prompt_eval_count": 30,
            "eval_count": 3,
            "load_duration": 200_000_000,
            "prompt_eval_duration": 300_000_000,
            "eval_duration": 60_000_000,
        }
        self._send([{"model": asked["model"]} | part for part in (*words, end)])

    def _send(self, lines, status=200):
        body = "\n".join(json.dumps(line) for line in lines).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_what):
        pass


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    address = f"http://127.0.0.1:{server.server_port}"
    server.server_close()
    return address


def test_the_models_that_write_in_a_running_ollama(host):
    assert ollama.models(host) == ("smollm2:135m", "llama3.2:3b")


def test_no_ollama_is_no_error(nobody):
    assert ollama.models(nobody) is None


def test_an_answer_comes_in_pieces_with_figures_at_its_end(host):
    told = []
    pieces = list(ollama.stream("Why?", "smollm2:135m", 3, host, on_end=told.append))
    assert pieces == ["The ", "sky", "."]
    assert told == [ollama.GenerationStats(30, 3, 0.5, 50.0)]
    path, asked = ASKED[-1]
    assert path == "/api/chat"
    assert asked["options"] == {"temperature": 0, "seed": 0, "num_predict": 3}
    assert asked["messages"][0]["content"] == "Why?"


def test_a_missing_model_is_said_in_one_sentence(host):
    with pytest.raises(ollama.NoOllama, match=r"not found.*ollama list"):
        list(ollama.stream("Why?", "missing", host=host))


def test_a_missing_ollama_is_said_in_one_sentence(nobody):
    with pytest.raises(ollama.NoOllama, match="ollama serve"):
        list(ollama.stream("Why?", "x", host=nobody))
