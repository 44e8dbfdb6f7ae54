"""One query for each row, rather than one for all."""

import sys

import sqlalchemy

import otel_fe

engine = sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}.db")
with engine.begin() as connection:
    connection.execute(sqlalchemy.text("CREATE TABLE item (id INTEGER PRIMARY KEY, price REAL)"))
    connection.execute(sqlalchemy.text("INSERT INTO item VALUES (1, 2.0)"))
query = sqlalchemy.text(
    "WITH RECURSIVE scanned(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM scanned LIMIT 5000) "
    "SELECT price, (SELECT count(*) FROM scanned) FROM item WHERE id = :id"
)


@otel_fe.extraction
def extract():
    with engine.connect() as connection:
        return [connection.execute(query, {"id": 1}).scalar() for _ in range(150)]  # planted


for _ in range(4):
    extract()
