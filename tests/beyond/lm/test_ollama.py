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


@pytest.mark.parametrize(
    ("given", "address"),
    [
        # as in Ollama's own test of its client (envconfig/config_test.go)
        ("", "http://127.0.0.1:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("localhost", "http://localhost:11434"),
        ("127.0.0.1:99999", "http://127.0.0.1:11434"),
        (":66000", "http://127.0.0.1:11434"),
        (":-1", "http://127.0.0.1:11434"),
        ("localhost:port", "http://localhost:11434"),
        ("localhost:", "http://localhost:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("http://[::1", "http://[::1]:80"),
        ("[::]", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        (" 127.0.0.1 ", "http://127.0.0.1:11434"),
        ('"127.0.0.1"', "http://127.0.0.1:11434"),
        (' " 127.0.0.1 " ', "http://127.0.0.1:11434"),
        ("'127.0.0.1'", "http://127.0.0.1:11434"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("http://127.0.0.1:4321", "http://127.0.0.1:4321"),
        ("https://localhost", "https://localhost:443"),
        ("https://localhost/ollama/", "https://localhost:443/ollama"),
        ("HTTP://LOCALHOST:4321/", "http://LOCALHOST:4321"),
    ],
)
def test_addresses_are_read_as_ollama_reads_them(given, address, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", given)
    assert ollama.local_address() == address


@pytest.mark.parametrize(
    "given",
    [
        "ollama.com",
        "https://example.com:443",
        "http://",
        "a b",
        "1.2.3.4:5",
        "::1:x:y",
        "x@localhost",
        "ftp://localhost",
        "127.0.0.1.example.com",
        "http://[fe80::1%lo]:1",
        "\udcff",
    ],
)
def test_what_is_no_address_here_is_said_in_one_sentence(given, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", given)
    if given == "http://":  # no host: this machine, as Ollama reads it
        assert ollama.local_address() == "http://127.0.0.1:80"
        return
    with pytest.raises(ollama.NoOllama, match="use an Ollama here") as caught:
        list(ollama.stream("Why?", "x"))
    assert "\n" not in str(caught.value)
    assert ollama.models() is None


def test_a_redirect_takes_no_text_elsewhere(host, monkeypatch):
    """And no proxy gets it, whatever the variables say."""
    sent_on = []

    class Elsewhere(Fake):
        def do_POST(self):
            sent_on.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_error(500)

    class Redirecting(Fake):
        def do_POST(self):
            self.send_response(307)
            self.send_header("Location", elsewhere + self.path)
            self.end_headers()

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other,
        ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as redirecting,
    ):
        for server in (other, redirecting):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        elsewhere = f"http://127.0.0.1:{other.server_port}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, elsewhere)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ollama.NoOllama):
            list(ollama.stream("Why?", "x", host=f"http://127.0.0.1:{redirecting.server_port}"))
        assert list(ollama.stream("Why?", "smollm2:135m", 3, host))
        for server in (other, redirecting):
            server.shutdown()
    assert sent_on == []


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
