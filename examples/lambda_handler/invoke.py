"""Gives one event to a handler on this machine, as Lambda would, and prints what it answers.

    python invoke.py '{"items": []}' COMMAND...

COMMAND starts the runtime's client, which asks for its event at the address that Lambda has, where
a small server of this script is, or at that of $AWS_LAMBDA_RUNTIME_API.
"""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = os.environ.get("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")


class RuntimeInterface(BaseHTTPRequestHandler):
    """As much of Lambda's runtime interface as one event takes."""

    def do_GET(self):
        """The only event; whoever asks for another one waits, as in a paused sandbox."""
        if self.server.given.is_set():
            threading.Event().wait()
        self.server.given.set()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + 60) * 1000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self):
        """The handler's answer, or what it raised."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps(json.loads(body)), flush=True)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *arguments):
        """Nothing: the answer alone is of interest."""


def main():
    """Serves the event, starts the client, and ends it when it has answered."""
    host, _, port = ADDRESS.partition(":")
    server = ThreadingHTTPServer((host, int(port)), RuntimeInterface)
    server.daemon_threads = True
    server.event = json.dumps(json.loads(sys.argv[1])).encode()
    server.given, server.answered = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {
        "AWS_LAMBDA_RUNTIME_API": ADDRESS,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_REGION": os.environ.get("AWS_REGION", "eu-central-1"),
    }
    client = subprocess.Popen(sys.argv[2:], env={**os.environ, **told})
    while not server.answered.wait(0.1):
        if client.poll() is not None:
            sys.exit(f"the client ended with status {client.returncode} before it had answered")
    client.kill()
    client.wait()


if __name__ == "__main__":
    main()
