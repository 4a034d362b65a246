"""Ask any OpenAI-compatible endpoint that the user names.

It may be a server on this machine (vLLM, LM Studio, …) or a provider. Nothing is sent anywhere
else: no redirect is followed, and to a server on this machine no proxy is used, whatever
HTTP_PROXY says. Other servers are asked through the proxy that is configured.
"""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from beyond.lm.this_machine import is_this_machine
from beyond.locale import _

if TYPE_CHECKING:
    from PIL import Image

KEY_VARIABLE = "BEYOND_VISION_KEY"
"""The environment variable with the endpoint's key, if it asks for one."""

MOST_BYTES = 4 * 2**20  # of an answer; a longer one is no answer to a question about a picture


class NoAnswer(RuntimeError):
    """The endpoint gave no answer; the message says why and what to do."""

    def _render_traceback_(self) -> list[str]:
        # A notebook shows this instead of a page of Python frames.
        return [str(self)]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A picture and a key go where the user said, and nowhere that a server says."""

    def redirect_request(self, *arguments, **options) -> None:
        return None


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's chat completions, pictures included.

    Args:
        url: its base, such as http://localhost:8000/v1.
        model: the model's name there.
        key: what the server asks for as a bearer token; the environment variable
            BEYOND_VISION_KEY if None. It is sent over https, or to this machine, only.
        seconds: how long to wait for an answer.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    seconds: float = 120

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # brackets without an end, or a port that is none
            usable = False
        if not usable:
            raise NoAnswer(
                _("{url} is not an address; write it as http://localhost:8000/v1.").format(
                    url=self.url
                )
            )
        if self._key and parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
            raise NoAnswer(
                _("A key would travel readable to {host}; use an https address.").format(
                    host=parts.hostname
                )
            )

    @property
    def name(self) -> str:
        """Who answers, for the screen: the model and the host."""
        return _("{model} at {host}").format(model=self.model, host=urlsplit(self.url).netloc)

    @property
    def _key(self) -> str:
        return self.key if self.key is not None else os.environ.get(KEY_VARIABLE, "")

    def ask(self, image: Image.Image, question: str, max_new_tokens: int = 200) -> str:
        """Return the endpoint's answer to one question about one RGB image.

        Raises:
            NoAnswer: if it can't be reached, refuses, or answers in another form.
        """
        body = {
            "model": self.model,
            "max_tokens": max_new_tokens,
            "temperature": 0,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": _data_url(image)}},
                        {"type": "text", "text": question},
                    ],
                }
            ],
        }
        found = self._post(body)
        try:
            text = found["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise NoAnswer(self._strange())
        return text.strip()

    def _proxies(self) -> list[urllib.request.ProxyHandler]:
        """Return the handler that keeps what is for this machine from a proxy; none for others."""
        here = is_this_machine(urlsplit(self.url).hostname or "")
        return [urllib.request.ProxyHandler({})] if here else []

    def _strange(self) -> str:
        text = _("{name} answered, but not as OpenAI's chat completions do.")
        return text.format(name=self.name)

    def _post(self, body: dict) -> dict:
        request = urllib.request.Request(
            self.url.rstrip("/") + "/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        opener = urllib.request.build_opener(_NoRedirect, *self._proxies())
        try:
            with opener.open(request, timeout=self.seconds) as reply:
                return json.loads(reply.read(MOST_BYTES))
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise NoAnswer(
                    _("{name} refused with status {status}: {reason}").format(
                        name=self.name, status=refusal.code, reason=_reason(refusal)
                    )
                ) from None
        except TimeoutError:
            raise NoAnswer(
                _("{name} gave no answer within {seconds:.0f} s.").format(
                    name=self.name, seconds=self.seconds
                )
            ) from None
        except ValueError:  # not JSON
            raise NoAnswer(self._strange()) from None
        except OSError as problem:
            reason = getattr(problem, "reason", problem)
            if isinstance(reason, TimeoutError):
                reason = _("no answer within {seconds:.0f} s").format(seconds=self.seconds)
            raise NoAnswer(
                _("{name} can't be reached ({reason}); is it running?").format(
                    name=self.name, reason=reason
                )
            ) from None


def _data_url(image: Image.Image) -> str:
    packed = io.BytesIO()
    image.save(packed, format="PNG")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


def _reason(refusal: urllib.error.HTTPError) -> str:
    """Return what the server says, if it says it in words; never more than a line."""
    try:
        found = json.loads(refusal.read(MOST_BYTES))
        text = found["error"]["message"] if isinstance(found["error"], dict) else found["error"]
    except (ValueError, KeyError, TypeError, OSError):
        text = refusal.reason
    return " ".join(str(text).split())[:200]
