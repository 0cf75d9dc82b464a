"""Routes, a template, a session and an error, through flask's test client."""

import flask
from flask import Flask, render_template_string, request, session, url_for

app = Flask(__name__)
app.secret_key = "not secret"


@app.route("/hello/<name>", methods=["GET", "POST"])
def hello(name):
    session["seen"] = session.get("seen", 0) + 1
    page = "{{ name|title }} {{ seen }} {{ link }}"
    link = url_for("hello", name="b")
    return render_template_string(page, name=name, seen=session["seen"], link=link)


@app.route("/json", methods=["POST"])
def echo():
    return flask.jsonify(request.get_json())


client = app.test_client()
for response in (
    client.get("/hello/anna"),
    client.post("/hello/anna"),
    client.post("/json", json={"a": [1]}),
    client.get("/none"),
):
    print(response.status, response.get_data(as_text=True).strip())
