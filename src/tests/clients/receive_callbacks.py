"""Receives callbacks as a customer would, with the official library: checks each signature, prints one JSON line for each,
and gives the answers named on the command line, the last one again and again. The secret comes by the environment."""

import http.server
import json
import os
import sys

from standardwebhooks import Webhook, WebhookVerificationError

answers = [int(answer) for answer in sys.argv[1:]]
webhook = Webhook(os.environ["WEBHOOK_SECRET"])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            webhook.verify(body, dict(self.headers))
            verified = True
        except WebhookVerificationError:
            verified = False
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()
        seen = {"path": self.path, "verified": verified, "id": self.headers["webhook-id"], "body": json.loads(body)}
        print(json.dumps(seen), flush=True)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver)
print(json.dumps({"listening": server.server_port}), flush=True)
server.serve_forever()
