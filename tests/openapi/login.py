"""A new token of the demo user for each request: some of them end sessions. On the internal listener
the key as well, in both ways."""

import json
import os
import urllib.request

import schemathesis

LOGIN = os.environ["AUTH_URL"] + "/login"
KEY = os.environ.get("INTERNAL_KEY")
CREDENTIALS = json.dumps({"username": "jsf.fusco@gmail.com", "password": "postman"}).encode()


@schemathesis.auth(refresh_interval=None)
class DemoUser:
    def get(self, case, ctx):
        request = urllib.request.Request(
            LOGIN, CREDENTIALS, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["token"]

    def set(self, case, token, ctx):
        case.headers = {**(case.headers or {}), "token": token}
        if KEY and case.path.startswith("/session/data"):
            case.headers["X-Internal-Key"] = KEY
        elif KEY and not case.path.startswith("/authz/"):
            case.headers["Authorization"] = f"Bearer {KEY}"
