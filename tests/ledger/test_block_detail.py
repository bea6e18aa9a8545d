from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import msgspec

from farebox.ledger.block_detail import decode_detail, encode_detail


def test_threads_encode_and_decode_blocks_at_once() -> None:
    blocks = [[bytes([number]) * 300_000 + os.urandom(300_000)] for number in range(8)]
    rating = msgspec.Raw(msgspec.msgpack.encode({"cost": 1}))

    def round_trip(records: list[bytes]) -> bool:
        return all(
            decode_detail(encode_detail(records, [rating], b"abcd")).records == records for _ in range(40)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trip, blocks))
