"""Keeps a schemathesis run from taking away what it stands on: its app, its device, its token and the rate limits."""

import os
from urllib.parse import quote

import schemathesis

OWN = {os.environ[name] for name in ("APP_ID", "DEVICE_UUID", "APP_TOKEN", "INSTALL_ID")}
SAFE = {"GET", "HEAD", "OPTIONS"}


@schemathesis.hook
def before_call(context, case, kwargs):
    template = case.operation.path
    if case.method.upper() not in SAFE and not template.endswith("/authorize"):
        for name, value in (case.path_parameters or {}).items():
            if str(value) in OWN or quote(str(value), safe="") in OWN:
                # Another that does not exist; numbers stay numbers.
                case.path_parameters[name] = 999_999_999 if str(value).isdigit() else "nobody"
    body = case.body
    if template == "/public-api/settings" and isinstance(body, dict):
        for name, value in body.items():
            if name.startswith("kv.rate_") and isinstance(value, int) and value > 0:
                body[name] = 1_000_000
    # A long poll is as good after a second as after a minute.
    query = case.query or {}
    if template == "/kv/_changes" and str(query.get("wait", "")).isdigit():
        query["wait"] = "1" if 0 < int(query["wait"]) <= 60 else query["wait"]
