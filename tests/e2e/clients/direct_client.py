"""A program that goes past every proxy: started without a variable, it connects to a provider by itself.

python direct_client.py PROVIDER PROXY: the connection lasts until the proxy says that it has seen one.
"""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request

host, _, port = sys.argv[1].rpartition(":")
health = f"http://{sys.argv[2].rpartition('@')[2]}/health"
with socket.create_connection((host, int(port))):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=10) as answer:  # loopback
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error)
        if any(entry["reason"] == "direct" for entry in said["unmetered"]):
            sys.exit(0)
        time.sleep(0.05)
sys.exit("nobody has seen it")
