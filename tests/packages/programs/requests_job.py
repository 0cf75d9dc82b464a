"""A session against a server that the program starts itself."""

import http.server
import threading

import requests
from requests.adapters import HTTPAdapter


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "taste=good")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
with requests.Session() as session:
    session.trust_env = False
    session.mount("http://", HTTPAdapter(max_retries=2))
    for _ in range(3):
        answer = session.post(
            f"http://127.0.0.1:{server.server_port}/", data="stressed", timeout=20
        )
        print(
            answer.status_code,
            answer.text,
            answer.cookies.get("taste"),
            answer.elapsed.total_seconds() < 20,
        )
server.shutdown()
try:
    requests.get("http://127.0.0.1:1/", timeout=5)
except requests.ConnectionError as error:
    print(type(error).__name__)
