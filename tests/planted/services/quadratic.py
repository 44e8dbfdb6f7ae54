"""Every item is compared with every other one."""

import otel_fe

items = list(range(2_200))


def duplicates():
    found = 0
    for first in items:
        for second in items:
            found += first == second  # planted
    return found


@otel_fe.extraction
def extract():
    return duplicates()


for _ in range(4):
    extract()
