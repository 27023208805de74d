from __future__ import annotations

import csv
import io
import time

from steps.chat.formats.csv_rows import csv_rows
from steps.chat.span import Unreadable

HEADER = ["id", "trace_id", "input"]
ROWS = [["o1", "t", 'a "quoted", text\nof two\r\nlines'], ["o2", "t", ""], ["o3", "t", "x" * 200_000], ["o4", "t", "ü"]]


def text(rows, end="\r\n"):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows([HEADER, *rows])
    return out.getvalue().encode()


def read(data):
    found = []
    for item in csv_rows(io.BufferedReader(io.BytesIO(data)), "f", 1 << 26):
        found.append((item.offset, item.reason) if isinstance(item, Unreadable) else list(item[1].values()))
    return found


def test_rows_with_quotes_line_ends_and_long_fields():
    for end in ("\n", "\r\n"):
        assert read(text(ROWS, end)) == [[cell for cell in row if cell] for row in ROWS]
    assert read(text([])) == []


def test_odd_row_costs_itself():
    good = b"o9,t,x\n"
    bad = "malformed-row"
    for odd, reason in ((b"1,2\n", bad), (b"1,2,3,4\n", bad), (b"o,t,\xff\n", "not-utf8"), (b'o,t,"a"b\n', bad)):
        assert read(b"id,trace_id,input\n" + good + odd + good) == [["o9", "t", "x"], (3, reason), ["o9", "t", "x"]]
    assert read(b"id,trace_id,input\n" + good + b"\n" + good) == [["o9", "t", "x"]] * 2


def test_lost_quote_costs_a_line_and_not_the_file():
    good = b'o9,t,"x\ny"\n'
    found = read(b"id,trace_id,input\n" + good * 3 + b'o,t,"lost\n' + good * 3)
    assert found.count(["o9", "t", "x\ny"]) == 6
    found = read(b"id,trace_id,input\n" + b"o9,t,x\n" * 3 + b'o,t,"lost\n' + b"o9,t,x\n" * 3)
    assert found.count(["o9", "t", "x"]) == 6


def test_hostile_quotes_take_linear_time():
    seconds = []
    for count in (2_000, 8_000):
        data = b"id,trace_id,input\n" + (b'"\n' + b"a,b,c\n" * 9) * count
        start = time.process_time()
        read(data)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0] + 0.5
