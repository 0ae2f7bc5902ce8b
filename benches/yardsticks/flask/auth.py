"""The auth service of the classic pair: tokens in a dictionary, and a question about each.

A yardstick for the load bench. The tokens that are live are read at the start from the file that
TOKENS names, one a line, since how fast somebody logs in is not what is measured.
"""

import os
import time

from flask import Flask, jsonify, request

TTL = 6 * 3600

app = Flask(__name__)
with open(os.environ["TOKENS"], encoding="ascii") as lines:
    sessions = {
        line.strip(): {"username": f"user-{number % 100}@example.com", "expires": time.time() + TTL}
        for number, line in enumerate(lines)
    }


@app.post("/validateToken")
def validate_token():
    session = sessions.get(request.get_json()["token"])
    if session is None or session["expires"] < time.time():
        return jsonify(authenticated=False)
    session["expires"] = time.time() + TTL
    return jsonify(authenticated=True, user=session["username"])
