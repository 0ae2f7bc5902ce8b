"""Flask-Session on Redis, as its documentation sets it up: a login, who it is, a logout.

Usage: with_flask_session.py REDIS_URL IDLE_SECONDS PORT
"""

import sys

from flask import Flask, jsonify, session
from flask_session import Session
from redis import Redis

url, idle, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
app = Flask(__name__)
app.config.update(
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(url),
    PERMANENT_SESSION_LIFETIME=idle,
)
Session(app)


@app.post("/login/<int:user>")
def log_in(user):
    session["user"] = f"user-{user}@example.com"
    return "", 204


@app.get("/data")
def data():
    if "user" not in session:
        return "", 401
    return jsonify(data={"user": session["user"]})


@app.post("/logout")
def log_out():
    session.clear()
    return "", 204


app.run(port=port, threaded=True)
