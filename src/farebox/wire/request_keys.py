"""The keys of a request's body that matter, decoded and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

BASE_KEYS = (
    "model",
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "litellm_metadata",
    "litellm_session_id",
    "requestMetadata",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "generationConfig",
    "inferenceConfig",
)


LENGTHS = BASE_KEYS[-5:]
"""The names under which a request says how many output tokens it allows."""


class BaseBody(msgspec.Struct, gc=False):
    """What every request is asked for, in the order of `BASE_KEYS`."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None
    user: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    litellm_metadata: Any = None
    litellm_session_id: Any = None
    requestMetadata: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    generationConfig: Any = None
    inferenceConfig: Any = None


class LimitedBody:
    """Decodes a small body for further keys. Tools are long: they are left undecoded."""

    __slots__ = ("_keys", "decode")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = tuple(key for key in keys if key not in BASE_KEYS)
        spelled = {f"f{index}": key for index, key in enumerate(self._keys)}
        fields = [
            (name, msgspec.Raw, msgspec.Raw()) if key == "tools" else (name, Any, None)
            for name, key in spelled.items()
        ]
        struct = msgspec.defstruct("LimitedBody", fields, bases=(BaseBody,), rename=spelled, gc=False)
        self.decode: Callable[[bytes], BaseBody] = msgspec.json.Decoder(cast("type[BaseBody]", struct)).decode

    def found(self, body: BaseBody) -> dict[str, Any]:
        """Return the further keys that are there and say something."""
        further = msgspec.structs.astuple(body)[len(BASE_KEYS) :]
        found = {key: value for key, value in zip(self._keys, further, strict=True) if value}
        if body.generationConfig is not None:
            found["generationConfig"] = body.generationConfig
        return found
