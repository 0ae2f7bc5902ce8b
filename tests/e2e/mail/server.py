"""A mail server for tests: aiosmtpd, which says on standard output what it took, a JSON object a line.

Recipients say what becomes of their mail: "refused" never, "later" not the first time, "hang" gets no
answer, "close" loses the connection after it was taken.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            return "550 5.1.1 no such mailbox"
        if name == "later" and name not in self.seen:
            self.seen.add(name)
            return "451 4.7.1 come back later"
        if name == "hang":
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8"),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data,
        }
        print(json.dumps(taken), flush=True)
        if envelope.rcpt_tos[0].startswith("close"):
            server.transport.close()
        return "250 taken"


def authenticated(server, session, envelope, mechanism, data):
    right = data.login == b"reinflate" and data.password == b"a secret of the post"
    return AuthResult(success=right, handled=right, auth_data=data.login.decode())


def settings():
    mode, settings = os.environ["MODE"], {}
    if mode in ("starttls", "smtps"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
        if mode == "smtps":
            settings["ssl_context"] = context
        else:
            settings.update(tls_context=context, require_starttls=True)
    if os.environ.get("WITH_LOGIN"):
        settings.update(authenticator=authenticated, auth_required=True)
        settings["auth_require_tls"] = mode == "starttls"
    return settings


controller = Controller(Handler(), "127.0.0.1", int(os.environ["PORT"]), **settings())
controller.start()
print("listening", flush=True)
sys.stdin.read()
controller.stop()
