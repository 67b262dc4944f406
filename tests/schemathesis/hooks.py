"""Steers a schemathesis run: it must not take away what it stands on, and should find things that exist.

Its own app, device and token, and the rate limits, are kept from its changes. Every second call to a path whose
parameters nobody would guess is given ones that exist.
"""

import itertools
import json
import os
from urllib.request import Request, urlopen

import schemathesis

URL = os.environ["URL"]
APP_ID, DEVICE_UUID = os.environ["APP_ID"], os.environ["DEVICE_UUID"]
OWN = {APP_ID, DEVICE_UUID, os.environ["APP_TOKEN"], os.environ["INSTALL_ID"]}
SAFE = {"GET", "HEAD", "OPTIONS"}
turns = itertools.count()


def spare_token():
    body = json.dumps({"deviceUuid": DEVICE_UUID}).encode()
    request = Request(f"{URL}/apps/{APP_ID}/authorize", body, {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        return json.load(answer)["token"]


@schemathesis.hook
def before_call(context, case, kwargs):
    template, parameters = case.operation.path, case.path_parameters or {}
    if case.method.upper() not in SAFE and not template.endswith("/authorize"):
        for name, value in parameters.items():
            if str(value) in OWN:
                # Another that does not exist; numbers stay numbers.
                parameters[name] = 999_999_999 if str(value).isdigit() else "nobody"
    if next(turns) % 2:
        if template.startswith("/apps/tokens/{token}") and "token" in parameters:
            parameters["token"] = spare_token()
        if template == "/public-api/devices/{uuid}/kv/{key}" and len(parameters) == 2:
            parameters.update(uuid=DEVICE_UUID, key="greeting")
    body = case.body
    if template == "/public-api/settings" and isinstance(body, dict):
        for name, value in body.items():
            if name.startswith("kv.rate_") and isinstance(value, int) and value > 0:
                body[name] = 1_000_000
    # A long poll is as good after a second as after a minute.
    query = case.query or {}
    if template == "/kv/_changes" and str(query.get("wait", "")).isdigit():
        query["wait"] = "1" if 0 < int(query["wait"]) <= 60 else query["wait"]
