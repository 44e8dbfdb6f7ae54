"""A command that converts each image."""

import subprocess

import otel_fe


@otel_fe.extraction
def extract():
    subprocess.run(["sleep", "0.15"], check=True)  # planted


for _ in range(5):
    extract()
