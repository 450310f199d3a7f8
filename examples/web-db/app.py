"""Counts visits in Redis and keeps what is sent to it in PostgreSQL."""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import psycopg2
import redis

cache = redis.Redis(host="cache")


def database():
    return psycopg2.connect(host="db", user="app", dbname="postgres", password=os.environ["DB_PASSWORD"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with database() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT text FROM notes ORDER BY id")
            notes = [row[0] for row in cursor.fetchall()]
        visits = cache.get("visits") if self.path == "/health" else cache.incr("visits")
        self.answer({"visits": int(visits or 0), "notes": notes})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with database() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO notes (text) VALUES (%s)", (text,))
        self.answer({"kept": text})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if sys.argv[1:] == ["check"]:
    urlopen("http://127.0.0.1:8000/health", timeout=3).read()
else:
    with database() as first, first.cursor() as begin:
        begin.execute("CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text)")
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()
