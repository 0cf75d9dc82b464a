"""Tasks whose broker and results are files."""

import os
import sys
from pathlib import Path

from celery import Celery

FOLDER = Path(os.environ["CELERY_TEST_FOLDER"])
app = Celery("celery_app", backend=f"file://{FOLDER}/results", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER / "queue"),
    "data_folder_out": str(FOLDER / "queue"),
    "control_folder": str(FOLDER / "control"),
}


@app.task
def add(a, b):
    return a + b


@app.task
def about():
    return [sys.executable, sys.prefix, os.path.basename(sys.argv[0]), sys.argv[1:]]


@app.task
def fail():
    raise ValueError("as expected")
