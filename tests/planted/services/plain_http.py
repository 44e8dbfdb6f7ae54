"""A service that an uninstrumented client calls."""

import sys
import urllib.request

import otel_fe


@otel_fe.extraction
def extract():
    return urllib.request.urlopen(sys.argv[2]).read()  # planted


for _ in range(4):
    extract()
