"""The business service of the classic pair: it asks the auth service, then answers.

A yardstick for the load bench. AUTH_URL is the auth service's address.
"""

import os

import requests
from flask import Flask, jsonify, request

AUTH_URL = os.environ["AUTH_URL"]

app = Flask(__name__)


@app.get("/data")
def data():
    token = request.headers.get("token", "")
    answer = requests.post(f"{AUTH_URL}/validateToken", json={"token": token}, timeout=5)
    verdict = answer.json()
    if not verdict["authenticated"]:
        return jsonify(error="invalid token"), 401
    return jsonify(data={"message": f"Hello {verdict['user']}", "user": verdict["user"]})
