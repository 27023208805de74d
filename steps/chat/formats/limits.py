"""What one raw file may cost. A file is hostile until it is read: each cap costs that file alone."""

from __future__ import annotations

# A pod has 8 GiB and parsed JSON takes up to about ten times its text.
MAX_LINE_BYTES = 128 << 20
# Above this size a line is weighed before it is parsed: `[{},{},…]` takes 30 times its text, and 4 million values about 400 MB.
DENSE_LINE_BYTES = 16 << 20
MAX_LINE_VALUES = 4_000_000
# A collector's message is a few megabytes; its default limit for a receiver is 4 MiB, for an export queue 64.
MAX_MESSAGE_BYTES = 256 << 20
# Langfuse's largest export file is about 49 GiB.
MAX_FILE_BYTES = 64 << 30
MAX_RECORDS = 20_000_000
# Real traces pack 10 to 100 times, gzip at most 1,032 times. Below the allowance any ratio costs little.
MAX_RATIO = 500
RATIO_ALLOWANCE_BYTES = 64 << 20
# Rows of quarantine that one file may fill; what follows is counted in one more.
MAX_UNREADABLE = 1_000
# Counting costs some 4 microseconds each: a file with so many is given up.
MAX_COUNTED_UNREADABLE = 1_000_000
MAX_JSON_DEPTH = 1_024
# ClickHouse writes row groups of 512 MiB.
MAX_ROW_GROUP_BYTES = 4 << 30
# Text of one row of a table, and of the rows that are held at once.
MAX_ROW_BYTES = 256 << 20
HELD_ROWS_BYTES = 32 << 20
HEAD_BYTES = 1 << 16
