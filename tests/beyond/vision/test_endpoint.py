import base64
import io
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from beyond.vision.asking import ask
from beyond.vision.endpoint import Endpoint, NoAnswer


@pytest.fixture
def server():
    """A server on loopback that answers as OpenAI's API does; `reply` decides with what."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            httpd.asked.append((self.path, dict(self.headers), body))
            status, headers, answer = httpd.reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self):
            httpd.asked.append((self.path, dict(self.headers), None))
            self.send_error(404)

        def log_message(self, *_arguments):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.reply = [], (200, {}, said("a red circle "))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def said(text: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def url(server) -> str:
    return f"http://127.0.0.1:{server.server_port}/v1"


PICTURE = Image.new("RGB", (6, 5), (200, 0, 0))


def test_the_question_and_the_picture_arrive_and_the_answer_names_its_giver(server):
    vision_model = Endpoint(url(server), "llama-3.2-11b-vision", key="k")
    found = ask(vision_model, PICTURE, "what is this?")
    assert found.text == "a red circle"
    assert found.by == f"llama-3.2-11b-vision at 127.0.0.1:{server.server_port}"
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer k"
    picture, question = body["messages"][0]["content"]
    assert question["text"] == "what is this?"
    data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).size == (6, 5)


def test_without_a_key_none_is_sent_and_it_is_never_shown(server, monkeypatch):
    monkeypatch.delenv("BEYOND_VISION_KEY", raising=False)
    ask(Endpoint(url(server), "m"), PICTURE, "?")
    assert "Authorization" not in server.asked[0][1]
    monkeypatch.setenv("BEYOND_VISION_KEY", "from the environment")
    ask(Endpoint(url(server), "m"), PICTURE, "?")
    assert server.asked[1][1]["Authorization"] == "Bearer from the environment"
    assert "secret" not in repr(Endpoint(url(server), "m", key="secret"))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((401, {}, b'{"error": {"message": "no such key"}}'), "status 401: no such key"),
        ((500, {}, b"<html>"), "status 500"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "status 302"),
        ((200, {}, b"<html>"), "not as OpenAI"),
        ((200, {}, b"[]"), "not as OpenAI"),
        ((200, {}, b'{"choices": []}'), "not as OpenAI"),
        ((200, {}, said(None)), "not as OpenAI"),
    ],
)
def test_what_is_no_answer_gets_one_sentence(server, reply, words):
    server.reply = reply
    with pytest.raises(NoAnswer, match=words) as caught:
        Endpoint(url(server), "m", key="").ask(PICTURE, "?")
    assert "\n" not in str(caught.value)
    assert len(server.asked) == 1, "it followed a redirect"


PROXY_VARIABLES = (
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
)
HERE = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.8.9.10",
    "127.1",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    socket.gethostname(),
]


@pytest.fixture
def proxy(monkeypatch):
    """A proxy that every variable names; it forwards nothing and keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            httpd.sent.append((self.path, dict(self.headers), body))
            answer = said("through the proxy")
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_CONNECT(self):
            httpd.sent.append((self.path, dict(self.headers), b""))
            self.send_error(502)

        def log_message(self, *_arguments):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.sent = []
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{httpd.server_port}")
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("no_proxy", [None, "", "example.org", "10.0.0.0/8"])
def test_what_is_for_this_machine_passes_no_proxy(proxy, host, no_proxy, monkeypatch):
    if no_proxy is not None:
        monkeypatch.setenv("no_proxy", no_proxy)
    family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
    with socket.socket(family) as listening:
        try:
            listening.bind(("" if family == socket.AF_INET else "::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listening.listen()
        listening.settimeout(20)
        port = listening.getsockname()[1]
        got = []

        def answer():
            connection, _from = listening.accept()
            with connection:
                got.append(connection.recv(1 << 16))
                found = said("straight")
                head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(found)}\r\n\r\n"
                connection.sendall(head.encode() + found)
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        endpoint = Endpoint(f"http://{host}:{port}/v1", "m", key="secret", seconds=20)
        assert endpoint.ask(PICTURE, "?") == "straight"
        thread.join(20)
    assert b"Bearer secret" in got[0]
    assert proxy.sent == []


def test_other_servers_are_asked_through_the_proxy_that_is_configured(proxy, monkeypatch):
    endpoint = Endpoint("http://pictures.example/v1", "m", key="")
    assert endpoint.ask(PICTURE, "?") == "through the proxy"
    assert proxy.sent[0][0] == "http://pictures.example/v1/chat/completions"
    with pytest.raises(NoAnswer, match="can't be reached"):
        Endpoint("https://pictures.example/v1", "m", key="secret").ask(PICTURE, "?")
    assert proxy.sent[1][0] == "pictures.example:443"
    assert "secret" not in str(proxy.sent)  # a tunnel's key is the server's to see
    monkeypatch.setenv("no_proxy", "pictures.example")
    with pytest.raises(NoAnswer, match="can't be reached"):
        endpoint.ask(PICTURE, "?")
    assert len(proxy.sent) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_picture_nor_key_elsewhere(server, proxy, status):
    server.reply = (status, {"Location": "http://pictures.example/v1/chat/completions"}, b"")
    with pytest.raises(NoAnswer, match=f"status {status}"):
        Endpoint(url(server), "m", key="secret").ask(PICTURE, "?")
    assert proxy.sent == [] and len(server.asked) == 1


def test_nobody_there(server):
    address = url(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(NoAnswer, match="can't be reached"):
        Endpoint(address, "m", key="").ask(PICTURE, "?")


def test_a_slow_one_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        vision_model = Endpoint(
            f"http://127.0.0.1:{silent.getsockname()[1]}", "m", key="", seconds=0.05
        )
        with pytest.raises(NoAnswer, match="within 0 s"):
            vision_model.ask(PICTURE, "?")


def test_addresses_that_will_not_do():
    for bad in (
        "localhost:8000",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://localhost:99999/v1",
        "http://localhost:x/v1",
        "http://localhost:0/v1",
    ):
        with pytest.raises(NoAnswer, match="not an address"):
            Endpoint(bad, "m")
    with pytest.raises(NoAnswer, match="readable"):
        Endpoint("http://example.org/v1", "m", key="k")
    Endpoint("https://example.org/v1", "m", key="k")
    Endpoint("http://[::1]:8000/v1", "m", key="k")
