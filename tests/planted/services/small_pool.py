"""One connection for two users of it."""

import sys
import threading
import time

import sqlalchemy
from sqlalchemy.pool import QueuePool

import otel_fe

engine = sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}.db", poolclass=QueuePool, pool_size=1, max_overflow=0)
held = threading.Event()


def holds():
    with engine.connect():
        held.set()
        time.sleep(0.15)


@otel_fe.extraction
def extract():
    with engine.connect():  # planted
        pass


for _ in range(5):
    held.clear()
    thread = threading.Thread(target=holds)
    thread.start()
    held.wait()
    extract()
    thread.join()
