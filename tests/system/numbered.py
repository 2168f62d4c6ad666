"""A model that numbers its lines, and the check that nothing of them is lost or doubled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

# Counts in each of its lives, on both outputs by turns, 20 lines after each pause of PAUSE_S; /die ends a life.
COUNTING = """
import http.server, os, sys, threading, time
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
def count():
    life, number = f"{time.time_ns()}", 0
    while True:
        for _ in range(20):
            os.write(1 + number % 2, f"count {life} {number}\\n".encode())
            number += 1
        time.sleep(float(os.environ.get("PAUSE_S", "0.05")))
threading.Thread(target=count, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Model).serve_forever()
"""


# Counts up to TOTAL at RATE lines/s, on both outputs by turns; small, as there may be hundreds.
PACED = """
import os, socket, threading, time
rate, total = int(os.environ["RATE"]), int(os.environ["TOTAL"])
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
def serve():
    while True:
        server.accept()[0].close()
def write(output, lines):
    data = "".join(lines).encode()
    while data:
        data = data[os.write(output, data):]
threading.Thread(target=serve, daemon=True).start()
life, number, began = time.time_ns(), 0, time.monotonic()
while number < total:
    due = min(total, int((time.monotonic() - began) * rate))
    for output in (1, 2):
        numbers = (n for n in range(number, due) if n % 2 == output - 1)
        write(output, (f"count {life} {n} ".ljust(99, ".") + "\\n" for n in numbers))
    number = due
    time.sleep(0.02)
while True:
    time.sleep(60)
"""


def check_numbers(texts: Iterable[str]) -> dict[str, int]:
    """Assert that each life's numbers are there from 0 on, each once; return how many by life."""
    lives: defaultdict[str, list[int]] = defaultdict(list)
    for text in texts:
        word, _, rest = text.partition(" ")
        if word == "count":
            life, number = rest.split(" ")[:2]  # padding may follow
            lives[life].append(int(number))
    for life, numbers in lives.items():
        ordered = sorted(numbers)  # two outputs of one instant have no order
        wrong = next((place for place, number in enumerate(ordered) if number != place), None)
        assert wrong is None, f"life {life}: {ordered[max(0, wrong - 3) : wrong + 3]} instead of {wrong}"
        for start in (0, 1):  # but each output has
            assert [number for number in numbers if number % 2 == start] == ordered[start::2]
    return {life: len(numbers) for life, numbers in lives.items()}
