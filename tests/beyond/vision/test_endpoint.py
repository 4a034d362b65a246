import base64
import io
import json
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


def test_nobody_there(server):
    address = url(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(NoAnswer, match="can't be reached"):
        Endpoint(address, "m", key="").ask(PICTURE, "?")


def test_a_slow_one_is_given_up():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        vision_model = Endpoint(
            f"http://127.0.0.1:{silent.getsockname()[1]}", "m", key="", seconds=0.05
        )
        with pytest.raises(NoAnswer, match="within 0 s"):
            vision_model.ask(PICTURE, "?")


def test_addresses_that_will_not_do():
    for bad in ("localhost:8000", "file:///etc/passwd", "http://"):
        with pytest.raises(NoAnswer, match="not an address"):
            Endpoint(bad, "m")
    with pytest.raises(NoAnswer, match="readable"):
        Endpoint("http://example.org/v1", "m", key="k")
    Endpoint("https://example.org/v1", "m", key="k")
    Endpoint("http://[::1]:8000/v1", "m", key="k")
