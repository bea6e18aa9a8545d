"""A Celery application whose tasks make calls; its prefork workers inherit what the parent has set up."""

from __future__ import annotations

import os

import requests
from celery import Celery

import farebox

folder = os.environ["TEST_BROKER"]
app = Celery("celery_app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": folder,
    "data_folder_out": folder,
    "control_folder": folder,
}
farebox.instrument()


@app.task
def ask(number: int) -> None:
    with farebox.attribute(task=str(number), tags={"worker": str(os.getpid())}):
        requests.post(os.environ["TEST_URL"], json={"model": "gpt-4o"}, timeout=30)


if __name__ == "__main__":
    for number in range(int(os.environ["TEST_TASKS"])):
        ask.delay(number)
